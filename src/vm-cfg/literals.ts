import { isList, type Value } from "./value.ts";

/** A fault or a remark, and its position in bytes. */
export class Wrong extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** A text whose characters are bytes, and a position in it. */
export interface Cursor {
  readonly text: string;
  at: number;
  /** How many bytes of calculated values there are so far. */
  made: number;
}

// Limits for hostile files. No real vm.cfg comes near them.
const deepest = 32;
const mostMade = 1 << 20;

/** Counts calculated bytes, so that a few lines cannot produce gigabytes. */
export function spend(cursor: Cursor, bytes: number, at: number): void {
  cursor.made += bytes;
  if (cursor.made > mostMade) throw new Wrong(at, "its values grow beyond what a vm.cfg has");
}

/** About how many bytes a value takes. */
export function weightOf(value: Value): number {
  if (typeof value === "string") return value.length + 8;
  if (isList(value)) return value.reduce<number>((sum, one) => sum + weightOf(one), 8);
  if (typeof value === "object" && value !== null)
    return Object.entries(value).reduce((sum, [key, one]) => sum + key.length + weightOf(one), 8);
  return 8;
}

/** Takes what the sticky pattern matches; `undefined` if it does not match. */
export function take(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const [word] = pattern.exec(cursor.text) ?? [];
  cursor.at += word?.length ?? 0;
  return word;
}

/**
 * Reads one value as Python 2 and xl write it: literals, sums and products of literals, and names that were assigned
 * before. Nothing is run; code is `Wrong`.
 */
export function readValue(
  cursor: Cursor,
  names: ReadonlyMap<string, Value>,
  remark: (at: number, text: string) => void,
): Value {
  const inline = () => take(cursor, /[ \t\f]*(?:\\\n[ \t\f]*)*/y);
  const blanks = (depth: number) => (depth > 0 ? take(cursor, /(?:\s|\\\n|#[^\n]*)*/y) : inline());
  const wrong = (what: string, at = cursor.at) => new Wrong(at, what);

  function sum(depth: number): Value {
    if (depth > deepest) throw wrong("its values are nested too deeply");
    let left = product(depth);
    for (;;) {
      blanks(depth);
      const at = cursor.at;
      const operator = take(cursor, /[+-](?!=)/y);
      if (operator === undefined) return left;
      left = calculated(operator, left, product(depth), at);
    }
  }

  function product(depth: number): Value {
    let left = signed(depth);
    for (;;) {
      blanks(depth);
      const at = cursor.at;
      const operator = take(cursor, /(?:\/\/|\*(?!\*)|\/|%)(?!=)/y);
      if (operator === undefined) return left;
      left = calculated(operator, left, signed(depth), at);
    }
  }

  function signed(depth: number): Value {
    blanks(depth);
    const at = cursor.at;
    const signs = take(cursor, /[+-](?:[ \t]*[+-])*/y);
    const value = atom(depth);
    if (signs === undefined) return value;
    if (typeof value !== "number") throw wrong("a sign stands before what is no number", at);
    return signs.replace(/[^-]/g, "").length % 2 === 1 ? -value : value;
  }

  function atom(depth: number): Value {
    blanks(depth);
    const strings = adjacentStrings(depth);
    if (strings !== undefined) return strings;
    const number = take(cursor, /(?:\d[\w.]*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y);
    if (number !== undefined) return numberOf(number, cursor.at - number.length);
    if (take(cursor, /\[/y)) return items("]", depth);
    if (take(cursor, /\(/y)) return parenthesised(depth);
    if (take(cursor, /\{/y)) return pairs(depth);
    const at = cursor.at;
    const word = take(cursor, /[A-Za-z_][\w.]*/y);
    if (word === undefined)
      throw wrong(cursor.at < cursor.text.length ? "there is no value" : "it ends where a value is expected");
    if (word in constants) return constants[word] ?? null;
    if (/^[ \t]*\(/.test(cursor.text.slice(cursor.at, cursor.at + 20)))
      throw wrong(`${word}(…) is a call, and nothing of a vm.cfg is run`, at);
    const known = names.get(word);
    if (known === undefined) throw wrong(`${word} is no value: a text stands in quotes`, at);
    spend(cursor, weightOf(known), at);
    return known;
  }

  function adjacentStrings(depth: number): string | undefined {
    const pieces: Buffer[] = [];
    for (;;) {
      const piece = oneString();
      if (piece === undefined) return pieces.length === 0 ? undefined : bytesText(Buffer.concat(pieces));
      pieces.push(piece);
      blanks(depth);
    }
  }

  function oneString(): Buffer | undefined {
    const start = cursor.at;
    const opening = take(cursor, /(?:[uUbB]?[rR]?)(?:'''|"""|'|")/y);
    if (opening === undefined) return undefined;
    const quote = opening.replace(/^[a-z]+/i, "");
    const prefix = opening.slice(0, opening.length - quote.length).toLowerCase();
    const body = take(cursor, bodies[quote] ?? /(?!)/y);
    if (body === undefined) throw wrong("a text that begins here does not end", start);
    const inner = body.slice(0, -quote.length);
    if (prefix === "ur")
      return unescaped(inner.replaceAll(/\\(?!u[\da-fA-F]{4}|U[\da-fA-F]{8})/g, "\\\\"), true);
    if (prefix.includes("r")) return Buffer.from(inner, "latin1");
    return unescaped(inner, prefix === "u");
  }

  function items(end: "]" | ")", depth: number, first: Value[] = []): Value[] {
    const found = first;
    const closes = end === "]" ? /\]/y : /\)/y;
    for (;;) {
      blanks(depth + 1);
      if (take(cursor, closes)) return found;
      // xl takes a list with an empty place only at its end; so does Python.
      found.push(sum(depth + 1));
      blanks(depth + 1);
      if (take(cursor, closes)) return found;
      if (!take(cursor, /,/y)) throw wrong(`there is neither "," nor "${end}" in a list`);
    }
  }

  // `(512)` is a number, `(512,)` a tuple of one.
  function parenthesised(depth: number): Value {
    blanks(depth + 1);
    if (take(cursor, /\)/y)) return [];
    const first = sum(depth + 1);
    blanks(depth + 1);
    if (take(cursor, /\)/y)) return first;
    if (!take(cursor, /,/y)) throw wrong('there is neither "," nor ")" behind a value in brackets');
    return items(")", depth, [first]);
  }

  function pairs(depth: number): Value {
    const found: [string, Value][] = [];
    for (;;) {
      blanks(depth + 1);
      if (take(cursor, /\}/y)) return Object.fromEntries(found);
      const at = cursor.at;
      const key = sum(depth + 1);
      if (typeof key !== "string" && typeof key !== "number")
        throw wrong("a key of a dict is neither a text nor a number", at);
      if (typeof key === "number") remark(at, `the key ${key} of a dict is taken as the text '${key}'`);
      blanks(depth + 1);
      if (!take(cursor, /:/y)) throw wrong('there is no ":" behind the key of a dict');
      found.push([String(key), sum(depth + 1)]);
      blanks(depth + 1);
      if (take(cursor, /\}/y)) return Object.fromEntries(found);
      if (!take(cursor, /,/y)) throw wrong('there is neither "," nor "}" in a dict');
    }
  }

  function calculated(operator: string, left: Value, right: Value, at: number): Value {
    const unable = () => wrong(`"${operator}" joins values that it cannot join`, at);
    if (typeof left === "number" && typeof right === "number")
      return arithmetic(operator, left, right, unable);
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
      return calculated("*", right, left, at);
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

  function numberOf(word: string, at: number): number {
    const plain = word.replace(/[lL]$/, "");
    const isWhole = /^(?:0[xX][\da-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9]\d*)$/.test(plain);
    if (!isWhole && !/^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(word))
      throw wrong(`${word} is no number`, at);
    if (!isWhole && /^0\d+$/.test(word))
      throw wrong(`${word} is no number: with a 0 in front it is octal, and has no digit above 7`, at);
    const value = isWhole && /^0[0-7]+$/.test(plain) ? Number.parseInt(plain, 8) : Number(plain);
    if (!Number.isFinite(value)) throw wrong(`${word} is too large a number`, at);
    if (isWhole && !Number.isSafeInteger(value)) remark(at, `${word} is larger than what is kept exactly`);
    return value;
  }

  return sum(0);
}

const constants: Readonly<Record<string, Value>> = { True: true, False: false, None: null };

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

function arithmetic(operator: string, left: number, right: number, unable: () => Wrong): number {
  if (right === 0 && operator !== "+" && operator !== "-" && operator !== "*") throw unable();
  const whole = Number.isInteger(left) && Number.isInteger(right);
  const results: Readonly<Record<string, () => number>> = {
    "+": () => left + right,
    "-": () => left - right,
    "*": () => left * right,
    // Python 2 rounds the quotient of whole numbers down.
    "/": () => (whole ? Math.floor(left / right) : left / right),
    "//": () => Math.floor(left / right),
    "%": () => left - Math.floor(left / right) * right,
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
