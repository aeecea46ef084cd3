import type { Operation } from "../operation.ts";
import type { CpioFile } from "./cpio.ts";
import { editsAll } from "./edit.ts";
import type { InitramfsEntry } from "./initramfs.ts";

const configurations = ["etc/lvm/lvm.conf", "etc/lvm/lvmlocal.conf"];
const list = "etc/lvm/devices/system.devices";

const filters = editsAll({
  name: "lvm-devices",
  summary: "Let LVM look at the disks of the new machine: filters in lvm.conf, and its list of disks",
  changes: configurations.map((path) => ({ path: `/${path}`, change: (text) => withEveryName(text) })),
});

/**
 * Lets LVM find its volumes by whatever name the disk has: its filters accept the names of every machine, and its list of disks by
 * their hardware ids (lvmdevices(8)) goes, without which LVM looks at all disks. The initramfs has copies of both.
 */
export const lvmDevices: Operation = {
  ...filters,
  pending: async (tree) => [...(await filters.pending(tree)), ...(await tree.glob(`/${list}`))],
  async apply(tree) {
    await filters.apply(tree);
    await tree.remove(`/${list}`);
  },
};

/** Whether `lvmFixes` has to see this file of an initramfs. */
export function concernsLvm(path: string): boolean {
  return path === list || configurations.includes(path) || waits.test(path);
}

/**
 * What has to stand in an initramfs behind its own files, so that it finds a root on LVM, and waits for no disk of the old machine.
 * Kernels do not shorten a file that an archive replaces before 2.6.19: what replaces one here is never shorter.
 */
export function lvmFixes(entries: readonly InitramfsEntry[]): CpioFile[] {
  const last = new Map(entries.map((entry) => [entry.path, entry]));
  const files: CpioFile[] = [];
  for (const { path, mode, data } of last.values()) {
    const text = Buffer.from(data ?? []).toString("latin1");
    if (configurations.includes(path) && withEveryName(text) !== text)
      files.push({ path, mode: mode & 0o777, data: Buffer.from(withEveryName(text), "latin1") });
    // An archive cannot remove a file. LVM takes a link that leads nowhere for no list.
    if (path === list && data) files.push({ path, mode: 0o777, target: "removed-by-tbuild" });
    if (waits.test(path) && oldName.test(text))
      files.push({ path, mode: mode & 0o777, data: Buffer.from("true".padEnd(text.length, "\n")) });
  }
  return files;
}

// dracut's wait_for_dev: the root is looked for only when all of these are true.
const waits = /^(?:usr\/)?(?:(?:var\/)?lib\/dracut\/hooks\/)?initqueue\/finished\/devexists-.*\.sh$/;
const oldName =
  /\/dev\/(?:(?:xvd|[hsv]d)[a-z]+\d*|disk\/by-(?:id\/(?!dm-|lvm-|md-)|path\/)\S+)(?=["'\s\]]|$)/;

// lvm.conf(5): what LVM may look at. `a|^/dev/sda2$|` leaves nothing where that disk is called otherwise. This pattern stands for
// hd, sd, vd and xvd.
const everyName = "/dev/[hsvx]v?d";
const oneName = /\/dev\/(?:xvd|[hsv]d)(?=[a-z.[(*])/g;

function withEveryName(text: string): string {
  return text.replaceAll(
    /^([ \t]*(?:global_)?filter[ \t]*=[ \t]*)(\[[^\]]*(?:\[[^\]]*\][^\]]*)*\]|".*")/gm,
    (_all, key, value: string) => `${key}${value.replaceAll(oneName, everyName)}`,
  );
}
