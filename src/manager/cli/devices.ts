import { TbuildError } from "../../errors.ts";
import type { Device, ManagerApi, VnicSeen } from "../api.ts";
import { readEach } from "../read-each.ts";
import { command, instance, type Value } from "./command.ts";
import type { Dialect } from "./dialect.ts";
import type { Orders } from "./orders.ts";
import { vnicSeen } from "./seen.ts";

type Devices = Pick<
  ManagerApi,
  | "createDisk"
  | "deleteDisk"
  | "deleteDisc"
  | "createMapping"
  | "deleteMapping"
  | "createVnic"
  | "deleteVnic"
  | "looseVnics"
>;

export function devices({ client, dialect, order, on, created, list, rows }: Orders): Devices {
  async function looseVnics(): Promise<VnicSeen[]> {
    const all = await readEach(
      () => list("Vnic"),
      async (one) => ({ one, rows: await rows("Vnic", one.id) }),
    );
    return all
      .filter((vnic) => !vnic.rows.some(({ key }) => /^vm\b/i.test(key)))
      .map((vnic) => vnicSeen(vnic.one, vnic.rows));
  }

  return {
    createDisk: ({ name, description, bytes, isShareable, isSparse, repository }) =>
      created(
        "VirtualDisk",
        command(
          "create VirtualDisk",
          {
            size: gibOf(bytes, dialect.wholeGib),
            shareable: isShareable,
            sparse: isSparse,
            name,
            description,
          },
          `on ${instance({ type: "Repository", id: repository })}`,
        ),
      ),
    async deleteDisk(id) {
      await on("delete", "VirtualDisk", id);
    },
    async deleteDisc(id) {
      await on("delete", "VirtualCdrom", id);
    },
    createMapping: (vm, slot, device, name) =>
      created(
        "VmDiskMapping",
        command(
          "create VmDiskMapping",
          { slot, ...sourceOf(device, dialect), name },
          `on ${instance({ type: "Vm", id: vm })}`,
        ),
      ),
    async deleteMapping(id) {
      await on("delete", "VmDiskMapping", id);
    },
    async createVnic(vm, { network, mac, description }) {
      const target = instance({ type: "Vm", id: vm });
      if (dialect.vnics === "on-vm")
        return created(
          "Vnic",
          command("create Vnic", { network, name: mac ?? "vnic", macAddress: mac }, `on ${target}`),
        );
      if (mac === undefined)
        throw new TbuildError("usage", "its release requires the MAC of a new vnic", {
          subject: client.name,
        });
      // An interrupted call may have made it without adding it.
      const loose = (await looseVnics()).find((one) => one.mac === mac);
      const id =
        loose?.id ?? (await created("Vnic", command("create Vnic", { network, name: mac, description })));
      await order(command(`add ${instance({ type: "Vnic", id })} to ${target}`));
      return id;
    },
    async deleteVnic(id, vm) {
      if (dialect.vnics === "added" && vm !== undefined)
        await order(
          command(`remove ${instance({ type: "Vnic", id })} from ${instance({ type: "Vm", id: vm })}`),
        );
      await on("delete", "Vnic", id);
    },
    ...(dialect.vnics === "added" && { looseVnics }),
  };
}

/** GiB; the reference of 3.3 takes integers only, from 1. */
function gibOf(bytes: number, whole: boolean): number {
  const gib = bytes / 2 ** 30;
  return whole ? Math.max(1, Math.ceil(gib)) : Math.ceil(gib * 100) / 100;
}

function sourceOf(device: Device, dialect: Dialect): Record<string, Value | undefined> {
  if (device === "empty-drive") return dialect.emptyDrive === "no-source" ? {} : { virtualCd: "EMPTY_CDROM" };
  const [kind, id] =
    "virtualDisk" in device
      ? ["virtualDisk", device.virtualDisk]
      : "physicalDisk" in device
        ? ["physicalDisk", device.physicalDisk]
        : ["virtualCd", device.virtualCdrom];
  return { [dialect.mappingSource === "storageDevice" ? "storageDevice" : kind]: id };
}
