import { type Cursor, spend, Wrong, weightOf } from "./cursor.ts";
import { isList, type Value } from "./value.ts";

/** A sum, product or `%` of two values, as Python 2 calculates it. */
export function calculated(cursor: Cursor, operator: string, left: Value, right: Value, at: number): Value {
  const unable = () => new Wrong(at, `"${operator}" cannot combine these values`);
  if (typeof left === "number" && typeof right === "number") return arithmetic(operator, left, right, unable);
  const joined = (bytes: number) => spend(cursor, bytes, at);
  if (operator === "+" && typeof left === "string" && typeof right === "string") {
    joined(weightOf(left) + weightOf(right));
    return left + right;
  }
  if (operator === "+" && isList(left) && isList(right)) {
    joined(weightOf(left) + weightOf(right));
    return [...left, ...right];
  }
  if (operator === "*" && typeof left === "number" && typeof right !== "number")
    return calculated(cursor, "*", right, left, at);
  if (operator === "*" && typeof right === "number" && Number.isInteger(right)) {
    const times = Math.max(0, right);
    if (typeof left === "string" || isList(left)) joined(weightOf(left) * times);
    if (typeof left === "string") return left.repeat(times);
    if (isList(left)) return Array.from({ length: times }, () => left).flat(1) as Value[];
  }
  if (operator === "%" && typeof left === "string") {
    const values = isList(right) ? right : [right];
    joined(weightOf(left) + weightOf(values));
    const text = formatted(left, values);
    if (text !== undefined) return text;
  }
  throw unable();
}

function arithmetic(operator: string, left: number, right: number, unable: () => Wrong): number {
  if (right === 0 && /[/%]/.test(operator)) throw unable();
  const whole = Number.isInteger(left) && Number.isInteger(right);
  const results: Readonly<Record<string, () => number>> = {
    "+": () => left + right,
    "-": () => left - right,
    "*": () => left * right,
    // Python 2 rounds the quotient of whole numbers down.
    "/": () => (whole ? Math.floor(left / right) : left / right),
    "//": () => Math.floor(left / right),
    "%": () => left - Math.floor(left / right) * right,
    "**": () => left ** right,
    "<<": () => (whole && right >= 0 && right < 53 ? left * 2 ** right : Number.NaN),
    ">>": () => (whole && right >= 0 && right < 53 ? Math.floor(left / 2 ** right) : Number.NaN),
  };
  const value = results[operator]?.();
  if (value === undefined || !Number.isFinite(value)) throw unable();
  return value;
}

/** `'%s' % value` with texts and whole numbers; nothing else is supported. */
function formatted(pattern: string, values: readonly Value[]): string | undefined {
  let next = 0;
  let isKnown = true;
  const text = pattern.replaceAll(/%(%|(0\d{1,2})?([sdixX])|.?)/g, (_all, what: string, fill = "", kind) => {
    if (what === "%") return "%";
    const value = values[next++];
    if (kind === "s" && fill === "" && (typeof value === "string" || typeof value === "number"))
      return String(value);
    if (
      kind !== undefined &&
      kind !== "s" &&
      typeof value === "number" &&
      Number.isInteger(value) &&
      value >= 0
    ) {
      const digits = value.toString(/x/i.test(kind) ? 16 : 10).padStart(Number(fill), "0");
      return kind === "X" ? digits.toUpperCase() : digits;
    }
    isKnown = false;
    return "";
  });
  return isKnown && next === values.length ? text : undefined;
}
