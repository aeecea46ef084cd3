import { PythonDict, pythonText, Unknown, type Value } from "./value.ts";

const mostText = 64 * 1024;
const mostItems = 4096;

/** A binary operator on two known values; `undefined` if it is not modelled. */
export function operate(operator: string, left: Value, right: Value): Value | undefined {
  if (operator === "%" && typeof left === "string") return formatted(left, right);
  if (operator === "+" && typeof left === "string" && typeof right === "string")
    return left.length + right.length > mostText ? undefined : left + right;
  if (operator === "+" && Array.isArray(left) && Array.isArray(right))
    return left.length + right.length > mostItems ? undefined : [...left, ...right];
  if (operator === "*" && typeof right === "number") return repeated(left, right);
  if (operator === "*" && typeof left === "number" && typeof right !== "number") return repeated(right, left);
  if (typeof left !== "number" || typeof right !== "number") return undefined;
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "//":
      return right === 0 ? undefined : Math.floor(left / right);
    case "%":
      return right === 0 ? undefined : left - right * Math.floor(left / right);
    default:
      return undefined;
  }
}

function repeated(value: Value, times: number): Value | undefined {
  const count = Math.max(0, times);
  if (typeof value === "string") return value.length * count > mostText ? undefined : value.repeat(count);
  if (!Array.isArray(value) || value.length * count > mostItems) return undefined;
  return Array.from({ length: count }, () => value).flat();
}

/** A comparison of two known values; `undefined` if it is not modelled. */
export function compare(operator: string, left: Value, right: Value): boolean | undefined {
  switch (operator) {
    case "==":
    case "is":
      return same(left, right);
    case "!=":
    case "<>":
    case "is not": {
      const equal = same(left, right);
      return equal === undefined ? undefined : !equal;
    }
    case "in":
      return contains(right, left);
    case "not in": {
      const inside = contains(right, left);
      return inside === undefined ? undefined : !inside;
    }
    default:
      return ordered(operator, left, right);
  }
}

function ordered(operator: string, left: Value, right: Value): boolean | undefined {
  const both =
    (typeof left === "number" && typeof right === "number") ||
    (typeof left === "string" && typeof right === "string");
  if (!both) return undefined;
  const [a, b] = [left as number, right as number];
  if (operator === "<") return a < b;
  if (operator === "<=") return a <= b;
  if (operator === ">") return a > b;
  if (operator === ">=") return a >= b;
  return undefined;
}

function same(left: Value, right: Value): boolean | undefined {
  if (left instanceof Unknown || right instanceof Unknown) return undefined;
  if (Array.isArray(left) && Array.isArray(right)) {
    if (left.length !== right.length) return false;
    const each = left.map((one, index) => same(one, right[index] ?? null));
    if (each.includes(false)) return false;
    return each.includes(undefined) ? undefined : true;
  }
  if (typeof left === "object" && left !== null) return left === right ? true : undefined;
  // True is 1 in Python.
  if (typeof left === "boolean" && typeof right === "number") return Number(left) === right;
  if (typeof left === "number" && typeof right === "boolean") return left === Number(right);
  return left === right;
}

function contains(all: Value, one: Value): boolean | undefined {
  if (typeof all === "string") return typeof one === "string" ? all.includes(one) : undefined;
  if (all instanceof PythonDict) return typeof one === "string" ? all.has(one) : undefined;
  if (!Array.isArray(all)) return undefined;
  const each = all.map((item) => same(item, one));
  if (each.includes(true)) return true;
  return each.includes(undefined) ? undefined : false;
}

/** `text % values`, with `%s`, `%d`, `%i`, `%r`, their widths, and `%(name)s`. Other conversions are not modelled. */
function formatted(text: string, values: Value): string | undefined {
  const list = Array.isArray(values) ? [...values] : [values];
  let known = true;
  const made = text.replaceAll(/%(?:\(([^)]*)\))?([^a-zA-Z%]*)([a-zA-Z%]|$)/g, (_all, name, form, kind) => {
    if (kind === "%" && form === "") return "%";
    const [, flags, width] = /^([-0]*)(\d*)$/.exec(form) ?? [];
    const value = name === undefined ? list.shift() : values instanceof PythonDict && values.get(name);
    const word = pythonText(value ?? new Unknown("missing", 0));
    const size = Number(width || 0);
    const modelled = /^[sdi]$/.test(kind) || (kind === "r" && typeof value === "number");
    if (word === undefined || flags === undefined || !modelled || size > 1000) {
      known = false;
      return "";
    }
    if (flags.includes("-")) return word.padEnd(size);
    return word.padStart(size, flags.includes("0") ? "0" : " ");
  });
  // Python raises an exception for values that the text does not use.
  if (Array.isArray(values) && list.length > 0) return undefined;
  return known && made.length <= mostText ? made : undefined;
}

/** `text.format(...)` with `{}`, `{0}` and `{name}`. */
export function format(
  text: string,
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
): string | undefined {
  let [next, known] = [0, true];
  const made = text.replaceAll(/\{\{|\}\}|\{([^{}]*)\}/g, (all, field) => {
    if (all === "{{" || all === "}}") return all[0] as string;
    const value =
      field === "" ? positional[next++] : /^\d+$/.test(field) ? positional[Number(field)] : named.get(field);
    const shown = value === undefined ? undefined : pythonText(value);
    if (shown === undefined) known = false;
    return shown ?? "";
  });
  return known && made.length <= mostText ? made : undefined;
}
