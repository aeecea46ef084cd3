import { assign } from "./assign.ts";
import type { Doubt } from "./doubt.ts";
import { expressions } from "./expressions.ts";
import { type Call, Endless, Frame, type Interpreter, Leave } from "./frame.ts";
import { lineOf, type Node, type PythonScript, part, parts } from "./script.ts";
import { statements } from "./statements.ts";
import { isUnknown, PythonDict, type PythonFunction, Unknown, type Value } from "./value.ts";

/** A program whose top level was followed. */
export interface Followed {
  /** Calls to imported names, in order, such as `templateconfig.cli.main`. */
  readonly calls: readonly Call[];
  /** Names at the top level of the program. */
  name(name: string): Value | undefined;
  /** The calls that a function makes, in all its branches. Throws `Endless` as `call` does. */
  explore(
    callee: PythonFunction,
    positional: readonly Value[],
  ): { value: Value; calls: readonly Call[]; doubts: readonly Doubt[] };
  /**
   * The value that a function of the program returns, and its unknown parts. Throws `Endless` if it takes
   * more steps than a list of parameters can need.
   */
  call(callee: PythonFunction, positional: readonly Value[]): { value: Value; doubts: Doubt[] };
}

const mostSteps = 200_000;
const mostDepth = 30;

/**
 * Follows a Python program statement by statement without running it, as far as its values are known: literals, names,
 * loops and functions. A value that is read from the machine or returned by a library is an `Unknown` with its line.
 * With `allBranches`, the top level is explored as `explore` does.
 */
export function follow({ root }: PythonScript, allBranches = false): Followed {
  const program = new Frame();
  program.set("__name__", "__main__");
  let calls: Call[] = [];
  let explores = allBranches;
  let doubts: Doubt[] = [];
  let [steps, depth] = [0, 0];
  const step = (node: Node) => {
    if (++steps > mostSteps) throw new Endless(lineOf(node));
  };
  const self: Interpreter = {
    step,
    evaluate(node, frame) {
      step(node);
      if (depth > 400) return new Unknown("is nested too deep", lineOf(node));
      depth++;
      try {
        const value =
          expressions[node.type]?.(node, frame, self) ??
          new Unknown(`reads ${node.text.slice(0, 40)}`, lineOf(node));
        // A value costs steps by its size, so that lists of lists cannot fill the memory.
        if (Array.isArray(value)) steps += Math.ceil(value.length / 16);
        if (typeof value === "string") steps += Math.ceil(value.length / 256);
        return value;
      } finally {
        depth--;
      }
    },
    run(block, frame) {
      for (const statement of parts(block)) {
        step(statement);
        const runner = Object.hasOwn(statements, statement.type) ? statements[statement.type] : undefined;
        if (runner) runner(statement, frame, self);
        else if (!harmless.has(statement.type))
          self.unsure(`has ${statement.text.split("\n", 1)[0]?.slice(0, 60)}`, lineOf(statement));
      }
    },
    call(callee, positional, named) {
      const { node } = callee;
      // A function that explores also follows the branch that would end the recursion.
      if (depth > mostDepth * 10 && !explores) throw new Endless(lineOf(node));
      if (depth > mostDepth * 10) return new Unknown(`calls ${callee.name} endlessly`, lineOf(node));
      const frame = new Frame(program);
      const given = callee.self === undefined ? positional : [callee.self, ...positional];
      bind(self, program, node, given, named, frame);
      const body = part(node, "body");
      if (!body) return null;
      if (node.type === "lambda") return self.evaluate(body, frame);
      depth += 10;
      try {
        self.run(body, frame);
        return null;
      } catch (error) {
        if (error instanceof Leave && error.how === "return") return error.value;
        throw error;
      } finally {
        depth -= 10;
      }
    },
    explores: () => explores,
    heard: (call) => calls.push(call),
    unsure: (reason, line, fault) => doubts.push({ reason, line, ...(fault && { fault }) }),
  };
  ended(() => self.run(root, program));
  explores = false;
  const atTop = calls;
  return {
    calls: atTop,
    name: (name) => program.get(name),
    explore(callee, positional) {
      [steps, depth, calls, doubts, explores] = [0, 0, [], [], true];
      let value: Value = null;
      try {
        ended(() => {
          value = self.call(callee, positional, new Map());
        });
        return { value, calls, doubts };
      } finally {
        explores = false;
      }
    },
    call(callee, positional) {
      [steps, depth, doubts] = [0, 0, []];
      let value: Value = new Unknown("raises an exception", lineOf(callee.node));
      ended(() => {
        value = self.call(callee, positional, new Map());
      });
      if (isUnknown(value)) doubts.push(value);
      return { value, doubts };
    },
  };
}

/** Gives the parameters of a function their values, in its frame. */
function bind(
  self: Interpreter,
  program: Frame,
  node: Node,
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
  frame: Frame,
): void {
  const list = part(node, "parameters");
  const left = new Map(named);
  let next = 0;
  for (const parameter of list ? parts(list) : []) {
    const name =
      part(parameter, "name") ?? (parameter.type === "identifier" ? parameter : parts(parameter)[0]);
    if (!name) continue;
    if (parameter.type === "list_splat_pattern") {
      frame.set(name.text, positional.slice(next));
      next = positional.length;
    } else if (parameter.type === "dictionary_splat_pattern") frame.set(name.text, new PythonDict(left));
    else {
      const fallback = part(parameter, "value");
      const value =
        positional[next++] ??
        left.get(name.text) ??
        (fallback ? self.evaluate(fallback, program) : new Unknown(`reads ${name.text}`, lineOf(parameter)));
      left.delete(name.text);
      // Python 2 unpacks a tuple parameter.
      assign(parameter.type === "tuple_pattern" ? parameter : name, value, frame, self);
    }
  }
}

// Statements that change no value.
const harmless = new Set(["assert_statement", "future_import_statement", "pass_statement"]);

// A program ends where an exception is raised at its top level.
function ended(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Leave)) throw error;
  }
}
