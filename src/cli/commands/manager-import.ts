import { access, constants } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { exitCodes, TbuildError } from "../../errors.ts";
import { jsonText, printable } from "../../io/escape.ts";
import { reasonOf } from "../../io/file-fault.ts";
import { importTemplate } from "../../manager/import.ts";
import { openManager } from "../../manager/open.ts";
import { notAsked, serveFiles } from "../../manager/serve-files.ts";
import { interruptible } from "../interrupt.ts";
import { siteManager } from "../open-manager.ts";

interface ImportFlags {
  readonly name?: string;
  readonly description?: string;
  readonly repository?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { json = false, ...flags } = command.optsWithGlobals<ImportFlags>();
  const from = args[0] as readonly string[];
  const templates = await interruptible(
    "the Manager continues a job that it has started; check its web interface",
    async (signal) => {
      const { options, context } = await siteManager(command, signal);
      const files = await localFiles(from);
      await using api = await openManager(options, context);
      await using served = files && (await serveFiles(files, options));
      return await importTemplate(api, {
        urls: served?.urls ?? from,
        name: flags.name,
        description: flags.description,
        repository: flags.repository ?? options.repository,
        server: options.server,
        onProgress: (text) => void process.stderr.write(`${text}\n`),
      }).catch((error) => {
        if (!(error instanceof TbuildError) || !served || served.wasAsked() || error.code !== "failed")
          throw error;
        throw error.with({ hint: notAsked(served) });
      });
    },
  );
  if (json) process.stdout.write(`${jsonText(templates, 2)}\n`);
  else
    for (const { name, id, lacking } of templates) {
      process.stdout.write(`imported ${printable(name)} (${printable(id)})\n`);
      for (const one of lacking) process.stderr.write(`warning: not set: ${one}\n`);
    }
  if (templates.some(({ lacking }) => lacking.length > 0)) process.exitCode = exitCodes.unknown;
}

/** Local files by name; `undefined` if URLs are imported. */
async function localFiles(from: readonly string[]): Promise<Record<string, string> | undefined> {
  const isUrl = from.map((one) => /^[a-z][a-z0-9+.-]+:\/\//i.test(one));
  if (isUrl.every(Boolean)) return undefined;
  if (isUrl.some(Boolean))
    throw new TbuildError("usage", "the parts of a template must be all local files or all URLs");
  for (const file of from)
    await access(file, constants.R_OK).catch((cause: NodeJS.ErrnoException) => {
      throw new TbuildError(
        "usage",
        cause.code === "ENOENT" ? "no such file" : `cannot be read: ${reasonOf(cause)}`,
        {
          subject: file,
          hint: "Give a file, or a URL that the Manager's servers can reach.",
          cause,
        },
      );
    });
  const files = Object.fromEntries(from.map((file) => [basename(file), resolve(file)]));
  if (Object.keys(files).length === from.length) return files;
  throw new TbuildError("usage", "two of the files have the same name", { subject: from.join(", ") });
}
