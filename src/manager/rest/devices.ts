import type { Device, ManagerApi } from "../api.ts";
import { at, reference } from "./fields.ts";
import type { Json } from "./json.ts";
import type { Orders } from "./orders.ts";

type Devices = Pick<
  ManagerApi,
  "createDisk" | "deleteDisk" | "deleteDisc" | "createMapping" | "deleteMapping" | "createVnic" | "deleteVnic"
>;

export function devices({ order, created, ownerOf }: Orders): Devices {
  async function removeDisk(id: string): Promise<void> {
    const repository = await ownerOf("VirtualDisk", id, "repositoryId");
    await order("DELETE", `/Repository/${at(repository)}/VirtualDisk/${at(id)}`);
  }

  return {
    createDisk: ({ name, description, bytes, isShareable, isSparse, repository }) =>
      created(`/Repository/${at(repository)}/VirtualDisk`, {
        query: { sparse: isSparse },
        // Bytes, a multiple of 4096.
        body: {
          diskType: "VIRTUAL_DISK",
          size: Math.ceil(bytes / 4096) * 4096,
          shareable: isShareable,
          name,
          ...(description !== undefined && { description }),
        },
      }),
    deleteDisk: removeDisk,
    // Discs are virtual disks here.
    deleteDisc: removeDisk,
    createMapping: (vm, slot, device, name) =>
      created(`/Vm/${at(vm)}/VmDiskMapping`, {
        body: {
          ...deviceBody(device),
          emulatedBlockDevice: device === "empty-drive" || "virtualCdrom" in device,
          diskTarget: slot,
          name,
        },
      }),
    async deleteMapping(id) {
      const vm = await ownerOf("VmDiskMapping", id, "vmId");
      await order("DELETE", `/Vm/${at(vm)}/VmDiskMapping/${at(id)}`);
    },
    createVnic: (vm, { network, mac }) =>
      created(`/Vm/${at(vm)}/VirtualNic`, {
        body: {
          networkId: reference("Network", network),
          name: mac ?? "vnic",
          ...(mac !== undefined && { macAddress: mac }),
        },
      }),
    async deleteVnic(id, vm) {
      const owner = vm ?? (await ownerOf("VirtualNic", id, "vmId"));
      await order("DELETE", `/Vm/${at(owner)}/VirtualNic/${at(id)}`);
    },
  };
}

function deviceBody(device: Device): Record<string, Json> {
  if (device === "empty-drive") return {};
  if ("physicalDisk" in device)
    return {
      storageElementId: reference("StorageElement", device.physicalDisk),
      diskWriteMode: "READ_WRITE",
    };
  if ("virtualCdrom" in device)
    return { virtualDiskId: reference("VirtualDisk", device.virtualCdrom), diskWriteMode: "READ_ONLY" };
  return {
    virtualDiskId: reference("VirtualDisk", device.virtualDisk),
    diskWriteMode: device.mode === "read-only" ? "READ_ONLY" : "READ_WRITE",
  };
}
