import type { GuestMode } from "../../choices.ts";
import { type Driver, drivers } from "../fitness/drivers.ts";

/**
 * The drivers of an initramfs for a mode: one of each list is required, and others should be there if the
 * kernel has them.
 */
export interface WantedDrivers {
  readonly needed: readonly (readonly Driver[])[];
  readonly wished: readonly Driver[];
}

const { xenDisk, xenNet, ide, scsiDisk, virtioDisk, virtioScsi, virtioPci, virtioNet } = drivers;

export const wantedDrivers: Readonly<Record<GuestMode, WantedDrivers>> = {
  pvm: { needed: [[xenDisk]], wished: [xenNet] },
  // The firmware starts it from an emulated disk, which the kernel then replaces.
  pvhvm: { needed: [[xenDisk]], wished: [xenNet] },
  hvm: { needed: [[ide], [scsiDisk]], wished: [] },
  kvm: {
    needed: [[virtioPci], [virtioDisk, virtioScsi]],
    wished: [virtioDisk, virtioScsi, scsiDisk, virtioNet],
  },
};
