import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { importNetconfig, type SettingsFile } from "../../deploy/import-netconfig.ts";
import { TbuildError } from "../../errors.ts";
import { reasonOf } from "../../io/file-fault.ts";

interface ImportFlags {
  readonly params?: string;
  readonly template: string;
  readonly netmask?: string;
  readonly privateNetmask?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.optsWithGlobals<ImportFlags>();
  const netconfig = await fileNamed(String(args[0]));
  const params = flags.params === undefined ? undefined : await fileNamed(flags.params);
  const imported = await importNetconfig(netconfig, params, flags);
  process.stdout.write(flags.json ? `${JSON.stringify(imported, undefined, 2)}\n` : imported.text);
}

async function fileNamed(name: string): Promise<SettingsFile> {
  const text = await readFile(name, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new TbuildError(
      error.code === "ENOENT" ? "usage" : "environment",
      error.code === "ENOENT" ? "no such file" : `cannot be read: ${reasonOf(error)}`,
      { subject: name, cause: error },
    );
  });
  if (text.includes("\0") || text.length > 1_000_000)
    throw new TbuildError("usage", "is not a settings file", { subject: name });
  return { name, text };
}
