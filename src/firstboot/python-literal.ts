// Values as Python source.

/** A list with an item on each line. */
export function list(items: readonly string[]): string {
  return items.length === 0 ? "[]" : `[\n${items.map((item) => `    ${item},`).join("\n")}\n]`;
}

export function tuple(items: readonly unknown[]): string {
  return `(${items.map(literal).join(", ")})`;
}

/**
 * A value as a Python literal in ASCII. If necessary, text gets the prefix `u`, which Python 3.3 and later
 * accept again.
 */
export function literal(value: unknown): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .map(([key, one]) => `${literal(key)}: ${literal(one)}`)
      .join(", ")}}`;
  const text = String(value);
  const escaped = text.replaceAll(/[^\x20-\x7e]|['\\]/gu, (c) => {
    const code = c.codePointAt(0) ?? 0;
    if (c === "'" || c === "\\") return `\\${c}`;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `${[...text].some((c) => c > "\x7f") ? "u" : ""}'${escaped}'`;
}
