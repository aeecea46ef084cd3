import { calculated } from "./arithmetic.ts";
import { type Cursor, spend, take, Wrong, weightOf } from "./cursor.ts";
import { bytesText, readString } from "./string-literals.ts";
import type { Value } from "./value.ts";

/** A value that is being read. */
interface Reading {
  readonly cursor: Cursor;
  readonly names: ReadonlyMap<string, Value>;
  readonly remark: (at: number, text: string) => void;
}

// A limit for hostile files. No real vm.cfg comes near it.
const deepest = 32;

/**
 * Reads one value as Python 2 and xl write it: literals, sums, products, powers and shifts of literals, and names that were assigned
 * before. Nothing is run; code is `Wrong`.
 */
export function readValue(
  cursor: Cursor,
  names: ReadonlyMap<string, Value>,
  remark: (at: number, text: string) => void,
): Value {
  return shifted({ cursor, names, remark }, 0);
}

function shifted(reading: Reading, depth: number): Value {
  const { cursor } = reading;
  let left = sum(reading, depth);
  for (;;) {
    blanks(cursor, depth);
    const at = cursor.at;
    const operator = take(cursor, /<<(?!=)|>>(?!=)/y);
    if (operator === undefined) return left;
    left = calculated(cursor, operator, left, sum(reading, depth), at);
  }
}

function sum(reading: Reading, depth: number): Value {
  const { cursor } = reading;
  if (depth > deepest) throw new Wrong(cursor.at, "its values are nested too deeply");
  let left = product(reading, depth);
  for (;;) {
    blanks(cursor, depth);
    const at = cursor.at;
    const operator = take(cursor, /[+-](?!=)/y);
    if (operator === undefined) return left;
    left = calculated(cursor, operator, left, product(reading, depth), at);
  }
}

function product(reading: Reading, depth: number): Value {
  const { cursor } = reading;
  let left = signed(reading, depth);
  for (;;) {
    blanks(cursor, depth);
    const at = cursor.at;
    const operator = take(cursor, /(?:\/\/|\*(?!\*)|\/|%)(?!=)/y);
    if (operator === undefined) return left;
    left = calculated(cursor, operator, left, signed(reading, depth), at);
  }
}

function signed(reading: Reading, depth: number): Value {
  const { cursor } = reading;
  const parts: { readonly at: number; readonly signs: string | undefined; readonly value: Value }[] = [];
  do {
    blanks(cursor, depth);
    const at = cursor.at;
    const signs = take(cursor, /[+-](?:[ \t]*[+-])*/y);
    parts.push({ at, signs, value: atom(reading, depth) });
    blanks(cursor, depth);
  } while (take(cursor, /\*\*(?!=)/y));
  // Powers group from the right, and bind more than the sign before them.
  let power: Value | undefined;
  for (const { at, signs, value } of parts.reverse()) {
    power = power === undefined ? value : calculated(cursor, "**", value, power, at);
    if (signs === undefined) continue;
    if (typeof power !== "number")
      throw new Wrong(at, "a sign is followed by something that is not a number");
    if (signs.replace(/[^-]/g, "").length % 2 === 1) power = -power;
  }
  return power ?? null;
}

function atom(reading: Reading, depth: number): Value {
  const { cursor } = reading;
  blanks(cursor, depth);
  const strings = adjacentStrings(cursor, depth);
  if (strings !== undefined) return strings;
  const number = take(cursor, /(?:\d[\w.]*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)/y);
  if (number !== undefined) return numberOf(reading, number, cursor.at - number.length);
  if (take(cursor, /\[/y)) return items(reading, "]", depth);
  if (take(cursor, /\(/y)) return parenthesised(reading, depth);
  if (take(cursor, /\{/y)) return pairs(reading, depth);
  return named(reading);
}

const constants: Readonly<Record<string, Value>> = { True: true, False: false, None: null };

function named({ cursor, names }: Reading): Value {
  const at = cursor.at;
  const word = take(cursor, /[A-Za-z_][\w.]*/y);
  if (word === undefined)
    throw new Wrong(at, at < cursor.text.length ? "expected a value" : "it ends where a value is expected");
  if (word in constants) return constants[word] ?? null;
  if (/^[ \t]*\(/.test(cursor.text.slice(cursor.at, cursor.at + 20)))
    throw new Wrong(at, `${word}(…) is a call, and tbuild runs no code of a vm.cfg`);
  const known = names.get(word);
  if (known === undefined) throw new Wrong(at, `${word} is not a value; text needs quotes`);
  spend(cursor, weightOf(known), at);
  return known;
}

function adjacentStrings(cursor: Cursor, depth: number): string | undefined {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = readString(cursor);
    if (piece === undefined) return pieces.length === 0 ? undefined : bytesText(Buffer.concat(pieces));
    pieces.push(piece);
    blanks(cursor, depth);
  }
}

function items(reading: Reading, end: "]" | ")", depth: number, first: Value[] = []): Value[] {
  const { cursor } = reading;
  const found = first;
  const closes = end === "]" ? /\]/y : /\)/y;
  for (;;) {
    blanks(cursor, depth + 1);
    if (take(cursor, closes)) return found;
    // xl and Python accept an empty list element only at the end.
    found.push(shifted(reading, depth + 1));
    blanks(cursor, depth + 1);
    if (take(cursor, closes)) return found;
    if (!take(cursor, /,/y)) throw new Wrong(cursor.at, `expected "," or "${end}" in a list`);
  }
}

// `(512)` is a number, `(512,)` a tuple of one.
function parenthesised(reading: Reading, depth: number): Value {
  const { cursor } = reading;
  blanks(cursor, depth + 1);
  if (take(cursor, /\)/y)) return [];
  const first = shifted(reading, depth + 1);
  blanks(cursor, depth + 1);
  if (take(cursor, /\)/y)) return first;
  if (!take(cursor, /,/y)) throw new Wrong(cursor.at, 'expected "," or ")" after a value in parentheses');
  return items(reading, ")", depth, [first]);
}

function pairs(reading: Reading, depth: number): Value {
  const { cursor, remark } = reading;
  const found: [string, Value][] = [];
  for (;;) {
    blanks(cursor, depth + 1);
    if (take(cursor, /\}/y)) return Object.fromEntries(found);
    const at = cursor.at;
    const key = shifted(reading, depth + 1);
    if (typeof key !== "string" && typeof key !== "number")
      throw new Wrong(at, "a key of a dict must be a text or a number");
    if (typeof key === "number") remark(at, `the key ${key} of a dict is read as the text '${key}'`);
    blanks(cursor, depth + 1);
    if (!take(cursor, /:/y)) throw new Wrong(cursor.at, 'expected ":" after the key of a dict');
    found.push([String(key), shifted(reading, depth + 1)]);
    blanks(cursor, depth + 1);
    if (take(cursor, /\}/y)) return Object.fromEntries(found);
    if (!take(cursor, /,/y)) throw new Wrong(cursor.at, 'expected "," or "}" in a dict');
  }
}

function numberOf({ remark }: Reading, word: string, at: number): number {
  const plain = word.replace(/[lL]$/, "");
  const isWhole = /^(?:0[xX][\da-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9]\d*)$/.test(plain);
  if (!isWhole && !/^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(word))
    throw new Wrong(at, `${word} is not a number`);
  if (!isWhole && /^0\d+$/.test(word))
    throw new Wrong(at, `${word} is not a number: a leading 0 means octal, which has only the digits 0 to 7`);
  const value = isWhole && /^0[0-7]+$/.test(plain) ? Number.parseInt(plain, 8) : Number(plain);
  if (!Number.isFinite(value)) throw new Wrong(at, `${word} is too large`);
  if (isWhole && !Number.isSafeInteger(value)) remark(at, `${word} is too large to be kept exactly`);
  return value;
}

/** Skips blanks and, within brackets, lines and comments. */
function blanks(cursor: Cursor, depth: number): void {
  take(cursor, depth > 0 ? /(?:\s|\\\n|#[^\n]*)*/y : /[ \t\f]*(?:\\\n[ \t\f]*)*/y);
}
