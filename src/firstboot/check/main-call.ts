import { amount } from "../../io/units.ts";
import { mainOf } from "../enumerate.ts";
import { type ModuleParts, targets } from "../module.ts";
import type { Followed } from "../python/evaluate.ts";
import { lineOf, type PythonScript, part, parts } from "../python/script.ts";
import { Dumped, isUnknown, Parameters, PythonFunction, type Value } from "../python/value.ts";
import type { Add } from "./finding.ts";

/** Checks that the header, the functions and the call of main agree. */
export function checkMain(script: PythonScript, followed: Followed, { header }: ModuleParts, add: Add): void {
  const { called, enumerator, actions } = mainOf(followed);
  if (!called) {
    reportNoMain(script, add);
    return;
  }
  const call = followed.calls.find(({ name }) => /^templateconfig(?:\.cli)?\.main$/.test(name));
  const line = call ? lineOf(call.node) : 1;
  if (!enumerator)
    add(
      "error",
      line,
      "the first argument of main is not a function of this script",
      "Pass the function that enumerates, do_enumerate",
    );
  else checkArity(enumerator, "the target", "target", add);
  if (!actions) {
    if (call?.positional[1] === undefined || !isUnknown(call.positional[1]))
      add("error", line, "main does not get a dict of targets", "Pass {'configure': do_configure}");
    return;
  }
  for (const [target, action] of actions) {
    if (!(targets as readonly string[]).includes(target)) {
      add(
        "error",
        line,
        `main gets the target "${target}", which does not exist`,
        `Targets: ${targets.join(", ")}`,
      );
      continue;
    }
    if (header.isComplete && !(target in header.priorities) && !header.faulty.some((one) => one === target))
      add(
        "error",
        line,
        `main has ${target}, but the header does not, so ovm-chkconfig makes no link, and it never runs`,
        `Add to the header: # ${target}: NN`,
      );
    checkAction(target, action, followed, line, add);
  }
  for (const target of Object.keys(header.priorities))
    if (!actions.has(target))
      add(
        "error",
        line,
        `the header has ${target}, but main does not, so its link does nothing`,
        `Add '${target}': do_${target} to the dict for main, or remove the line from the header`,
      );
}

function reportNoMain({ root, nodes }: PythonScript, add: Add): void {
  const other = nodes.find(
    (node) => node.type === "call" && /^(?:\w+\.)*main$/.test(part(node, "function")?.text ?? ""),
  );
  const end = lineOf(root) + root.endPosition.row - root.startPosition.row;
  if (other)
    add(
      "error",
      lineOf(other),
      "calls a main other than that of templateconfig.cli",
      "Add: from templateconfig.cli import main",
    );
  else
    add(
      "error",
      Math.max(1, end),
      "never calls main of templateconfig.cli, so it never runs",
      "End the script with main(do_enumerate, {'configure': do_configure})",
    );
}

// `line` is that of the call of main.
function checkAction(target: string, action: Value, followed: Followed, line: number, add: Add): void {
  if (!(action instanceof PythonFunction)) {
    add(
      "error",
      line,
      `the value for ${target} in main is not a function of this script`,
      `Define do_${target}(param)`,
    );
    return;
  }
  checkArity(action, "the parameters", "param", add);
  const returned = followed.explore(action, [new Dumped(new Parameters())]).value;
  if (
    returned === null ||
    (!isUnknown(returned) && !(returned instanceof Dumped) && typeof returned !== "string")
  )
    add(
      "error",
      lineOf(action.node),
      `${action.name} does not return JSON text, which ovm-template-config reads`,
      "End it with return json.dumps(param)",
    );
}

/** Checks that a function takes one argument: `what`, for example named `name`. */
function checkArity(of: PythonFunction, what: string, name: string, add: Add): void {
  const count = arity(of);
  if (count !== 1)
    add(
      "error",
      lineOf(of.node),
      `${of.name} takes ${amount(count, "argument")}; it is called with one, ${what}`,
      `Write def ${of.name}(${name}):`,
    );
}

function arity({ node, self }: PythonFunction): number {
  const list = part(node, "parameters");
  const own = list ? parts(list).filter(({ type }) => !/default|splat|separator/.test(type)).length : 0;
  return own - (self === undefined ? 0 : 1);
}
