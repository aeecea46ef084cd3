import { type Cursor, take, Wrong } from "./cursor.ts";

/** Reads one string literal of Python and returns its bytes. */
export function readString(cursor: Cursor): Buffer | undefined {
  const start = cursor.at;
  const opening = take(cursor, /(?:[uUbB]?[rR]?)(?:'''|"""|'|")/y);
  if (opening === undefined) return undefined;
  const quote = opening.replace(/^[a-z]+/i, "");
  const prefix = opening.slice(0, opening.length - quote.length).toLowerCase();
  const body = take(cursor, bodies[quote] ?? /(?!)/y);
  if (body === undefined) throw new Wrong(start, "the text that begins here has no closing quote");
  const inner = body.slice(0, -quote.length);
  if (prefix === "ur")
    return unescaped(inner.replaceAll(/\\(?!u[\da-fA-F]{4}|U[\da-fA-F]{8})/g, "\\\\"), true);
  if (prefix.includes("r")) return Buffer.from(inner, "latin1");
  return unescaped(inner, prefix === "u");
}

// As in Python: a backslash escapes the next byte, in raw texts, too.
const bodies: Readonly<Record<string, RegExp>> = {
  "'": /(?:[^'\\\n]|\\[\s\S])*'/y,
  '"': /(?:[^"\\\n]|\\[\s\S])*"/y,
  "'''": /(?:[^'\\]|\\[\s\S]|'(?!''))*'''/y,
  '"""': /(?:[^"\\]|\\[\s\S]|"(?!""))*"""/y,
};

/** Decodes UTF-8, or if it is not UTF-8, Latin-1. */
export function bytesText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes).toString("latin1");
  }
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\u0007",
  b: "\b",
  f: "\f",
  v: "\v",
  "\n": "",
  "'": "'",
  '"': '"',
  "\\": "\\",
};

function unescaped(inner: string, isUnicode: boolean): Buffer {
  if (!inner.includes("\\")) return Buffer.from(inner, "latin1");
  const pattern = isUnicode
    ? /\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|x([\da-fA-F]{2})|([0-7]{1,3})|([\s\S]))/g
    : /\\(?:(?!)()|(?!)()|x([\da-fA-F]{2})|([0-7]{1,3})|([\s\S]))/g;
  const found: Buffer[] = [];
  let from = 0;
  for (const match of inner.matchAll(pattern)) {
    found.push(Buffer.from(inner.slice(from, match.index), "latin1"));
    from = match.index + match[0].length;
    const [, short, long, hex, octal, one = ""] = match;
    const code = short ?? long ?? hex;
    if (code !== undefined || octal !== undefined) {
      const number = code !== undefined ? Number.parseInt(code, 16) : Number.parseInt(octal ?? "0", 8);
      if (!isUnicode) found.push(Buffer.of(number & 0xff));
      else found.push(Buffer.from(number <= 0x10ffff ? String.fromCodePoint(number) : "\ufffd"));
    } else found.push(Buffer.from(escapes[one] ?? `\\${one}`, "latin1"));
  }
  found.push(Buffer.from(inner.slice(from), "latin1"));
  return Buffer.concat(found);
}
