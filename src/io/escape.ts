// Characters that a terminal reads as commands, that reverse or break lines, and unpaired surrogates.
const unprintable = "\\p{Cc}\\p{Zl}\\p{Zp}\\p{Bidi_Control}\\p{Cs}";

/**
 * A name from a guest, safe to show to people and in JSON: bytes that are not UTF-8 and control characters become `\xe4`,
 * characters that reverse or break text become `\u202e`. A backslash is doubled if it would start an escape. `namedBy` is
 * the inverse.
 */
export function shown(name: string): string {
  return strange.test(name) ? name.replaceAll(toEscape, escaped) : name;
}

/** The name for which `shown` returns `text`. */
export function namedBy(text: string): string {
  return text.replaceAll(escapes, (all) => {
    if (all === "\\\\") return "\\";
    const code = Number.parseInt(all.slice(2), 16);
    return String.fromCharCode(all[1] === "x" && code >= 0x80 ? 0xdc00 + code : code);
  });
}

const code = "x[0189a-f][\\da-f]|x7f|u[\\da-f]{4}";
const strange = new RegExp(`[\\\\${unprintable}]`, "u");
const toEscape = new RegExp(`\\\\(?=\\\\|${code}|[${unprintable}])|[${unprintable}]`, "gu");
const escapes = new RegExp(`\\\\(?:\\\\|${code})`, "g");

function escaped(character: string): string {
  if (character === "\\") return "\\\\";
  const code = character.charCodeAt(0);
  if (code >= 0xdc80 && code <= 0xdcff) return `\\x${hex(code & 0xff, 2)}`;
  return code < 0x80 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** A text of several lines, safe to print: line feeds and tabs stay, everything else is escaped as in `shown`. */
export function printable(text: string): string {
  return text.replaceAll(notInText, (c) => (c === "\n" || c === "\t" ? c : escaped(c)));
}

const notInText = new RegExp(`[${unprintable}]`, "gu");

/**
 * JSON.stringify for objects that contain names from a guest. A string with a byte that is not UTF-8 is
 * written as `shown` returns it, and so is a string that contains such an escape. `namedBy` therefore
 * recovers every name. The result contains no terminal control characters.
 */
export function jsonText(object: unknown, indent?: number): string {
  const text = JSON.stringify(
    object,
    (_key, value) => (typeof value === "string" && mustBeShown(value) ? shown(value) : value),
    indent,
  );
  return text.replaceAll(
    /[\u007f-\u009f\u2028\u2029\p{Bidi_Control}]/gu,
    (c) => `\\u${hex(c.charCodeAt(0), 4)}`,
  );
}

/** A name as `jsonText` writes it in a record. */
export function recorded(name: string): string {
  return mustBeShown(name) ? shown(name) : name;
}

function mustBeShown(text: string): boolean {
  return /\p{Cs}/u.test(text) || (text.includes("\\") && namedBy(text) !== text);
}

/** A file as one word of a shell command that a hint shows, whatever its name. */
export function fileWord(file: string): string {
  const path = file.startsWith("-") ? `./${file}` : file;
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
