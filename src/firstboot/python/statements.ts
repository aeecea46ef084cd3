import { assign } from "./assign.ts";
import { classOf } from "./classes.ts";
import { Endless, type Frame, type Interpreter, Leave } from "./frame.ts";
import { itemsOf } from "./methods.ts";
import { operate } from "./operate.ts";
import { everyNode, lineOf, type Node, part, parts } from "./script.ts";
import {
  isUnknown,
  PythonDict,
  PythonFunction,
  PythonModule,
  truth,
  Unending,
  Unknown,
  type Value,
} from "./value.ts";

type Runner = (node: Node, frame: Frame, of: Interpreter) => void;

/** How to follow each kind of statement, by its type in the grammar. Others change no value that is read here. */
export const statements: Readonly<Record<string, Runner>> = {
  block: (node, frame, of) => of.run(node, frame),
  expression_statement: (node, frame, of) => {
    for (const one of parts(node))
      if (one.type === "assignment") assignment(one, frame, of);
      else if (one.type === "augmented_assignment") augmented(one, frame, of);
      else of.evaluate(one, frame);
  },
  print_statement: (node, frame, of) => {
    const to = parts(node).find(({ type }) => type === "chevron")?.text ?? "";
    const positional = parts(node)
      .filter(({ type }) => type !== "chevron")
      .map((one) => of.evaluate(one, frame));
    if (to === "" || /sys\.(?:__)?std(?:out|err)/.test(to))
      of.heard({ name: "print", positional, named: new Map(), node });
  },
  function_definition: (node, frame) => {
    const name = part(node, "name")?.text ?? "";
    frame.set(name, new PythonFunction(name, node));
  },
  decorated_definition: (node, frame) => {
    const name = part(part(node, "definition") ?? node, "name");
    if (name) frame.set(name.text, new Unknown(`${name.text} is decorated`, lineOf(node)));
  },
  class_definition: (node, frame, of) => frame.set(part(node, "name")?.text ?? "", classOf(node, frame, of)),
  import_statement: (node, frame) => {
    for (const one of parts(node)) {
      const [name, alias] = [part(one, "name")?.text ?? one.text, part(one, "alias")?.text];
      if (alias !== undefined) frame.set(alias, new PythonModule(name));
      else frame.set(name.split(".")[0] ?? name, new PythonModule(name.split(".")[0] ?? name));
    }
  },
  import_from_statement: (node, frame) => {
    const [from, ...names] = parts(node);
    for (const one of names) {
      const [name, alias] = [part(one, "name")?.text ?? one.text, part(one, "alias")?.text];
      if (one.type !== "wildcard_import") frame.set(alias ?? name, new PythonModule(`${from?.text}.${name}`));
      else if (from?.text.startsWith("templateconfig"))
        for (const known of ["main", "run_cmd", "shell_cmd"])
          frame.set(known, new PythonModule(`${from.text}.${known}`));
    }
  },
  if_statement: (node, frame, of) => {
    const branches = [node, ...parts(node).filter(({ type }) => type === "elif_clause")];
    for (const branch of branches) {
      const condition = part(branch, "condition");
      const known = condition && truth(of.evaluate(condition, frame));
      const block = part(branch, "consequence");
      if (known === undefined && of.explores()) {
        if (block) explored(() => of.run(block, frame));
        continue;
      }
      if (known === undefined) {
        const why = `depends on ${condition?.text.slice(0, 60) ?? "a condition"}`;
        skipped(node, new Unknown(why, lineOf(branch)), frame, of);
        return;
      }
      if (known) {
        if (block) of.run(block, frame);
        return;
      }
    }
    const last = parts(node).find(({ type }) => type === "else_clause");
    const body = last && part(last, "body");
    if (body) of.run(body, frame);
  },
  for_statement: (node, frame, of) => {
    const [left, right, body] = [part(node, "left"), part(node, "right"), part(node, "body")];
    const value = right && of.evaluate(right, frame);
    // Not a copy: items that are appended during a loop are part of the loop, too.
    const list = Array.isArray(value) ? value : value === undefined ? undefined : itemsOf(value);
    if (!left || !body) return;
    if (value instanceof Unending && !canLeave(body)) throw new Endless(lineOf(node));
    if (!list && of.explores()) {
      assign(left, new Unknown(`an item of ${right?.text.slice(0, 60)}`, lineOf(node)), frame, of);
      explored(() => of.run(body, frame));
      return;
    }
    if (!list) {
      const why = `loops over ${right?.text.slice(0, 60) ?? "something"}`;
      skipped(node, new Unknown(why, lineOf(node)), frame, of);
      return;
    }
    for (const one of list) {
      of.step(node);
      assign(left, one, frame, of);
      if (leaves(() => of.run(body, frame))) return;
    }
    otherwise(node, frame, of);
  },
  while_statement: (node, frame, of) => {
    const [condition, body] = [part(node, "condition"), part(node, "body")];
    while (condition && body) {
      of.step(node);
      const known = truth(of.evaluate(condition, frame));
      if (of.explores() && (known === undefined || (known && isConstant(condition) && canLeave(body)))) {
        const waits = waitsFor(condition, body, known === true);
        if (waits !== undefined) of.unsure(`waits in a loop ${waits}`, lineOf(node), "endless");
        explored(() => of.run(body, frame));
        return;
      }
      if (known === undefined) {
        const why = `loops while ${condition.text.slice(0, 60)}`;
        if (!canLeave(body) && !changes(body, condition))
          of.unsure(`waits in a loop while ${condition.text.slice(0, 60)}`, lineOf(node), "endless");
        skipped(node, new Unknown(why, lineOf(node)), frame, of);
        return;
      }
      if (!known) break;
      if (leaves(() => of.run(body, frame))) return;
    }
    otherwise(node, frame, of);
  },
  try_statement: (node, frame, of) => {
    const body = part(node, "body");
    const follow = (type: string) => {
      for (const clause of parts(node).filter((one) => one.type === type)) {
        const block = part(clause, "body") ?? parts(clause).find((one) => one.type === "block");
        if (block) of.run(block, frame);
      }
    };
    try {
      if (body) of.run(body, frame);
      follow("else_clause");
    } catch (error) {
      if (!(error instanceof Leave && error.how === "raise")) throw error;
      for (const clause of parts(node).filter(({ type }) => type === "except_clause"))
        skipped(clause, new Unknown("handles an exception", lineOf(node)), frame, of);
    }
    if (of.explores()) explored(() => follow("except_clause"));
    follow("finally_clause");
  },
  with_statement: (node, frame, of) => {
    for (const one of parts(node).filter(({ type }) => type === "with_clause"))
      for (const item of parts(one)) {
        const value = part(item, "value");
        const opened = value?.type === "as_pattern" ? parts(value)[0] : value;
        if (opened) of.evaluate(opened, frame);
        const alias = part(value ?? item, "alias");
        if (alias) frame.set(alias.text, new Unknown("reads a file", lineOf(item)));
      }
    const body = part(node, "body");
    if (body) of.run(body, frame);
  },
  global_statement: (node, frame) => {
    for (const name of parts(node)) frame.makeGlobal(name.text);
  },
  return_statement: (node, frame, of) => {
    const [value] = parts(node);
    throw new Leave("return", value ? of.evaluate(value, frame) : null);
  },
  break_statement: () => {
    throw new Leave("break");
  },
  continue_statement: () => {
    throw new Leave("continue");
  },
  raise_statement: (node, frame, of) => {
    const [error] = parts(node);
    const list = error?.type === "call" ? part(error, "arguments") : undefined;
    const said = parts(list ?? node).filter(({ type }) => type !== "keyword_argument");
    const positional = said.map((one) => of.evaluate(one, frame));
    of.heard({ name: "raise", positional, named: new Map(), node });
    throw new Leave("raise", new Unknown("raises an exception", lineOf(node)));
  },
};

function canLeave(body: Node): boolean {
  return [...everyNode(body)].some(({ type }) => /^(?:break|return|raise)_statement$/.test(type));
}

function isConstant(condition: Node): boolean {
  return /^(?:True|1)$/.test(condition.text);
}

// What a loop waits for, if nothing in it limits how long: it sleeps, and neither counts nor asks for the time.
function waitsFor(condition: Node, body: Node, always: boolean): string | undefined {
  const nodes = [...everyNode(body)];
  if (
    !nodes.some(
      (node) => node.type === "call" && /^(?:time\.)?sleep$/.test(part(node, "function")?.text ?? ""),
    )
  )
    return undefined;
  const leaving = nodes.filter(
    (node) => node.type === "if_statement" && canLeave(part(node, "consequence") ?? node),
  );
  const asked = always ? leaving.flatMap((node) => part(node, "condition") ?? []) : [condition];
  if (always ? asked.length === 0 : canLeave(body)) return undefined;
  if (asked.some((one) => limits.test(one.text) || changes(body, one))) return undefined;
  return always ? `until ${asked[0]?.text.slice(0, 60)}` : `while ${condition.text.slice(0, 60)}`;
}

// A clock, or a program or a file that comes to its end.
const limits =
  /\b(?:time|monotonic|clock|now|today|poll|wait\w*|is_alive|read\w*|recv|next|get|get_nowait|empty|qsize|communicate)\b/;

// Whether the body of a loop binds a name that its condition reads.
function changes(body: Node, condition: Node): boolean {
  const read = new Set(
    [...everyNode(condition)].filter(({ type }) => type === "identifier").map(({ text }) => text),
  );
  return [...everyNode(body)].some((node) => {
    const left = /assignment$|^for_statement$/.test(node.type) ? part(node, "left") : undefined;
    const owner = node.type === "call" ? part(part(node, "function") ?? node, "object") : undefined;
    return [...(left ? everyNode(left) : []), ...(owner ? [owner] : [])].some(({ text }) => read.has(text));
  });
}

// The `else` of a loop that ended without `break`.
function otherwise(node: Node, frame: Frame, of: Interpreter): void {
  const clause = parts(node).find(({ type }) => type === "else_clause");
  const body = clause && part(clause, "body");
  if (body) of.run(body, frame);
}

/**
 * Code that may run, but is not followed: the names that it binds become unknown, and the lists that it
 * changes become incomplete.
 */
function skipped(block: Node, why: Unknown, frame: Frame, of: Interpreter): void {
  for (const node of everyNode(block)) {
    const changed =
      node.type === "assignment" || node.type === "augmented_assignment" || node.type === "for_statement"
        ? part(node, "left")
        : node.type === "call"
          ? part(part(node, "function") ?? node, "object")
          : undefined;
    for (const name of changed ? everyNode(changed) : []) {
      if (name.type !== "identifier") continue;
      const known = frame.get(name.text);
      const binds = node.type === "assignment" || node.type === "for_statement";
      if (binds && changed?.type !== "subscript") frame.set(name.text, why);
      else if (Array.isArray(known)) known.push(why);
      else if (known instanceof PythonDict || node.type !== "call") frame.set(name.text, why);
    }
    if (/^(?:return|raise|break|continue|delete)_statement$/.test(node.type)) of.unsure(why.reason, why.line);
  }
}

// Code that may never run is followed, too, so nothing in it is missed.
function explored(body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof Leave)) throw error;
  }
}

/** Whether the body ended the loop. */
function leaves(body: () => void): boolean {
  try {
    body();
    return false;
  } catch (error) {
    if (error instanceof Leave && error.how === "break") return true;
    if (error instanceof Leave && error.how === "continue") return false;
    throw error;
  }
}

function assignment(node: Node, frame: Frame, of: Interpreter): Value {
  const [left, right] = [part(node, "left"), part(node, "right")];
  // `a = b = []` is parsed as an assignment on the right side of another.
  const value = !right
    ? null
    : right.type === "assignment"
      ? assignment(right, frame, of)
      : of.evaluate(right, frame);
  if (left) assign(left, value, frame, of);
  return value;
}

function augmented(node: Node, frame: Frame, of: Interpreter): void {
  const [left, right] = [part(node, "left"), part(node, "right")];
  if (!left || !right) return;
  const operator = (part(node, "operator")?.text ?? "").slice(0, -1);
  const [old, more] = [of.evaluate(left, frame), of.evaluate(right, frame)];
  // In place, as in Python: other names of the list see the change.
  if (
    operator === "+" &&
    Array.isArray(old) &&
    Array.isArray(more) &&
    old !== more &&
    old.length + more.length < 4096
  ) {
    old.push(...more);
    return;
  }
  const value = isUnknown(old) || isUnknown(more) ? undefined : operate(operator, old, more);
  if (value === undefined && Array.isArray(old)) of.unsure(`adds ${right.text.slice(0, 60)}`, lineOf(node));
  else assign(left, value ?? new Unknown(`computes ${left.text}`, lineOf(node)), frame, of);
}
