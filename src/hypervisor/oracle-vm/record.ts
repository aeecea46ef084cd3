import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { namesIn } from "../../io/durable.ts";

const Disk = z.object({
  slot: z.number(),
  /** The Manager's ids of the disk and its repository. */
  id: z.string(),
  repository: z.string(),
  /** It is removed with the machine. */
  isOwn: z.boolean(),
  /** The image on tbuild's machine that this thin disk was made from. */
  grownFrom: z.string().exactOptional(),
});

/**
 * The record of a machine on Oracle VM. It is written before anything is made there, so that nothing is lost.
 */
const MachineRecord = z.object({
  name: z.string(),
  /** The Manager's id; left out while it may not exist yet. */
  id: z.string().exactOptional(),
  nics: z
    .array(z.object({ network: z.string(), mac: z.string(), address: z.string().exactOptional() }))
    .readonly(),
  disks: z.array(Disk).readonly(),
  /** The slot of the drive for boot discs. */
  bootSlot: z.number(),
  /** The template that is made of it: the ids of its disks, and whether they are to stay once it has its name. */
  template: z.object({ disks: z.array(z.string()).readonly(), isNamed: z.boolean() }).exactOptional(),
  /** The server of its last start, by the Manager's name. */
  server: z.string().exactOptional(),
});
export type MachineRecord = z.infer<typeof MachineRecord>;

/** The machines that this tbuild has made, by name. */
export interface Records {
  read(vm: string): Promise<MachineRecord | undefined>;
  write(record: MachineRecord): Promise<void>;
  remove(vm: string): Promise<void>;
  list(): Promise<string[]>;
}

export function recordsIn(host: Host, folder: string): Records {
  const fileOf = (vm: string) => join(folder, `${vm}.json`);
  return {
    async read(vm) {
      const bytes = await host.readFile(fileOf(vm));
      if (bytes === undefined) return undefined;
      try {
        return MachineRecord.parse(JSON.parse(new TextDecoder().decode(bytes)));
      } catch (cause) {
        throw new TbuildError("environment", "is damaged, or from an older tbuild", {
          subject: fileOf(vm),
          hint: `Remove the machine ${vm} in the Manager, then this file.`,
          cause,
        });
      }
    },
    write: (record) => host.writeFile(fileOf(record.name), Buffer.from(JSON.stringify(record)), 0o600),
    remove: (vm) => rm(fileOf(vm), { force: true }),
    list: async () =>
      (await namesIn(folder))
        .filter((name) => name.endsWith(".json"))
        .map((name) => name.slice(0, -".json".length))
        .sort(),
  };
}
