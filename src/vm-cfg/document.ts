import { TbuildError } from "../errors.ts";
import { type Cursor, spend, take, Wrong, weightOf } from "./cursor.ts";
import { readValue } from "./literals.ts";
import { type Dialect, isList, type Value } from "./value.ts";

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
  // Python and xl read every kind of line end as one character, also inside of a text.
  const plain = text
    .replace(/^\u00ef\u00bb\u00bf/, "   ")
    .replaceAll("\r\n", "\n")
    .replaceAll("\r", "\n");
  const lineAt = lineCounter(plain);
  const placeOf = placesIn(text);
  const problems: Remark[] = [];
  const remarks: Remark[] = [...withoutCoding(text)];
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
      for (const one of readStatement(cursor, values, lineAt(start), remark))
        statements.push({
          ...one,
          start: placeOf(one.start),
          valueStart: placeOf(one.valueStart),
          end: placeOf(one.end),
        });
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

/** From a position in the text with line ends of one character to the position in the file. */
function placesIn(text: string): (at: number) => number {
  const breaks: number[] = [];
  for (let at = text.indexOf("\r\n"); at >= 0; at = text.indexOf("\r\n", at + 2))
    breaks.push(at - breaks.length);
  return (at) => {
    let [low, high] = [0, breaks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((breaks[middle] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return at + low;
  };
}

/** Python 2 refuses the whole file for its first byte above 127 if nothing names the encoding. xl takes it. */
function withoutCoding(text: string): Remark[] {
  if (withCoding(text, "oracle-vm") === text) return [];
  const line = text.slice(0, text.search(/[\u0080-\uffff]/)).split(/\r\n|\n|\r/).length;
  return [
    {
      line,
      text: "it has characters other than ASCII, and no line that names the encoding: Oracle VM refuses such a file",
    },
  ];
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
      throw new Wrong(cursor.at, '"+=" is not allowed in a chain of assignments');
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
    if (values.has(name) && operator === "=") remark(start, `${name} is set again; the last value wins`);
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
  if (name === undefined) return new Wrong(cursor.at, "it is not an assignment to a name");
  if (
    /^(?:import|from|if|for|while|def|class|print|exec|del|try|with|global|return|raise|assert)$/.test(name)
  )
    return new Wrong(cursor.at, `"${name}" is a Python statement, and tbuild runs no code of a vm.cfg`);
  return new Wrong(cursor.at, `there is no "=" after ${name}`);
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
  throw new Wrong(cursor.at, `there is unexpected text after ${what}`);
}

function added(before: Value, more: Value, at: number, name: string): Value {
  if (isList(before) && isList(more)) return [...before, ...more];
  if (typeof before === "string" && typeof more === "string") return before + more;
  if (typeof before === "number" && typeof more === "number") return before + more;
  throw new Wrong(at, `${name} += adds a value of another type`);
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
  remark(at, `the list of ${key} has no quotes; it is read as if it had them`);
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

export function vmCfgBytes(document: VmCfg): Buffer {
  return Buffer.from(document.text, "latin1");
}

/** Python 2 refuses bytes above 127 unless a line names the encoding (PEP 263). */
export function withCoding(text: string, dialect: Dialect, newline = "\n"): string {
  if (dialect === "xl" || !/[\u0080-\uffff]/.test(text) || text.startsWith("\u00ef\u00bb\u00bf")) return text;
  const [first = "", second = ""] = text.split(/\r\n|\n|\r/, 2);
  if ([first, second].some((line) => /^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+/.test(line))) return text;
  return `# -*- coding: utf-8 -*-${newline}${text}`;
}
