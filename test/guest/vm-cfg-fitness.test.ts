import { describe, expect, it } from "vitest";
import type { GuestMode } from "../../src/choices.ts";
import { modeOfVmCfg, vmCfgFindings } from "../../src/guest/fitness/vm-cfg.ts";
import { readVmCfg } from "../../src/vm-cfg/document.ts";

const disk = "disk = ['file:/OVS/Repositories/R/VirtualDisks/System.img,xvda,w']\n";
const pv = `bootloader = '/usr/bin/pygrub'\n${disk}`;
const hvm = `builder = 'hvm'\nkernel = '/usr/lib/xen/boot/hvmloader'\n${disk}`;
const image = {
  file: "/tmp/System.img",
  format: "raw",
  args: "ro root=UUID=1",
  fstab: "UUID=1 / ext4 defaults 1 1\n",
};

type Case = readonly [
  what: string,
  text: string,
  mode: GuestMode,
  why: RegExp | undefined,
  more?: Partial<typeof image>,
];
const cases: readonly Case[] = [
  ["a PV machine", pv, "pvm", undefined],
  ["an HVM machine", hvm, "hvm", undefined],
  ["an HVM machine whose guest has PV drivers", hvm, "pvhvm", undefined],
  [
    "a PV machine for a guest that is checked as HVM",
    pv,
    "hvm",
    /unfit: .*as pvm, but the guest is checked as hvm/,
  ],
  ["an HVM machine for a PV guest", hvm, "pvm", /unfit: .*as hvm, but the guest is checked as pvm/],
  ["nothing that tells its type", disk, "pvm", /unknown: does not specify/],
  ["a kernel of the host", `kernel='/boot/vmlinuz'\n${disk}`, "pvm", /unknown: .*of the Xen host/],
  ["another boot loader", pv.replace("pygrub", "pvgrub64"), "pvm", /unknown: .*only pygrub/],
  ["PV without a boot loader", `type="pv"\n${disk}`, "pvm", /unfit: names neither/],
  ["no disk", "type='pv'\nbootloader='pygrub'\n", "pvm", /unfit: has no disk/],
  [
    "a disk before the image",
    pv.replace("['file", "['file:/a/data.img,xvdb,w', 'file"),
    "pvm",
    /unfit: its first disk is .*data.img/,
  ],
  ["an image that the firmware does not boot", hvm.replace("xvda", "xvdb"), "hvm", /unfit: .* is xvdb/],
  [
    "an image of another format",
    pv,
    "pvm",
    /unfit: declares .* as raw, but the image is qcow2/,
    { format: "qcow2" },
  ],
  ["a read-only image", pv.replace(",w'", ",r'"), "pvm", /remark: .* is read-only/],
  ["a CD that is tried first", `${hvm}boot='dc'\n`, "hvm", /remark: boot="dc"/],
  [
    "a root on a disk that it has not",
    pv,
    "pvm",
    /unfit: has no disk for the root \/dev\/xvdb1/,
    { args: "root=/dev/xvdb1 ro" },
  ],
  [
    "a mount on a disk that it has not",
    pv,
    "pvm",
    /unfit: has no disk for \/dev\/xvdc1 of \/etc\/fstab \(\/u01\)/,
    { fstab: "/dev/xvdc1 /u01 ext4 defaults 1 2\n" },
  ],
  [
    "a mount that may fail",
    pv,
    "pvm",
    /remark: has no disk for/,
    { fstab: "/dev/xvdc1 /u01 ext4 nofail 1 2\n" },
  ],
];

describe("a vm.cfg beside its image", () => {
  const listed = cases.map(([what, text, mode, why, more = {}]) => ({ what, text, mode, why, more }));
  it.each(listed)("with $what gets a list of mismatches", ({ text, mode, why, more }) => {
    const found = vmCfgFindings(readVmCfg(text), { ...image, mode, ...more });
    const words = found.map((one) => `${one.weight}: ${one.why}`);
    if (why === undefined) expect(words).toEqual([]);
    else expect(words.join("\n")).toMatch(why);
    for (const { weight, remedy } of found) if (weight === "unfit") expect(remedy).toBeDefined();
  });

  it("gives the domain type for the check, if nothing else does", () => {
    expect(modeOfVmCfg(readVmCfg(pv))).toBe("pvm");
    expect(modeOfVmCfg(readVmCfg(hvm))).toBe("hvm");
    expect(modeOfVmCfg(readVmCfg(disk))).toBeUndefined();
  });
});
