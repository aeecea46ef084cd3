import { stripVTControlCharacters } from "node:util";
import { readXml } from "../../io/read-xml.ts";

/*
 * Reads the output of Oracle VM Manager's CLI in the modes Verbose and Xml.
 *
 * Verbose: a line `OVM> COMMAND`, then `Command:`, `Status:`, `Time:`, sometimes `JobId:`, then `Data:` with indented rows, and
 * after a failure `Error Msg:`. Several commands of one call print one such block after the other. The form of the blocks, and of
 * the rows of `list`, is from logs of OVM 3.3 and 3.4 (the README of Oracle's "MoveVm" and a backup script's log, pastebin
 * 59AiZbNn).
 * Two clients rely on `Error Msg:` after a failure (Oracle's Storage HCL Testkit, and knife-oraclevm); no complete
 * transcript of a failure is public. So everything between `Status: Failure` and the next block counts as the message.
 */

/** One command's answer. */
export interface Block {
  /** As the Manager repeats it. */
  readonly command: string;
  /** `unknown`: the block has no status line that can be read. */
  readonly status: "success" | "failure" | "unknown";
  /** `YYYY-MM-DD HH:MM:SS,mmm ZONE`; empty if missing. */
  readonly time: string;
  readonly jobId?: string;
  /** The rows below `Data:`, without the two blanks of their indentation. One can have several lines. */
  readonly data: readonly string[];
  /** The Manager's message about a failure. */
  readonly error: string;
}

/** A row of `list`. */
export interface Listed {
  readonly id: string;
  readonly name: string;
}

/** A row of `show`: `Key = Value`. */
export interface Property {
  readonly key: string;
  readonly value: string;
}

/** A value that names another object: `ID  [NAME]`. The name is empty if the Manager prints only the id. */
export interface Reference {
  readonly id: string;
  readonly name: string;
}

/** Line ends are `\n\r` in an interactive session, `\r\n` or `\n` elsewhere. Escape sequences of terminals are left out. */
export function linesOf(text: string): string[] {
  return stripVTControlCharacters(text.replace(/^\ufeff/, ""))
    .replace(/\r\n|\n\r|\r/g, "\n")
    .split("\n");
}

/**
 * The answers in a text, in order. Text before the first and after the last is ignored: banners, and
 * `Connection closed.`
 */
export function readAnswers(text: string): Block[] {
  const lines = linesOf(text).map(parted);
  const first = lines.findIndex(({ command }) => command !== undefined);
  // What the servers say of a failure can have a line `Command: create_server_pool, Server error: …`.
  const isEchoed = lines.slice(0, first + 1).some(({ hasPrompt }) => hasPrompt);
  const blocks: { command: string; lines: string[] }[] = [];
  let isOpen = false;
  for (const { line, hasPrompt, command } of lines) {
    if (hasPrompt) isOpen = false;
    const isStart = !isOpen || (!isEchoed && !command?.includes(", Server error:"));
    if (command !== undefined && isStart) {
      blocks.push({ command, lines: [] });
      isOpen = true;
    } else if (isOpen) blocks.at(-1)?.lines.push(line);
  }
  return blocks.map(blockOf);
}

/** Whether a text ends in the middle of an answer: where prompts are shown, one comes after each. */
export function breaksOff(text: string): boolean {
  const lines = linesOf(text).filter((line) => line.trim() !== "");
  const last = lines.length > 1 ? (lines.at(-1) ?? "") : "";
  return lines.some((line) => prompts.test(line)) && !prompts.test(last) && !farewell.test(last);
}

const farewell = /^Connection (?:to \S+ )?closed\.$/;

/** A line with its prompt, and the command that it repeats. Rows of data are indented, so they are taken for neither. */
function parted(line: string): { line: string; hasPrompt: boolean; command: string | undefined } {
  const rest = line.replace(prompts, "");
  const command = /^Command: ?(.*)$/s.exec(rest)?.[1]?.replace(prompts, "").trim();
  return { line, hasPrompt: rest !== line, command };
}

const prompts = /^(?:OVM> ?)+/;

function blockOf({ command, lines }: { readonly command: string; readonly lines: readonly string[] }): Block {
  const found: Record<string, string> = {};
  const data: string[] = [];
  const error: string[] = [];
  let part: "head" | "data" | "error" = "head";
  for (const line of lines) {
    const [, name = "", value = ""] = /^(Status|Time|JobId|Data|Error Msg): ?(.*)$/s.exec(line) ?? [];
    const isHead = ["Status", "Time", "JobId"].includes(name) && !(name in found);
    // Warnings can come before the status; what an error says can have any line.
    if (isHead && part !== "data") found[name] = value.trim();
    else if (name === "Data" && part === "head") {
      part = "data";
      if (value.trim() !== "") data.push(`  ${value}`);
    } else if (name === "Error Msg" && part !== "error") {
      part = "error";
      error.push(value);
    } else (part === "data" ? data : error).push(line);
  }
  return {
    command,
    // Two that contradict each other say nothing.
    status:
      statusOf(found.Status) === "success" && error.some((line) => /^Status: ?Failure\b/i.test(line))
        ? "unknown"
        : statusOf(found.Status),
    time: found.Time ?? "",
    ...(found.JobId !== undefined && { jobId: found.JobId }),
    data: rowsIn(data),
    error: error.flatMap((line) => line.trim() || []).join("\n"),
  };
}

function statusOf(text = ""): Block["status"] {
  const [word] = /^(?:success|failure)\b/.exec(text.toLowerCase()) ?? [];
  return word === undefined ? "unknown" : (word as "success" | "failure");
}

/** Rows are indented; what is not, if others are, is a further line of the value before it, such as a description of several lines. */
function rowsIn(lines: readonly string[]): string[] {
  const isIndented = lines.some((line) => /^[ \t]+\S/.test(line));
  const rows: string[] = [];
  for (const line of lines) {
    if (/^[ \t]*$/.test(line) || farewell.test(line)) continue;
    if (!isIndented || /^[ \t]/.test(line)) rows.push(line.replace(/^(?: {1,2}|\t)/, ""));
    else if (rows.length > 0) rows.push(`${rows.pop()}\n${line}`);
  }
  return rows;
}

/**
 * A name can contain colons, such as the MAC of a vnic, so a row is split at its first ` name:`. Other rows
 * are ignored.
 */
export function listed({ data }: Pick<Block, "data">): Listed[] {
  return data.flatMap((row) => {
    const [, id, name] = /^\s*id:(\S+?)\s\s*name:([^\n]*)/.exec(row) ?? [];
    return id === undefined || name === undefined ? [] : [{ id, name }];
  });
}

/** A value can contain ` = `, so a row is split at its first one. */
export function properties({ data }: Pick<Block, "data">): Property[] {
  return data.flatMap((row) => {
    const at = `${row} `.indexOf(" = ");
    return at < 0 ? [] : [{ key: row.slice(0, at).trim(), value: trimmed(row.slice(at + 3)) }];
  });
}

// Names may begin or end with a blank of another kind.
function trimmed(text: string): string {
  const isBlank = (at: number) => text[at] === " " || text[at] === "\t";
  let [from, to] = [0, text.length];
  while (from < to && isBlank(from)) from++;
  while (from < to && isBlank(to - 1)) to--;
  return text.slice(from, to);
}

/** Names can contain brackets, so the name ends at the last one. */
export function referenceIn(value: string): Reference | undefined {
  const [, id, name = ""] = /^(\S+)(?:\s+\[(.*)\])?$/s.exec(value.trim()) ?? [];
  // Java's word for nothing.
  return id === undefined || id === "null" ? undefined : { id, name };
}

/**
 * The same data from output mode Xml. Its roots are `ListCommandResult` and `ShowCommandResult`, with
 * `PropertyName` and `PropertyValue` inside, and text may come before the XML: osielczakd's backup_ovm_vm.py
 * relies on this. No complete output is public.
 */
export function readXmlAnswer(text: string): Pick<Block, "data" | "status"> | undefined {
  const start = text.indexOf("<?xml version=");
  if (start < 0) return undefined;
  const end = /<\/(?:List|Show)CommandResult>/.exec(text.slice(start));
  const xml = end === null ? text.slice(start) : text.slice(start, start + end.index + end[0].length);
  const root = readXml("the answer of Oracle VM Manager", xml);
  const data: string[] = [];
  const walk = (element: typeof root): void => {
    const text = (name: string) => element.children.find((one) => one.name === name)?.text.trim();
    const [key, value] = [text("PropertyName"), text("PropertyValue")];
    if (key !== undefined) data.push(`${key} = ${value ?? ""}`);
    const [id, name] = [text("Id") ?? text("id"), text("Name") ?? text("name")];
    if (key === undefined && id !== undefined && name !== undefined) data.push(`id:${id}  name:${name}`);
    for (const child of element.children) walk(child);
  };
  walk(root);
  return { data, status: "success" };
}
