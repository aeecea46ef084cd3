import type { GuestMode } from "../../choices.ts";
import { type Driver, drivers } from "../fitness/drivers.ts";

/** What an initramfs must have to boot in a mode: one driver of each list; and what it should have where the kernel has it. */
export interface WantedDrivers {
  readonly needed: readonly (readonly Driver[])[];
  readonly wished: readonly Driver[];
}

const { xenDisk, xenNet, ide, scsiDisk, virtioDisk, virtioScsi, virtioPci, virtioNet } = drivers;

export const wantedDrivers: Readonly<Record<GuestMode, WantedDrivers>> = {
  pvm: { needed: [[xenDisk]], wished: [xenNet] },
  // The firmware starts it off an emulated disk, which the kernel then replaces.
  pvhvm: { needed: [[xenDisk]], wished: [xenNet] },
  hvm: { needed: [[ide], [scsiDisk]], wished: [] },
  kvm: {
    needed: [[virtioPci], [virtioDisk, virtioScsi]],
    wished: [virtioDisk, virtioScsi, scsiDisk, virtioNet],
  },
};
