import { TbuildError } from "../../../errors.ts";
import type { Place } from "../../place.ts";
import { foreign, type Kept } from "./machine-records.ts";

/** Makes disks that exist apart from machines, attaches them to machines, and removes them. */
export function disksAt({
  disks,
  drawer,
  diskFile,
  shapes,
}: Kept): Pick<Place, "makeDisk" | "mapDisk" | "unmapDisk" | "destroyDisk"> {
  async function apartOf(machine: string) {
    return (await shapes().of(machine)).disks.flatMap(({ slot, mode, file }) =>
      file === undefined ? [] : [{ slot, mode, file }],
    );
  }

  return {
    async makeDisk({ name, bytes, isShared }, mark) {
      await disks.claim(name, { mark, bytes, isShared });
      // They contain files that only the guest's root may read. `truncate` to the current size changes
      // nothing.
      const script = 'umask 077; mkdir -p -- "$0" && truncate -s "$2" -- "$1"';
      await drawer.host.run(["sh", "-c", script, drawer.folder, diskFile(name), String(bytes)]);
      return name;
    },

    async mapDisk(machine, { slot, disk, mode }) {
      const apart = await apartOf(machine);
      const there = apart.find((one) => one.slot === slot);
      const file = diskFile(disk);
      if (there && there.file !== file)
        throw new TbuildError("environment", `slot ${slot} has another disk`, { subject: machine });
      await shapes().change(machine, {
        apart: [...apart.filter((one) => one.slot !== slot), { slot, mode, file }],
      });
    },

    async unmapDisk(machine, slot) {
      await shapes().change(machine, { apart: (await apartOf(machine)).filter((one) => one.slot !== slot) });
    },

    async destroyDisk(disk, mark) {
      const record = await disks.read(disk);
      if (!record) return;
      if (record.mark.id !== mark.id) throw foreign("disk", disk);
      await drawer.host.run(["rm", "-f", "--", diskFile(disk)]);
      await disks.remove(disk);
    },
  };
}
