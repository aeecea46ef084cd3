import { createHash } from "node:crypto";
import { chmod, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../errors.ts";
import { replaceFile } from "../../host/partial-file.ts";
import { textOf } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import type { VmSpec } from "../hypervisor.ts";
import { QemuDisk } from "./disks.ts";

/** A machine's settings for qemu, without its disks. */
const Kept = z.object({
  name: z.string(),
  vcpus: z.number(),
  memoryMib: z.number(),
  cdroms: z.array(z.string()).readonly(),
  nics: z
    .array(z.object({ network: z.string(), mac: z.string(), address: z.string().exactOptional() }))
    .readonly(),
  guest: z.object({ release: z.number() }),
  firmware: z.literal("uefi").exactOptional(),
  restarts: z.literal(true).exactOptional(),
  discFirst: z.literal(true).exactOptional(),
});
export type Kept = z.infer<typeof Kept>;

const Definition = z.object({
  spec: Kept,
  disks: z.array(QemuDisk),
  /** From the last start. */
  sshPort: z.number().optional(),
});
export type Definition = z.infer<typeof Definition>;

export interface QemuPaths {
  /** In the order of their slots. */
  readonly disks: readonly QemuDisk[];
  readonly pidfile: string;
  readonly qmp: string;
  readonly serialLog: string;
  readonly serialSocket: string;
  readonly messages: string;
  /** The machine's own UEFI variables, if it boots by UEFI. */
  readonly variables: string;
}

/** A machine's files on this host: its folder, and a folder with a short path for its sockets. */
export interface MachineFiles {
  readonly folder: string;
  readonly consoleLog: string;
  readonly consoleSocket: string;
  diskStem(slot: number): string;
  /** Makes the folder. Its disks contain data that only the guest's root may read, so nobody else may enter it. */
  make(): Promise<void>;
  write(definition: Definition): Promise<void>;
  /** Throws if the machine does not exist, or a kill left it incomplete. */
  read(): Promise<Definition>;
  exists(): Promise<boolean>;
  paths(): Promise<Omit<QemuPaths, "disks">>;
  remove(): Promise<void>;
}

export function machineFiles(machines: string, vm: string): MachineFiles {
  const folder = join(machines, vm);
  const run = runPath(folder);
  const definition = join(folder, "machine.json");
  const text = () => textOf(definition);
  return {
    folder,
    consoleLog: join(folder, "console.log"),
    consoleSocket: join(run, "console"),
    diskStem: (slot) => join(folder, `disk${slot}`),
    async make() {
      await makeFolders(machines);
      await chmod(machines, 0o700);
      await mkdir(folder, { mode: 0o700 });
    },
    // A change of a machine is atomic: a kill leaves the old or the new description.
    write: (what) => replaceFile(definition, JSON.stringify(what)),
    async read() {
      const found = await text();
      if (found === undefined) throw new TbuildError("environment", "no such machine", { subject: vm });
      const parsed = Definition.safeParse(jsonOf(found));
      if (parsed.success) return parsed.data;
      throw new TbuildError("environment", `${definition} is damaged, or from an older tbuild`, {
        subject: vm,
        hint: "Remove the machine with: tbuild clean",
        cause: parsed.error,
      });
    },
    exists: async () => (await text()) !== undefined,
    async paths() {
      await makeFolders(run, 0o700);
      return {
        pidfile: join(folder, "pid"),
        qmp: join(run, "qmp"),
        serialLog: join(folder, "console.log"),
        serialSocket: join(run, "console"),
        messages: join(run, "messages"),
        variables: join(folder, "uefi-variables.fd"),
      };
    },
    async remove() {
      await rm(run, { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The stored part of a machine's description. */
export function keptOf(spec: VmSpec): Kept {
  const { name, vcpus, memoryMib, cdroms, nics, guest, firmware, restarts, discFirst } = spec;
  return {
    name,
    vcpus,
    memoryMib,
    cdroms,
    nics,
    guest,
    ...(firmware && { firmware }),
    ...(restarts && { restarts }),
    ...(discFirst && { discFirst }),
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// The path of a unix socket has at most 107 bytes, and a build's folder can be anywhere.
function runPath(folder: string): string {
  return join(
    tmpdir(),
    `tbuild-${process.getuid?.() ?? 0}`,
    createHash("sha256").update(folder).digest("hex").slice(0, 16),
  );
}
