import { TbuildError } from "../errors.ts";
import { type Cursor, readValue, spend, take, Wrong, weightOf } from "./literals.ts";
import { type Dialect, isList, literal, type Value } from "./value.ts";

/** One assignment and its position in bytes of the file. */
export interface Statement {
  readonly key: string;
  readonly value: Value;
  readonly line: number;
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

export interface Remark {
  readonly line: number;
  readonly text: string;
}

/**
 * A vm.cfg as a document: Oracle VM's (and xm's) Python 2, and xl's syntax. What was not edited is written back byte
 * for byte, including comments and line ends.
 */
export interface VmCfg {
  /** The file, with one character per byte. */
  readonly text: string;
  readonly statements: readonly Statement[];
  /** The final value of each key: a later assignment wins, `+=` adds. */
  readonly values: ReadonlyMap<string, Value>;
  /** What was accepted although it is incorrect. */
  readonly remarks: readonly Remark[];
}

const mostBytes = 256 * 1024;
const mostProblems = 20;
const mostRemarks = 100;

/**
 * Reads a vm.cfg without running any of it. All faults are reported together, each with its line, as one `integrity`
 * fault.
 */
export function readVmCfg(source: Uint8Array | string, file = "vm.cfg"): VmCfg {
  const bytes = typeof source === "string" ? Buffer.from(source) : source;
  if (bytes.length > mostBytes)
    throw new TbuildError("integrity", `${bytes.length} bytes exceed the limit for a vm.cfg`, {
      subject: file,
    });
  const text = Buffer.from(bytes).toString("latin1");
  // Positions must stay valid: a line break of two bytes becomes a blank and a line break.
  const plain = text
    .replace(/^\u00ef\u00bb\u00bf/, "   ")
    .replaceAll("\r\n", " \n")
    .replaceAll("\r", "\n");
  const lineAt = lineCounter(plain);
  const problems: Remark[] = [];
  const remarks: Remark[] = [];
  const statements: Statement[] = [];
  const values = new Map<string, Value>();
  const cursor: Cursor = { text: plain, at: 0, made: 0 };
  while (problems.length < mostProblems) {
    take(cursor, /(?:[ \t\f\n;]|#[^\n]*)*/y);
    if (cursor.at >= plain.length) break;
    const start = cursor.at;
    try {
      const remark = (at: number, said: string) => {
        if (remarks.length < mostRemarks) remarks.push({ line: lineAt(at), text: said });
      };
      statements.push(...readStatement(cursor, values, lineAt(start), remark));
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      problems.push({ line: lineAt(error.at), text: error.message });
      // Reading continues at the next line that looks like an assignment, so that all faults are found.
      cursor.at = Math.max(cursor.at, start + 1);
      take(cursor, /[^\n]*(?:\n(?![ \t]*[A-Za-z_]\w*[ \t]*\+?=[^=])[^\n]*)*/y);
    }
  }
  if (problems.length > 0) throw problemsOf(file, problems);
  return { text, statements, values, remarks };
}

/** Nearly all lines are requested in order, so each byte is read about once. */
function lineCounter(text: string): (at: number) => number {
  let [line, from] = [1, 0];
  return (at) => {
    if (at < from) [line, from] = [1, 0];
    for (let next = text.indexOf("\n", from); next >= 0 && next < at; next = text.indexOf("\n", from)) {
      line++;
      from = next + 1;
    }
    return line;
  };
}

function problemsOf(file: string, problems: readonly Remark[]): TbuildError {
  const all = problems.map(({ line, text }) => `${file}:${line}: ${text}`);
  return new TbuildError("integrity", all[0] ?? file, {
    lines: all.slice(1),
    hint: "A vm.cfg may contain only assignments such as memory = 2048, and no code.",
  });
}

function readStatement(
  cursor: Cursor,
  values: Map<string, Value>,
  line: number,
  remark: (at: number, text: string) => void,
): Statement[] {
  const start = cursor.at;
  // A string by itself is a comment in Python.
  if (/['"]/.test(cursor.text[cursor.at] ?? "")) {
    readValue(cursor, values, remark);
    endOfStatement(cursor, "a text");
    return [];
  }
  const names: string[] = [];
  let operator = "=";
  let value: Value | undefined;
  let valueStart = start;
  for (;;) {
    const name = take(cursor, /[A-Za-z_]\w*(?=[ \t]*\+?=(?!=))/y);
    if (name === undefined) break;
    take(cursor, /[ \t]*/y);
    const found = take(cursor, /\+?=/y) ?? "=";
    if (found === "+=" && names.length > 0)
      throw new Wrong(cursor.at, '"+=" stands in a chain of assignments');
    names.push(name);
    operator = found;
    take(cursor, /[ \t]*(?:\\\n[ \t]*)*/y);
    valueStart = cursor.at;
    if (operator === "+=") break;
  }
  const [first] = names;
  if (first === undefined) throw noAssignment(cursor);
  value = unquotedList(cursor, first, remark) ?? readValue(cursor, values, remark);
  const end = endOfValue(cursor);
  endOfStatement(cursor, `the value of ${first}`);
  for (const name of names) {
    if (values.has(name) && operator === "=") remark(start, `${name} is set again: the last value counts`);
    const before = operator === "+=" ? values.get(name) : undefined;
    if (before !== undefined) spend(cursor, weightOf(before) + weightOf(value), start);
    values.set(name, before === undefined ? value : added(before, value, start, name));
  }
  return names.map((key) => ({ key, value: value ?? null, line, start, valueStart, end }));
}

function noAssignment(cursor: Cursor): Wrong {
  const line = /[^\n]*/y;
  line.lastIndex = cursor.at;
  const [rest = ""] = line.exec(cursor.text) ?? [];
  const [name] = /^[A-Za-z_]\w*/.exec(rest) ?? [];
  if (name === undefined) return new Wrong(cursor.at, "it begins no assignment to a name");
  if (
    /^(?:import|from|if|for|while|def|class|print|exec|del|try|with|global|return|raise|assert)$/.test(name)
  )
    return new Wrong(cursor.at, `"${name}" is a statement of Python, and nothing of a vm.cfg is run`);
  return new Wrong(cursor.at, `there is no "=" behind ${name}`);
}

// The end of the value, without trailing blanks.
function endOfValue(cursor: Cursor): number {
  let end = cursor.at;
  while (end > 0 && /[ \t\f\\\n]/.test(cursor.text[end - 1] ?? "")) end--;
  return end;
}

function endOfStatement(cursor: Cursor, what: string): void {
  take(cursor, /[ \t\f]*(?:\\\n[ \t\f]*)*/y);
  if (cursor.at >= cursor.text.length || /[\n;#]/.test(cursor.text[cursor.at] ?? "")) return;
  throw new Wrong(cursor.at, `behind ${what} stands something that does not belong there`);
}

function added(before: Value, more: Value, at: number, name: string): Value {
  if (isList(before) && isList(more)) return [...before, ...more];
  if (typeof before === "string" && typeof more === "string") return before + more;
  if (typeof before === "number" && typeof more === "number") return before + more;
  throw new Wrong(at, `${name} += adds a value of another kind`);
}

/**
 * `vif = [mac=00:21:f6:00:00:01,bridge=br0]`, as people write it from memory, is read as if the text in the brackets
 * were quoted. A repeated key starts the next item.
 */
function unquotedList(
  cursor: Cursor,
  key: string,
  remark: (at: number, text: string) => void,
): Value | undefined {
  if (!["vif", "vfb", "disk"].includes(key)) return undefined;
  const at = cursor.at;
  const word = take(cursor, /\[[ \t\n]*[A-Za-z][\w-]*[=:][^\]'"#]*\]/y);
  if (word === undefined) return undefined;
  const inside = word.slice(1, -1).replaceAll(/\\?\n/g, " ");
  remark(at, `the list of ${key} has no quotes; it is taken as if it had them`);
  const first = /^\s*([A-Za-z][\w-]*[=:])/.exec(inside)?.[1] ?? "";
  return inside
    .split(new RegExp(`,\\s*(?=${first})`))
    .map((item) =>
      item
        .split(",")
        .map((one) => one.trim())
        .join(","),
    )
    .map((item) => item.replace(/,$/, ""));
}

/** Changes of a document: a value for a key, or `undefined` to take the key out. */
export type Edits = Readonly<Record<string, Value | undefined>>;

/** The document with other values; only the lines of those keys change. New keys are appended. */
export function editVmCfg(document: VmCfg, edits: Edits, dialect: Dialect = "oracle-vm"): VmCfg {
  let { text } = document;
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const toAppend: string[] = [];
  const pieces: { start: number; end: number; text: string }[] = [];
  for (const [key, value] of Object.entries(edits)) {
    const written = value === undefined ? undefined : literal(value, dialect);
    const bytes = written === undefined ? undefined : Buffer.from(written).toString("latin1");
    const own = document.statements.filter((one) => one.key === key);
    const last = own.at(-1);
    if (bytes === undefined) for (const one of own) pieces.push({ ...wholeStatement(text, one), text: "" });
    else if (!last) toAppend.push(`${key} = ${bytes}`);
    else if (sameValue(document.values.get(key), value)) continue;
    else {
      // A sum (`+=`) is replaced by the value itself.
      for (const one of own.slice(0, -1)) pieces.push({ ...wholeStatement(text, one), text: "" });
      const operator = text.slice(last.start, last.valueStart).replace("+=", "=");
      pieces.push({ start: last.start, end: last.end, text: `${operator}${bytes}` });
    }
  }
  for (const piece of pieces.sort((one, other) => other.start - one.start))
    text = text.slice(0, piece.start) + piece.text + text.slice(piece.end);
  if (toAppend.length > 0) {
    const gap = text === "" || /[\r\n]$/.test(text) ? "" : newline;
    text = `${text}${gap}${toAppend.join(newline)}${newline}`;
  }
  return readVmCfg(Buffer.from(withCoding(text, dialect, newline), "latin1"));
}

export function vmCfgBytes(document: VmCfg): Buffer {
  return Buffer.from(document.text, "latin1");
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

/** Python 2 refuses bytes above 127 unless a line names the encoding (PEP 263). */
export function withCoding(text: string, dialect: Dialect, newline = "\n"): string {
  if (dialect === "xl" || !/[\u0080-\uffff]/.test(text) || text.startsWith("\u00ef\u00bb\u00bf")) return text;
  const [first = "", second = ""] = text.split(/\r\n|\n|\r/, 2);
  if ([first, second].some((line) => /^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+/.test(line))) return text;
  return `# -*- coding: utf-8 -*-${newline}${text}`;
}

function sameValue(one: Value | undefined, other: Value | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
