import type { Value } from "../../vm-cfg/value.ts";
import { writtenCfg, xlDisk } from "../../vm-cfg/write.ts";
import type { Definition, XenDisk } from "./machine.ts";
import type { XenOptions } from "./options.ts";

/** A kernel on the Xen host that is started instead of the disk. */
export interface FarBoot {
  readonly kernel: string;
  readonly ramdisk: string;
  readonly commandLine: string;
}

/** The configuration that `xl create` gets (xl.cfg(5)). Pure. */
export function xenConfig(machine: Definition, bridges: XenOptions["bridges"], boot?: FarBoot): Buffer {
  const isPv = machine.domainType === "pvm";
  const values = new Map<string, Value>([
    ["name", machine.name],
    ["uuid", machine.uuid],
    ["type", isPv ? "pv" : "hvm"],
    ["vcpus", machine.vcpus],
    ["memory", machine.memoryMib],
    ["disk", [...machine.disks.map(diskOf), ...drivesOf(machine, isPv)]],
    ["vif", machine.nics.map(({ mac, network }) => vifOf(mac, bridgeOf(bridges, network), isPv))],
    ...startOf(isPv, machine.firmware, boot),
    // The watcher, which starts with the machine, notes why the machine stopped, and destroys it.
    ["on_poweroff", "destroy"],
    ["on_reboot", "destroy"],
    ["on_crash", "destroy"],
  ]);
  return writtenCfg([`${machine.name}: written by tbuild for each start`], values, "xl");
}

/** A network that the site does not list uses the bridge of `build`. */
export function bridgeOf(bridges: XenOptions["bridges"], network: string): string {
  return bridges[network] ?? bridges.build ?? "";
}

function startOf(
  isPv: boolean,
  firmware: Definition["firmware"],
  boot: FarBoot | undefined,
): [string, Value][] {
  const kernel: [string, Value][] = boot
    ? [
        ["kernel", boot.kernel],
        ["ramdisk", boot.ramdisk],
        ["cmdline", boot.commandLine],
      ]
    : [];
  if (isPv) return boot ? kernel : [["bootloader", "pygrub"]];
  return [
    ...kernel,
    ...(firmware === "uefi" ? ([["bios", "ovmf"]] as [string, Value][]) : []),
    ["boot", "cd"],
    ["serial", "pty"],
    ["vnc", 1],
    ["vnclisten", "127.0.0.1"],
    ["vncunused", 1],
  ];
}

// For a file, xl runs a script that attaches a loop device: one disk at a time on the whole host, at most 40
// seconds each, including the wait, so a slow host fails with three disks. It also refuses a file that
// another domain writes to. qemu serves a file without a script, but 7.2 fails with one that is read-only. A
// block device needs no loop device.
function diskOf({ slot, mode, file }: XenDisk): string {
  const byQemu = mode === "shared" || (mode === "write" && !file.startsWith("/dev/"));
  const backend = byQemu ? ["backendtype=qdisk"] : [];
  return xlDisk(file, `xvd${letter(slot)}`, mode === "read-only" ? "ro" : "rw", backend);
}

// Emulated drives use the second IDE channel, in reverse order: hvm guests see their first disks in the other
// places.
function drivesOf({ cdroms, disks }: Definition, isPv: boolean): string[] {
  if (isPv) {
    const free = Math.max(-1, ...disks.map(({ slot }) => slot)) + 1;
    return cdroms.map((file, index) => xlDisk(file, `xvd${letter(free + index)}`, "ro"));
  }
  return cdroms.map((file, index) =>
    xlDisk(file, `hd${"dc"[index] ?? letter(index + 2)}`, "ro", ["devtype=cdrom"]),
  );
}

function vifOf(mac: string, bridge: string, isPv: boolean): string {
  return [`mac=${mac}`, `bridge=${bridge}`, ...(isPv ? [] : ["model=e1000"])].join(",");
}

function letter(index: number): string {
  return String.fromCharCode(97 + index);
}
