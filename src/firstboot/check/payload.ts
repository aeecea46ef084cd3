import type { ModuleParts } from "../module.ts";
import type { ReadShell } from "../shell/read.ts";
import { shellFiles } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import { systemFile } from "./system-files.ts";
import { checkText } from "./text.ts";

/** The faults of a module's files: their paths and bytes. */
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
      found.push(...checkText(file.from, file.data).findings);
    else if (
      isProgram &&
      /^(?:\xff\xfe|\xfe\xff)/.test(Buffer.from(file.data.subarray(0, 2)).toString("latin1"))
    )
      found.push(...checkText(file.from, file.data).findings);
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

function isText(data: Uint8Array): boolean {
  return !data.subarray(0, 4096).includes(0);
}
