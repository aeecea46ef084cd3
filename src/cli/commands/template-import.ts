import { join, resolve } from "node:path";
import type { Command } from "commander";
import { importTemplate } from "../../build/import-template.ts";
import { TbuildError } from "../../errors.ts";
import { amount } from "../../io/units.ts";
import type { Manifest } from "../../model/manifest.ts";
import { importTemplate as importExport, isExport } from "../../store/exchange/export-file.ts";
import { interruptible } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { readSize } from "../sizes.ts";
import { coloursFor, signatureWords, size } from "../words.ts";

interface Options {
  readonly as?: string;
  readonly domainType?: Manifest["domainType"];
  readonly maxSize: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const options = command.opts<Options>();
  const file = resolve(String(args[0]));
  if (await isExport(file)) return await takeExport(file, command, options);
  const [name, version] = readAs(options.as);
  const mostBytes = readSize("--max-size", options.maxSize);
  const { home, host, store, records, tbuild } = await openSite(command);
  const line = progressLine(options.json ?? false);
  const imported = await interruptible("no version was added", (signal) =>
    importTemplate(host, { store, records }, file, {
      ...(name !== undefined && { name }),
      ...(version !== undefined && { version }),
      ...(options.domainType && { domainType: options.domainType }),
      mostBytes,
      workFolder: join(home.root, "import"),
      tbuild,
      signal,
      progress: line.show,
    }),
  ).finally(line.close);
  const { manifest, isNew, notes } = imported;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ manifest, isNew, notes }, undefined, 2)}\n`);
    return;
  }
  for (const note of notes) process.stderr.write(`note: ${note}\n`);
  const bytes = manifest.disks.reduce((sum, disk) => sum + disk.dataBytes, 0);
  process.stdout.write(
    `${manifest.name}@${manifest.version}  ${isNew ? "imported" : "was there already"}: ${manifest.release.name}, ` +
      `${amount(manifest.disks.length, "disk")}, ${size(bytes)} of data\n`,
  );
}

/** Imports what \`tbuild template export\` wrote: the same version with its signature, under the same name. */
async function takeExport(file: string, command: Command, options: Options): Promise<void> {
  if (options.as !== undefined || options.domainType !== undefined)
    throw new TbuildError("usage", "is a tbuild export, which keeps its name, version and domain type", {
      subject: file,
      hint: "Omit --as and --domain-type.",
    });
  const { store, records, home } = await openSite(command);
  const line = progressLine(options.json ?? false);
  const { manifest, signature, already } = await interruptible("no version was added", (signal) =>
    importExport(store, records, file, join(home.root, "import"), {
      signal,
      progress: (done, total) => line.show("reading", done, total),
    }),
  ).finally(line.close);
  const { name, version } = manifest;
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ name, version, signature, already })}\n`
      : `${name}@${version}: ${already ? "already in the store" : "added to the store"}, signature: ${signatureWords(signature, coloursFor(process.stdout))}\n`,
  );
}

/** `name` or `name@1.2.3`. */
function readAs(as: string | undefined): [name?: string, version?: string] {
  if (as === undefined) return [];
  const [, name, version] = /^([a-z][a-z0-9-]*)(?:@(\d+\.\d+\.\d+))?$/.exec(as) ?? [];
  if (name === undefined)
    throw new TbuildError("usage", `--as "${as}": not a name, or name@1.2.3`, {
      hint: "Names consist of lower-case letters, digits and dashes.",
    });
  return version === undefined ? [name] : [name, version];
}
