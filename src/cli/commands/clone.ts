import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { cloneDeployment } from "../../deploy/clone.ts";
import { TbuildError } from "../../errors.ts";
import { reasonOf } from "../../io/file-fault.ts";
import { type Located, readYaml } from "../../recipe/located.ts";
import { type DeployFlags, deployOrDestroy } from "../deploy-or-destroy.ts";

interface CloneFlags extends DeployFlags {
  readonly name: readonly string[];
  readonly vcpus?: string;
  readonly memory?: string;
  readonly nic?: readonly string[];
  readonly disk?: readonly string[];
  readonly values?: string;
  readonly full?: boolean;
  readonly storage?: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<CloneFlags>();
  const { name: names, nic: nics, disk: disks, vcpus, memory, storage } = flags;
  const loaded = cloneDeployment({
    template: String(args[0]),
    names,
    ...(vcpus !== undefined && { vcpus }),
    ...(memory !== undefined && { memory }),
    ...(storage !== undefined && { storage }),
    ...(flags.full && { clone: "full" }),
    ...(nics && { nics }),
    ...(disks && { disks }),
    ...(flags.values !== undefined && { values: await valuesIn(flags.values) }),
  });
  await deployOrDestroy(loaded, flags, command);
}

async function valuesIn(file: string): Promise<Located> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new TbuildError(
      error.code === "ENOENT" ? "usage" : "environment",
      `cannot be read: ${reasonOf(error)}`,
      { subject: file, cause: error },
    );
  });
  return readYaml(relative(process.cwd(), resolve(file)) || file, text);
}
