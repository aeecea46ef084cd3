// What a terminal would take for a command, what turns or breaks lines, and a surrogate without its other half.
const unprintable = "\\p{Cc}\\p{Zl}\\p{Zp}\\p{Bidi_Control}\\p{Cs}";

/**
 * A name of a guest as people and JSON are given it: a byte that is no UTF-8, and a control character, as `\xe4`; what turns or breaks
 * lines of text as `\u202e`. A backslash is doubled where it would be read as the start of one. `namedBy` takes it back.
 */
export function shown(name: string): string {
  return strange.test(name) ? name.replaceAll(toEscape, escaped) : name;
}

/** The name that is shown as `text`. */
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

/** A text of several lines, safe to print: line feeds and tabs stay, all else of the kind is escaped as in `shown`. */
export function printable(text: string): string {
  return text.replaceAll(notInText, (c) => (c === "\n" || c === "\t" ? c : escaped(c)));
}

const notInText = new RegExp(`[${unprintable}]`, "gu");

/**
 * As JSON.stringify, for objects with names of a guest in them: a string that is no text for most readers of JSON, as it
 * has a byte that is not UTF-8, is given as `shown` has it, and so is one that would be read as such. So `namedBy` gives
 * back every name. No character of the result is a command to a terminal.
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

/** A name as it stands in a record: what `jsonText` makes of it. */
export function recorded(name: string): string {
  return mustBeShown(name) ? shown(name) : name;
}

function mustBeShown(text: string): boolean {
  return /\p{Cs}/u.test(text) || (text.includes("\\") && namedBy(text) !== text);
}
