import { chmod, readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Command } from "commander";
import { adoptModule } from "../../firstboot/adopt.ts";
import { moduleYaml } from "../../firstboot/module.ts";
import { replaceFile } from "../../host/partial-file.ts";
import { fileFault } from "../../io/file-fault.ts";
import { amount } from "../../io/units.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const folder = String(args[0]);
  const { plan = false } = command.opts<{ plan?: boolean }>();
  const { yaml, text, parts, script } = await adoptModule(folder);
  const into = join(folder, "payload", script);
  if (plan) {
    process.stdout.write(`# ${parts.file} would become ${into}\n${text}`);
    return;
  }
  // The old script is removed last, so a failure or a kill before that leaves the module intact.
  await replaceFile(into, await readFile(parts.file), 0o755);
  try {
    await chmod(into, 0o755);
    await replaceFile(join(folder, moduleYaml), text);
    await rm(parts.file);
  } catch (error) {
    for (const file of [join(folder, moduleYaml), into]) await rm(file, { force: true }).catch(() => {});
    throw fileFault(error, folder);
  }
  process.stdout.write(
    `${relative(process.cwd(), join(folder, moduleYaml))}: ${amount(yaml.parameters.length, "parameter")}; the script is now ${relative(process.cwd(), into)}\n`,
  );
}
