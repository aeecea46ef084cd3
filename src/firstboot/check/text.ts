import { isAscii, isLatin, unknownEncoding } from "../python/source.ts";
import type { ModuleFinding } from "./finding.ts";

export interface TextCheck {
  readonly findings: readonly ModuleFinding[];
  /** It has lines, so its header can be read. */
  readonly hasLines: boolean;
  /** Its bytes can be read as Python. */
  readonly isReadable: boolean;
}

/** Errors in the bytes of a program for a guest: line ends, encoding, and the first line. */
export function checkText(file: string, bytes: Uint8Array): TextCheck {
  const findings: ModuleFinding[] = [];
  const add = (line: number, text: string, remedy: string) =>
    findings.push({ level: "error", file, line, text, remedy });
  const withoutLines = (text: string, remedy: string): TextCheck => ({
    findings: [{ level: "error", file, line: 1, text, remedy }],
    hasLines: false,
    isReadable: false,
  });
  const data = Buffer.from(bytes);
  if (/^(?:\xff\xfe|\xfe\xff)/.test(data.toString("latin1", 0, 2)))
    return withoutLines("the file is UTF-16", "Save it as UTF-8 without a byte order mark");
  if (data.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf])))
    add(
      1,
      "with a byte order mark before #!, the kernel cannot start the program",
      "Save the file as UTF-8 without a byte order mark",
    );
  const zero = data.indexOf(0);
  if (zero >= 0) add(lineAt(data, zero), "a zero byte", "Remove it: the interpreter refuses the file");
  const end = data.indexOf("\r\n");
  if (end >= 0)
    add(
      lineAt(data, end),
      "lines end with CR-LF, so the kernel looks for an interpreter whose name ends with CR",
      `Convert the file: sed -i 's/\\r$//' ${file}`,
    );
  const cr = end < 0 ? data.indexOf("\r") : -1;
  if (cr >= 0 && data.indexOf("\n") < 0)
    return withoutLines(
      "lines end with CR alone, so the whole file is one line",
      `Convert the file: sed -i 's/\\r/\\n/g' ${file}`,
    );
  const other = unknownEncoding(data);
  if (other)
    add(
      other.line,
      `declares the encoding ${other.name}, which cannot be checked here`,
      "Convert the file to UTF-8, with iconv for example",
    );
  const bad = data.length > 0 && !isLatin(data) && !other ? firstBadLine(data) : undefined;
  if (bad !== undefined)
    add(
      bad,
      "not UTF-8, and no line names another encoding",
      "Convert the file to UTF-8, with iconv for example, or name its encoding: # -*- coding: latin-1 -*-",
    );
  const beyond = isAscii(data) ? firstLetterBeyond(data) : undefined;
  if (beyond !== undefined)
    add(
      beyond,
      "a letter beyond ASCII, and the file declares that it is ASCII",
      "Declare utf-8 in its first two lines",
    );
  const isReadable = data.length > 0 && zero < 0 && other === undefined && bad === undefined;
  return { findings, hasLines: true, isReadable };
}

function firstLetterBeyond(data: Buffer): number | undefined {
  const at = data.findIndex((byte) => byte > 127);
  return at < 0 ? undefined : lineAt(data, at);
}

function lineAt(data: Buffer, at: number): number {
  let line = 1;
  for (let index = data.indexOf(10); index >= 0 && index < at; index = data.indexOf(10, index + 1)) line++;
  return line;
}

function firstBadLine(data: Buffer): number | undefined {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  for (let from = 0; from < data.length; line++) {
    const next = data.indexOf(10, from);
    const end = next < 0 ? data.length : next;
    try {
      decoder.decode(data.subarray(from, end));
    } catch {
      return line;
    }
    from = end + 1;
  }
  return undefined;
}
