import { readXml } from "../../io/read-xml.ts";

/*
 * What Oracle VM Manager's CLI prints in the output modes Verbose and Xml.
 *
 * Verbose: a line `OVM> COMMAND`, then `Command:`, `Status:`, `Time:`, sometimes `JobId:`, then `Data:` with indented rows, and
 * after a failure `Error Msg:`. Several commands of one call give one such block after the other. The form of the blocks, and of
 * the rows of `list`, is from logs of OVM 3.3 and 3.4 (the README of Oracle's "MoveVm" and a backup script's log, pastebin 59AiZbNn).
 * That `Error Msg:` follows a failure is what two clients rely on (Oracle's Storage HCL Testkit, and knife-oraclevm); no whole transcript
 * of a failure is public. So everything between `Status: Failure` and the next block counts as the message.
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
  /** The rows below `Data:`, without the two blanks of their indentation. */
  readonly data: readonly string[];
  /** What the Manager says about a failure. */
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

/** Line ends are `\n\r` in an interactive session, `\r\n` or `\n` elsewhere. */
export function linesOf(text: string): string[] {
  return text.replace(/\r\n|\n\r|\r/g, "\n").split("\n");
}

/** The answers in a text, in order. What comes before the first and after the last is left out: banners, and `Connection closed.` */
export function readAnswers(text: string): Block[] {
  const starts: { command: string; lines: string[] }[] = [];
  for (const line of linesOf(text)) {
    const command = /^(?:OVM> ?)*Command: ?(.*)$/.exec(line)?.[1];
    // A row of data is indented, so it cannot be taken for the start of a block.
    if (command !== undefined) starts.push({ command: command.trim(), lines: [] });
    else if (!/^OVM> ?/.test(line)) starts.at(-1)?.lines.push(line);
    // The prompt, with or without the echo of the next command, ends the block before it.
    else starts.at(-1)?.lines.push(prompt);
  }
  return starts.map(({ command, lines }) => blockOf(command, lines));
}

const prompt = "\u0000";

function blockOf(command: string, all: readonly string[]): Block {
  const end = all.indexOf(prompt);
  const lines = end < 0 ? all : all.slice(0, end);
  const found: Record<string, string> = {};
  const data: string[] = [];
  const error: string[] = [];
  let part: "head" | "data" | "error" = "head";
  for (const line of lines) {
    const [, name, value = ""] = /^(Status|Time|JobId|Data|Error Msg): ?(.*)$/.exec(line) ?? [];
    if (name === "Data") {
      part = "data";
      if (value.trim() !== "") data.push(value.trim());
    } else if (name === "Error Msg") {
      part = "error";
      if (value.trim() !== "") error.push(value.trim());
    } else if (name !== undefined && part === "head") found[name] = value.trim();
    else if (part === "data") {
      if (line.trim() !== "") data.push(line.replace(/^ {1,2}/, ""));
    } else if (line.trim() !== "") error.push(line.trim());
  }
  const status = found.Status?.toLowerCase();
  return {
    command,
    status: status === "success" || status === "failure" ? status : "unknown",
    time: found.Time ?? "",
    ...(found.JobId !== undefined && { jobId: found.JobId }),
    data,
    error: error.join("\n"),
  };
}

/** A name can hold colons, as the MAC of a vnic does, so a row is split at its first `  name:`. Other rows are left out. */
export function listed({ data }: Pick<Block, "data">): Listed[] {
  return data.flatMap((row) => {
    const [, id, name] = /^\s*id:(\S+?)\s\s*name:(.*)$/.exec(row) ?? [];
    return id === undefined || name === undefined ? [] : [{ id, name }];
  });
}

/** A value can hold ` = `, so a row is split at its first one. */
export function properties({ data }: Pick<Block, "data">): Property[] {
  return data.flatMap((row) => {
    const text = row.trim();
    const at = `${text} `.indexOf(" = ");
    return at < 0 ? [] : [{ key: text.slice(0, at).trim(), value: text.slice(at + 3).trim() }];
  });
}

/** Names can hold brackets, so the name ends at the last one. */
export function referenceIn(value: string): Reference | undefined {
  const [, id, name = ""] = /^(\S+)(?:\s+\[(.*)\])?$/.exec(value.trim()) ?? [];
  return id === undefined ? undefined : { id, name };
}

/**
 * The same data from output mode Xml. Its roots are `ListCommandResult` and `ShowCommandResult`, with `PropertyName` and `PropertyValue`
 * inside, and text may come before the XML: this is what osielczakd's backup_ovm_vm.py relies on. No complete output is public.
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
