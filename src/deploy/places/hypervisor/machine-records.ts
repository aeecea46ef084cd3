import { join, resolve } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../../errors.ts";
import type { Runner } from "../../../host/host.ts";
import type { Hypervisor } from "../../../hypervisor/hypervisor.ts";
import type { PlaceContext } from "../../place.ts";
import { type PlaceRecords, recordsIn } from "../place-records.ts";
import { type PlaceTemplates, templatesIn } from "./templates.ts";

const MarkText = z.object({ id: z.string(), deployment: z.string() });

/** The record beside a machine: its owner, and facts that its definition lacks. */
const MachineRecord = z.object({
  mark: MarkText,
  /** False while it is being made. */
  isMade: z.boolean(),
  /** The id of its template at this place. */
  template: z.string(),
  /**
   * The networks of its nics, by their names in the deployment. On the hypervisor, the first one is connected
   * to the host.
   */
  networks: z.record(z.string(), z.string()),
});
export type MachineRecord = z.infer<typeof MachineRecord>;

const DiskRecord = z.object({ mark: MarkText, bytes: z.number(), isShared: z.boolean() });
type DiskRecord = z.infer<typeof DiskRecord>;

/**
 * What the place keeps. Beside each machine and each disk lies a record of whose it is, written before it is made:
 *
 *     machines/NAME.json   disks/NAME.json  disks/NAME.img   templates/NAME-VERSION-DIGEST/   reports/NAME.jsonl
 */
export interface Kept {
  readonly hypervisor: Hypervisor;
  readonly folder: string;
  readonly machines: PlaceRecords<MachineRecord>;
  readonly disks: PlaceRecords<DiskRecord>;
  readonly templates: PlaceTemplates;
  /** The folder with the files of disks. */
  readonly drawer: { readonly host: Runner; readonly folder: string };
  diskFile(name: string): string;
  hasFile(disk: string): Promise<boolean>;
  /** Throws if the hypervisor cannot change machines. */
  shapes(): NonNullable<Hypervisor["shapes"]>;
}

export function keptAt(context: PlaceContext): Kept {
  const { hypervisor, folder } = context;
  const drawer = hypervisor.apart ?? { host: context.host, folder: resolve(folder, "disks") };
  const diskFile = (name: string) => join(drawer.folder, `${name}.img`);
  return {
    hypervisor,
    folder,
    machines: recordsIn(join(folder, "machines"), MachineRecord),
    disks: recordsIn(join(folder, "disks"), DiskRecord),
    templates: templatesIn(context),
    drawer,
    diskFile,
    hasFile: async (disk) =>
      (await drawer.host.run(["test", "-e", diskFile(disk)], { allow: [1] })).exitCode === 0,
    shapes() {
      const { name, shapes } = hypervisor;
      if (shapes) return shapes;
      throw new TbuildError("environment", "machines cannot be changed here, so nothing can be deployed", {
        subject: name,
      });
    },
  };
}

export function foreign(kind: "machine" | "disk", name: string): TbuildError {
  return new TbuildError("environment", "already exists, and was not made by this deployment", {
    subject: `${kind} ${name}`,
  });
}
