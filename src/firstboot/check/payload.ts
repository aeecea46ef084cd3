import type { ModuleFile, ModuleParts } from "../module.ts";
import type { ReadShell } from "../shell/read.ts";
import { isShell, shellFiles } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import { systemFile } from "./system-files.ts";
import { checkText } from "./text.ts";

/** The faults of a module's files: their paths, bytes and interpreters. */
export function payloadFindings({ payload, yaml }: ModuleParts, read: ReadShell): ModuleFinding[] {
  const interpreted = [yaml?.run, yaml?.afterBoot].flatMap((one) => (one?.interpreter ? [one.program] : []));
  const readIn = new Set(
    payload.flatMap((file) => shellFiles(file, payload, read)).map(([{ path }]) => path),
  );
  return payload.flatMap((file) => {
    const found: ModuleFinding[] = [];
    const add = (level: ModuleFinding["level"], text: string, remedy: string) =>
      found.push({ level, file: file.from, line: 1, text, remedy });
    const what = systemFile(file.path);
    if (what !== undefined)
      add(
        "error",
        `would replace ${file.path}, ${what}`,
        "Use your own file, below /opt or as a drop-in, and let the module's program change the system",
      );
    const isProgram = (file.mode & 0o111) !== 0;
    if (/^(?:\xef\xbb\xbf)?#!/.test(Buffer.from(file.data.subarray(0, 5)).toString("latin1")))
      found.push(...checkText(file.from, file.data).findings, ...interpreterFindings(file));
    else if (readIn.has(file.path)) found.push(...checkText(file.from, file.data).findings);
    else if (isProgram && file.data.length === 0)
      add("error", "is executable and empty", "Write the program, or take away its executable bit");
    else if (isProgram && isText(file.data) && !interpreted.includes(file.path))
      add(
        "warning",
        "is executable, but its first line names no interpreter",
        "Add a first line such as #!/bin/sh",
      );
    return found;
  });
}

/** Whether a file is a script for a shell that bash can read. */
export function isForBash(file: ModuleFile): boolean {
  return isShell(file) && !/^#!.*\/(?:env\s+)?[kz]sh\b/.test(firstLine(file));
}

/** The first line of a file. */
export function firstLine(file: ModuleFile): string {
  return Buffer.from(file.data.subarray(0, 500)).toString("latin1").split(/\r?\n/, 1)[0] ?? "";
}

function isText(data: Uint8Array): boolean {
  return !data.subarray(0, 4096).includes(0);
}

function interpreterFindings(file: ModuleFile): ModuleFinding[] {
  const first = firstLine(file).replace(/^\xef\xbb\xbf/, "");
  const [, path = "", words = ""] = /^#!\s*(\S+)\s*(.*)$/.exec(first) ?? [];
  const finding = (text: string, remedy: string): ModuleFinding[] => [
    { level: "error", file: file.from, line: 1, text, remedy },
  ];
  if (path === "") return finding("#! names no interpreter", "Use its absolute path, such as #!/bin/sh");
  if (!path.startsWith("/"))
    return finding(
      `#!${path} is not an absolute path, and the kernel searches no folders`,
      "Use its absolute path, such as #!/bin/sh",
    );
  if (/^\/usr\/local\//.test(path))
    return finding(
      `#!${path} is no program of the release: its packages bring nothing below /usr/local`,
      `Name that of the system, such as #!/bin/${path.slice(path.lastIndexOf("/") + 1)}`,
    );
  if (/\/env$/.test(path) && /\S\s+\S/.test(words.trim()) && !words.startsWith("-S"))
    return finding(
      `#!${path} gets "${words.trim()}" as one word, and takes all of it for a program's name`,
      `Name the interpreter itself, such as #!/bin/${words.trim()}`,
    );
  return [];
}
