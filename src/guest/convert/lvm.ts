import type { Operation } from "../operation.ts";
import type { CpioFile } from "./cpio.ts";
import { editsAll } from "./edit.ts";
import type { InitramfsEntry } from "./initramfs.ts";

const configurations = ["etc/lvm/lvm.conf", "etc/lvm/lvmlocal.conf"];
const list = "etc/lvm/devices/system.devices";

const filters = editsAll({
  name: "lvm-devices",
  summary: "Let LVM use the disks of the new machine: change filters in lvm.conf, and its list of disks",
  changes: configurations.map((path) => ({ path: `/${path}`, change: (text) => withEveryName(text) })),
});

/**
 * Lets LVM find its volumes under any name of the disk. Its filters accept the disk names of every machine.
 * Its list of disks by hardware id (lvmdevices(8)) is removed; without it, LVM looks at all disks. The
 * initramfs has copies of both.
 */
export const lvmDevices: Operation = {
  ...filters,
  pending: async (tree) => [...(await filters.pending(tree)), ...(await tree.glob(`/${list}`))],
  async apply(tree) {
    await filters.apply(tree);
    await tree.remove(`/${list}`);
  },
};

/** True if `lvmFixes` needs this file of an initramfs. */
export function concernsLvm(path: string): boolean {
  return path === list || configurations.includes(path) || waits.test(path);
}

/**
 * Files that override those of an initramfs, so that it finds a root on LVM and waits for no disk of the old machine. Before
 * 2.6.19, kernels do not truncate a file that a later archive replaces, so a replacement here is never shorter.
 */
export function lvmFixes(entries: readonly InitramfsEntry[]): CpioFile[] {
  const last = new Map(entries.map((entry) => [entry.path, entry]));
  const files: CpioFile[] = [];
  for (const { path, mode, data } of last.values()) {
    const text = Buffer.from(data ?? []).toString("latin1");
    if (configurations.includes(path) && withEveryName(text) !== text)
      files.push({ path, mode: mode & 0o777, data: Buffer.from(withEveryName(text), "latin1") });
    // An archive cannot remove a file. A dangling link works: LVM treats it as if there were no list.
    if (path === list && data) files.push({ path, mode: 0o777, target: "removed-by-tbuild" });
    if (waits.test(path) && oldName.test(text))
      files.push({ path, mode: mode & 0o777, data: Buffer.from("true".padEnd(text.length, "\n")) });
  }
  return files;
}

// dracut's wait_for_dev: it looks for the root only when all of these succeed.
const waits = /^(?:usr\/)?(?:(?:var\/)?lib\/dracut\/hooks\/)?initqueue\/finished\/devexists-.*\.sh$/;
const oldName =
  /\/dev\/(?:(?:xvd|[hsv]d)[a-z]+\d*|disk\/by-(?:id\/(?!dm-|lvm-|md-)|path\/)\S+)(?=["'\s\]]|$)/;

// lvm.conf(5): the devices that LVM may use. `a|^/dev/sda2$|` accepts none if the disk has another name. This pattern matches
// hd, sd, vd and xvd.
const everyName = "/dev/[hsvx]v?d";
const oneName = /\/dev\/(?:xvd|[hsv]d)(?=[a-z.[(*])/g;

function withEveryName(text: string): string {
  return text.replaceAll(
    /^([ \t]*(?:global_)?filter[ \t]*=[ \t]*)(\[[^\]]*(?:\[[^\]]*\][^\]]*)*\]|".*")/gm,
    (_all, key, value: string) => `${key}${value.replaceAll(oneName, everyName)}`,
  );
}
