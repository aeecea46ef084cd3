import { everyNode, lineOf, type Node, part, parts } from "../grammar.ts";

/** A loop that nothing in it limits. */
export interface ShellWait {
  /** Counted from 1. */
  readonly line: number;
  /** The loop's first words, such as `until curl -s http://a/`. */
  readonly loop: string;
  /** It goes on for ever: nothing leaves it. Otherwise, it sleeps until something else changes. */
  readonly isEndless: boolean;
}

/** The wait that a `while` or `until` is, if it is one without a limit. */
export function waitOf(node: Node): ShellWait | undefined {
  const body = part(node, "body");
  const conditions = parts(node).filter(
    (one) => one.type !== "do_group" && !/comment|redirect/.test(one.type),
  );
  if (!body || conditions.length === 0) return undefined;
  const condition = conditions.map(({ text }) => text).join("; ");
  const word = node.text.startsWith("until") ? "until" : "while";
  const wait = { line: lineOf(node), loop: `${word} ${condition.replaceAll(/\s+/g, " ").slice(0, 60)}` };
  const isAlways = new RegExp(word === "while" ? "^(?:true|:|/bin/true)$" : "^(?:false|/bin/false)$").test(
    condition,
  );
  const isLeft = [...everyNode(body)].some(leaves);
  if (isAlways && !isLeft) return { ...wait, isEndless: true };
  const isBusy = parts(body).every((one) => /^(?::|true|\/bin\/true)$/.test(one.text));
  const sleeps =
    isBusy ||
    [...everyNode(body)].some(
      (one) => one.type === "command" && /^(?:\S*\/)?u?sleep$/.test(part(one, "name")?.text ?? ""),
    );
  const isLimited = [...conditions, body].some((one) => limits(one)) || (!isAlways && isLeft);
  return sleeps && !isLimited ? { ...wait, isEndless: false } : undefined;
}

/** A `for ((;;))` that nothing leaves. */
export function foreverOf(node: Node): ShellWait | undefined {
  if (part(node, "condition") || [...everyNode(node)].some(leaves)) return undefined;
  return { line: lineOf(node), loop: "for ((;;))", isEndless: true };
}

function leaves(one: Node): boolean {
  return one.type === "command" && /^(?:break|return|exit|exec|kill)$/.test(part(one, "name")?.text ?? "");
}

// Something that counts, asks for the time, takes the next of several, or waits for a process of this program.
function limits(node: Node): boolean {
  return (
    /\$(?:\{?SECONDS\b|\(\(|!)|\(\(|\/proc\/|\bkill -0\b/.test(node.text) ||
    [...everyNode(node)].some(
      (one) =>
        (one.type === "variable_assignment" && /\+=|\$\(\(|[-+]/.test(one.text)) ||
        (one.type === "command" &&
          /^(?:read|mapfile|getopts|shift|let|expr|date|wait|jobs|pgrep|pidof|ps|exit|return)$/.test(
            part(one, "name")?.text.replace(/^.*\//, "") ?? "",
          )),
    )
  );
}
