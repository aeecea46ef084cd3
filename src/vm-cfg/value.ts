/** The values of a vm.cfg: Python's literals as JSON. None is null, a tuple is a list. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

export type Dialect = "oracle-vm" | "xl";

/**
 * A value as that dialect writes it. Python 2 reads a file as ASCII unless its first line names another
 * encoding, and xl has no `True`, `None` or dicts. A value that the dialect cannot express gives `undefined`.
 */
export function literal(value: Value, dialect: "oracle-vm"): string;
export function literal(value: Value, dialect: Dialect): string | undefined;
export function literal(value: Value, dialect: Dialect): string | undefined {
  if (typeof value === "string") return isForXl(value) || dialect !== "xl" ? quoted(value) : undefined;
  if (typeof value === "number") {
    if (dialect === "oracle-vm") return String(value);
    return Number.isSafeInteger(value) && value >= 0 ? String(value) : quoted(String(value));
  }
  if (typeof value === "boolean") {
    if (dialect === "oracle-vm") return value ? "True" : "False";
    return value ? "1" : "0";
  }
  if (isList(value)) {
    const items = value.map((one) => literal(one, dialect));
    return items.every((one) => one !== undefined) ? `[${items.join(", ")}]` : undefined;
  }
  if (dialect === "xl") return undefined;
  if (value === null) return "None";
  return `{${Object.entries(value)
    .map(([key, one]) => `${quoted(key)}: ${literal(one, dialect)}`)
    .join(", ")}}`;
}

export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

// xl 4.17 takes \n, \t, \r, \\ and \" , but miscounts the digits of \x and of octal escapes (libxlu_cfg.c, NUMERIC_CHAR).
function isForXl(text: string): boolean {
  return !/[^\P{Cc}\n\t\r\u0080-\u009f]/u.test(text);
}

// Neither dialect accepts a line break or a NUL in quotes.
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let inner = "";
  for (const one of text) {
    const code = one.codePointAt(0) ?? 0;
    if (one === "\\" || one === quote) inner += `\\${one}`;
    else if (one === "\n") inner += "\\n";
    else if (one === "\t") inner += "\\t";
    else if (one === "\r") inner += "\\r";
    else if (code < 0x20 || code === 0x7f) inner += `\\x${code.toString(16).padStart(2, "0")}`;
    else inner += code >= 0xd800 && code <= 0xdfff ? "?" : one;
  }
  return `${quote}${inner}${quote}`;
}
