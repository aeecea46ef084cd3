import { readVmCfg, type Statement, type VmCfg, withCoding } from "./document.ts";
import { type Dialect, literal, type Value } from "./value.ts";

/** Changes of a document: a value for a key, or `undefined` to remove the key. */
export type Edits = Readonly<Record<string, Value | undefined>>;

/** The document with other values; only the lines of those keys change. New keys are appended. */
export function editVmCfg(document: VmCfg, edits: Edits, dialect: Dialect = "oracle-vm"): VmCfg {
  const wanted = Object.entries(edits).filter(([key, value]) => !sameValue(document.values.get(key), value));
  if (wanted.length === 0) return document;
  const newline = document.text.includes("\r\n") ? "\r\n" : "\n";
  const bytesOf = new Map(wanted.map(([key, value]) => [key, bytesIn(value, dialect)]));
  let { text } = document;
  for (const piece of piecesOf(document, bytesOf))
    text = text.slice(0, piece.start) + piece.text + text.slice(piece.end);
  const known = new Set(document.statements.map(({ key }) => key));
  const toAppend = [...bytesOf].flatMap(([key, bytes]) =>
    bytes === undefined || known.has(key) ? [] : [`${key} = ${bytes}`],
  );
  if (toAppend.length > 0) {
    const gap = text === "" || /[\r\n]$/.test(text) ? "" : newline;
    text = `${text}${gap}${toAppend.join(newline)}${newline}`;
  }
  const edited = readVmCfg(Buffer.from(withCoding(text, dialect, newline), "latin1"));
  // A value that was computed from an edited one does not change.
  const moved = [...document.values].filter(
    ([key, value]) => !bytesOf.has(key) && !sameValue(edited.values.get(key), value),
  );
  return moved.length === 0 ? edited : editVmCfg(edited, Object.fromEntries(moved), dialect);
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The replacement for the statements of those keys, the last one first. `undefined`: the key is removed. */
function piecesOf({ text, statements }: VmCfg, bytesOf: ReadonlyMap<string, string | undefined>): Piece[] {
  const last = new Map(statements.map((one) => [one.key, one]));
  const starts = [...new Set(statements.filter(({ key }) => bytesOf.has(key)).map(({ start }) => start))];
  return starts
    .sort((one, other) => other - one)
    .flatMap((start): Piece[] => {
      const chain = statements.filter((one) => one.start === start);
      const [first] = chain;
      if (!first) return [];
      const { valueStart, end } = chain.at(-1) ?? first;
      const written = chain.flatMap((one) => {
        if (!bytesOf.has(one.key)) return [{ key: one.key, bytes: text.slice(valueStart, end) }];
        const bytes = last.get(one.key) === one ? bytesOf.get(one.key) : undefined;
        return bytes === undefined ? [] : [{ key: one.key, bytes }];
      });
      const [only] = written;
      if (only === undefined) return [{ ...wholeStatement(text, first), text: "" }];
      // A sum (`+=`) is replaced by the value itself.
      if (chain.length === 1)
        return [{ start, end, text: `${text.slice(start, valueStart).replace("+=", "=")}${only.bytes}` }];
      return [{ start, end, text: written.map(({ key, bytes }) => `${key} = ${bytes}`).join("; ") }];
    });
}

// A value that the dialect cannot express counts as missing.
function bytesIn(value: Value | undefined, dialect: Dialect): string | undefined {
  const written = value === undefined ? undefined : literal(value, dialect);
  return written === undefined ? undefined : Buffer.from(written).toString("latin1");
}

function wholeStatement(text: string, { start, end }: Statement): { start: number; end: number } {
  const before = /[^\n\r]*$/.exec(text.slice(0, start))?.[0] ?? "";
  const behind = /^[^\n\r]*(?:\r\n|\n|\r)?/.exec(text.slice(end))?.[0] ?? "";
  // The whole line is removed if nothing else is on it. A comment after the value belongs to the value.
  if (before.trim() === "" && /^[ \t]*;?[ \t]*(?:#.*)?\r?\n?$/.test(behind))
    return { start: start - before.length, end: end + behind.length };
  const separator = /^[ \t]*;[ \t]*/.exec(behind)?.[0] ?? "";
  return { start, end: end + separator.length };
}

function sameValue(one: Value | undefined, other: Value | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
