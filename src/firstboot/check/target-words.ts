import { suggestion } from "../../recipe/suggestion.ts";
import { targets } from "../module.ts";
import { everyNode, lineOf, type Node, part, parts } from "../python/script.ts";
import type { PythonFunction } from "../python/value.ts";
import type { Add } from "./finding.ts";

/** Words that a function compares its target with, and that no target is: such a comparison is never true. */
export function checkTargetWords({ node, self, name }: PythonFunction, add: Add): void {
  const list = part(node, "parameters");
  const target = (list ? parts(list) : [])[self === undefined ? 0 : 1]?.text;
  if (target === undefined) return;
  for (const one of everyNode(node)) {
    if (one.type !== "comparison_operator") continue;
    const [left, right] = parts(one);
    const other = left?.text === target ? right : right?.text === target ? left : undefined;
    for (const word of other ? wordsOf(other) : [])
      if (!(targets as readonly string[]).includes(word))
        add(
          "warning",
          lineOf(one),
          `${name} compares its target with "${word}", which is none${suggestion(word, targets).replace(/^; available.*/, "")}`,
          `Targets: ${targets.join(", ")}`,
        );
  }
}

// The texts in a text, a list or a tuple.
function wordsOf(node: Node): string[] {
  if (/^(?:list|tuple|set)$/.test(node.type)) return parts(node).flatMap(wordsOf);
  if (node.type !== "string") return [];
  const inside = parts(node).filter(({ type }) => !/^string_(?:start|end)$/.test(type));
  return inside.every(({ type }) => type === "string_content")
    ? [inside.map(({ text }) => text).join("")]
    : [];
}
