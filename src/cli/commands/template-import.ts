import { resolve } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { importTemplate, isExport } from "../../store/export-file.ts";
import { interruptible } from "../interrupt.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { store, records, home } = await openSite(command);
  const file = resolve(String(args[0]));
  if (!(await isExport(file)))
    throw new TbuildError("usage", `${file}: is nothing that \`tbuild template export\` wrote`);
  const { manifest, signature, already } = await interruptible((signal) =>
    importTemplate(store, records, file, home.root, { signal }),
  );
  const { name, version } = manifest;
  process.stdout.write(
    command.opts<{ json?: boolean }>().json
      ? `${JSON.stringify({ name, version, signature, already })}\n`
      : `${name}@${version}: ${already ? "was here already" : "is here now"}, signature: ${signature.state}\n`,
  );
}
