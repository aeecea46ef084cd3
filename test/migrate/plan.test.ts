import { describe, expect, it } from "vitest";
import type { MigrationFormat } from "../../src/choices.ts";
import { machineOfConfig } from "../../src/migrate/describe.ts";
import type { Located } from "../../src/migrate/locate.ts";
import { type Mapping, planMigration } from "../../src/migrate/plan.ts";
import { readVmCfg } from "../../src/vm-cfg/document.ts";
import { machineOf } from "../../src/vm-cfg/machine.ts";

const text = `
name = '0004fb0000060000'
OVM_simple_name = 'Prod DB / 1'
OVM_domain_type = 'xen_pvm'
memory = '2048'
maxmem = 4096
vcpus = 2
maxvcpus = 8
cpu_weight = 27500
uuid = '0004fb0000060000AAAABBBBCCCCDDDD'
vfb = ['type=vnc,vncpasswd=geheim']
vncpasswd = 'geheim'
disk = [
  'file:/r/data.img,xvdd,w', 'file:/r/System.img,xvda,w', 'file:/r/asm.img,xvdc,w!',
  'phy:/dev/mapper/lun1,xvdb,w', 'file:/r/ro.img,xvdf,r', 'file:/r/x.iso,xvde:cdrom,r', ',xvdg:cdrom,r']
vif = ['mac=00:21:F6:00:00:01,bridge=10a2', 'bridge=10a2,rate=10Mb/s', 'type=netfront']
`;

function planOf(
  mapping: Partial<Record<keyof Mapping, Record<string, string>>> = {},
  format: MigrationFormat = "libvirt",
  config = text,
) {
  const said = machineOf(readVmCfg(config));
  const located = said.disks
    .filter(({ isCdrom, isDevice }) => !isCdrom && !isDevice)
    .map((entry): Located => ({ entry, file: entry.target ?? "" }));
  const machine = machineOfConfig(said, located, "fallback", false);
  return planMigration({ machine }, format, {
    disks: new Map(Object.entries(mapping.disks ?? {})),
    networks: new Map(Object.entries(mapping.networks ?? {})),
  });
}

describe("a migration", () => {
  it("keeps name, uuid, MACs, limits and the order of the slots, not of the list", () => {
    const { id, machine, disks, nics } = planOf();
    expect(id).toBe("Prod-DB-1");
    expect(machine).toMatchObject({
      title: "Prod DB / 1",
      uuid: "0004fb00-0006-0000-aaaa-bbbbccccdddd",
      domainType: "XEN_PVM",
      memoryMib: 2048,
      maxMemoryMib: 4096,
      vcpus: 2,
      maxVcpus: 8,
      drives: 2,
    });
    expect(disks.map(({ disk }) => disk.slot)).toEqual(["xvda", "xvdd", "xvdf"]);
    expect(nics.map(({ mac, network }) => [mac, network])).toEqual([
      ["00:21:f6:00:00:01", "10a2"],
      [undefined, "10a2"],
      [undefined, "default"],
    ]);
  });

  it("boots a paravirtual guest from the first disk of the list, as pygrub does", () => {
    expect(planOf().disks.find(({ disk }) => disk.isBoot)?.disk.slot).toBe("xvdd");
  });

  it("leaves LUNs and shared disks out unless the table says where they are", () => {
    expect(planOf().leftOut.map(({ what }) => what)).toEqual(["xvdb, /dev/mapper/lun1", "xvdc, /r/asm.img"]);
    const { leftOut, disks } = planOf({
      disks: { "/dev/mapper/lun1": "/dev/mapper/lun9", xvdc: "/srv/asm.img" },
    });
    expect(leftOut).toEqual([]);
    expect(disks.map(({ disk, at }) => [disk.slot, disk.mode, at])).toEqual([
      ["xvda", "w", undefined],
      ["xvdb", "w", { kind: "device", path: "/dev/mapper/lun9" }],
      ["xvdc", "w!", { kind: "file", path: "/srv/asm.img" }],
      ["xvdd", "w", undefined],
      ["xvdf", "r", undefined],
    ]);
  });

  it("copies a shared disk if asked to, as a private disk of this machine", () => {
    const { disks } = planOf({ disks: { xvdc: "copy" } });
    expect(disks.find(({ disk }) => disk.slot === "xvdc")).toMatchObject({ disk: { mode: "w" } });
  });

  it.each(["olvm-ova", "xva"] as const)("names what is to be attached after the import of %s", (format) => {
    const { leftOut } = planOf({ disks: { xvdb: "/dev/mapper/lun9" } }, format);
    expect(leftOut[0]?.next).toBe("attach /dev/mapper/lun9 after the import");
  });

  it("lists settings without a counterpart, and no secret", () => {
    const plan = planOf();
    expect(plan.dropped).toEqual(["cpu_weight", "rate=10Mb/s of vif 1"]);
    expect(JSON.stringify(plan)).not.toContain("geheim");
    expect(plan.machine.notes.join("\n")).toContain("vncpasswd contains a password, which is not kept");
  });

  const simple = "name='a'\ndisk=['file:/r/System.img,xvda,w']\n";
  it.each([
    ["acpi=0", "acpi=1"],
    ["apic=False", "apic=True"],
    ["pae=0", "pae=1"],
    ["localtime=1", "localtime=0"],
    ["on_reboot='destroy'", "on_reboot='restart'"],
    ["on_crash='preserve'", "on_crash='restart'"],
    ["on_poweroff='preserve'", "on_poweroff='destroy'"],
    ["keymap='de'", "keymap='en-us'"],
    ["boot='nc'", "boot='cd'"],
    ["kernel='/boot/vmlinuz'", "kernel='/usr/lib/xen/boot/hvmloader'"],
    ["bootloader='/opt/mine'", "bootloader='/usr/bin/pygrub'"],
    ["ramdisk='/boot/initrd'", ""],
  ])("names %s, which the new machine will not have, and not %s", (other, same) => {
    expect(planOf({}, "libvirt", simple + other).dropped).toHaveLength(1);
    expect(planOf({}, "libvirt", simple + same).dropped).toEqual([]);
  });

  it("names options of disks, discs, doubled slots and addresses, and wrong addresses", () => {
    const config = `name='a'
memory=512
disk=['file:/r/System.img,xvda,w', '/r/b.img,raw,xvda,rw,script=block-drbd', 'file:/r/x.iso,hdc:cdrom,r']
vif=['mac=00:21:f6:00:00:01', 'mac=00:21:F6:00:00:01', 'mac=00:21:f6']
`;
    expect(planOf({}, "libvirt", config).machine.notes).toEqual([
      'vm.cfg: "script=block-drbd" of the disk xvda is left out',
      'vm.cfg: the disc "/r/x.iso" in hdc is left out; the drive is empty',
      'vm.cfg: two disks have "xvda"',
      'vm.cfg: "00:21:f6" of vif 2 is not a MAC address; it gets a new one',
      'vm.cfg: two network cards have "00:21:f6:00:00:01"',
    ]);
  });

  it("renames bridges", () => {
    expect(planOf({ networks: { "10a2": "br0" } }).nics[0]).toMatchObject({ network: "br0", was: "10a2" });
  });

  it("refuses a table that does not fit, with all problems", () => {
    const wrong = { disks: { xvdz: "/dev/x", xvdc: "asm" }, networks: { br9: "br0" } };
    expect(() => planOf(wrong)).toThrow("--map xvdz: no such disk");
    try {
      planOf(wrong);
    } catch (error) {
      expect((error as { lines: string[] }).lines.join("\n")).toMatch(/xvdc=asm[\s\S]*--network br9/);
    }
  });
});
