import { chmod, rename, rm } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { Command } from "commander";
import { adoptModule } from "../../firstboot/adopt.ts";
import { moduleYaml } from "../../firstboot/module.ts";
import { fileFault } from "../../io/file-fault.ts";
import { makeFolders } from "../../io/folders.ts";
import { amount } from "../../io/units.ts";
import { writeFile } from "../../io/write-file.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const folder = String(args[0]);
  const { plan = false } = command.opts<{ plan?: boolean }>();
  const { yaml, text, parts, script } = await adoptModule(folder);
  const into = join(folder, "payload", script);
  if (plan) {
    process.stdout.write(`# ${parts.file} would become ${into}\n${text}`);
    return;
  }
  await makeFolders(dirname(into));
  // The description is written first: a kill in between leaves the module unchanged, and a file that `check`
  // reports.
  const part = join(folder, `${moduleYaml}.part`);
  try {
    await writeFile(part, text);
    await rename(parts.file, into);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw fileFault(error, folder);
  }
  await chmod(into, 0o755);
  await rename(part, join(folder, moduleYaml));
  process.stdout.write(
    `${relative(process.cwd(), join(folder, moduleYaml))}: ${amount(yaml.parameters.length, "parameter")}; the script is now ${relative(process.cwd(), into)}\n`,
  );
}
