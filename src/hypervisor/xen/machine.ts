import { join } from "node:path";
import { z } from "zod";
import { guestModes } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";

/** A disk as xl gets it. `isOwn`: it is removed with the machine. */
export const XenDisk = z.object({
  slot: z.number(),
  mode: z.enum(["write", "read-only", "shared"]),
  /** On the Xen host. */
  file: z.string(),
  isOwn: z.boolean(),
  /** The image on tbuild's machine that this thin disk was made from. */
  grownFrom: z.string().exactOptional(),
});
export type XenDisk = z.infer<typeof XenDisk>;

const Definition = z.object({
  name: z.string(),
  /** Distinguishes this machine from another one of the same name. */
  uuid: z.string(),
  domainType: z.enum(guestModes),
  vcpus: z.number(),
  memoryMib: z.number(),
  disks: z.array(XenDisk).readonly(),
  cdroms: z.array(z.string()).readonly(),
  firmware: z.literal("uefi").exactOptional(),
  restarts: z.literal(true).exactOptional(),
  nics: z
    .array(z.object({ network: z.string(), mac: z.string(), address: z.string().exactOptional() }))
    .readonly(),
});
export type Definition = z.infer<typeof Definition>;

export interface XenPaths {
  readonly folder: string;
  readonly definition: string;
  readonly config: string;
  readonly consoleLog: string;
  /** The device of the console. It exists while the machine runs. */
  readonly consoleDevice: string;
  /** Xen's number for the reason of the last stop; present once the machine has stopped by itself. */
  readonly reason: string;
  disk(slot: number): string;
}

/** The paths of a machine's files on the Xen host. */
export function xenPaths(folder: string, vm: string): XenPaths {
  const own = join(machinesIn(folder), vm);
  return {
    folder: own,
    definition: join(own, "machine.json"),
    config: join(own, "vm.cfg"),
    consoleLog: join(own, "console.log"),
    consoleDevice: join(own, "console"),
    reason: join(own, "reason"),
    disk: (slot) => join(own, `disk${slot}.img`),
  };
}

export const machinesIn = (folder: string): string => join(folder, "machines");
export const imagesIn = (folder: string): string => join(folder, "images");

/** Throws if the machine does not exist, or a kill left it incomplete. */
export async function readDefinition(host: Host, paths: XenPaths, vm: string): Promise<Definition> {
  const text = await host.readFile(paths.definition);
  if (text === undefined) throw new TbuildError("environment", "no such machine", { subject: vm });
  try {
    return Definition.parse(JSON.parse(new TextDecoder().decode(text)));
  } catch (error) {
    throw new TbuildError(
      "environment",
      `${paths.definition} on ${host.name} is damaged, or from an older tbuild`,
      { subject: vm, hint: "Remove the machine with: tbuild clean", cause: error },
    );
  }
}
