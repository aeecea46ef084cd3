import type { Frame, Interpreter } from "./frame.ts";
import { itemsOf } from "./methods.ts";
import { lineOf, type Node, part, parts } from "./script.ts";
import { PythonDict, PythonObject, Unknown, type Value } from "./value.ts";

/** Assigns a value to `target`: a name, several names, or an item of a list or dict. */
export function assign(target: Node, value: Value, frame: Frame, of: Interpreter): void {
  if (target.type === "identifier") frame.set(target.text, value);
  else if (["pattern_list", "tuple_pattern", "list_pattern", "tuple", "list"].includes(target.type)) {
    const values = itemsOf(value);
    for (const [index, one] of parts(target).entries())
      assign(
        one,
        values?.[index] ?? new Unknown("unpacks a value that is computed at run time", lineOf(target)),
        frame,
        of,
      );
  } else if (target.type === "subscript") {
    const [owner, at] = parts(target).map((one) => of.evaluate(one, frame));
    if (owner instanceof PythonDict && typeof at === "string") owner.set(at, value);
    else if (Array.isArray(owner) && typeof at === "number" && at < owner.length) owner[at] = value;
    else of.unsure(`sets ${target.text.slice(0, 40)}`, lineOf(target));
  } else if (target.type === "attribute") {
    const owner = of.evaluate(part(target, "object") ?? target, frame);
    if (owner instanceof PythonObject) owner.attributes.set(part(target, "attribute")?.text ?? "", value);
  } else if (target.type === "parenthesized_expression") {
    const inside = part(target, "expression") ?? parts(target)[0];
    if (inside) assign(inside, value, frame, of);
  }
}
