import type { StoredDisk } from "../../model/disk.ts";
import type { Manifest } from "../../model/manifest.ts";
import { bootSentence, firstBootSentence } from "../../model/manifest-sentences.ts";
import { domainKeys } from "../../vm-cfg/machine.ts";
import type { Dialect, Value } from "../../vm-cfg/value.ts";
import { notFor, writtenCfg, xlDisk } from "../../vm-cfg/write.ts";
import { diskName, slotsOf } from "./slots.ts";

/** The configuration of an Oracle VM guest: Python 2 literals, one assignment a line, as the Manager writes them. */
export function vmCfg(manifest: Manifest): Buffer {
  return written(manifest, "oracle-vm", (disk, slot) => `file:${disk.name}.img,${slot},${disk.mode ?? "w"}`);
}

/** The same for xl, which accepts none of Oracle's keys. `path` is the path of each disk on the Xen host. */
export function xlCfg(manifest: Manifest, path: (disk: StoredDisk) => string): Buffer {
  return written(manifest, "xl", (disk, slot) => {
    // xl has no mode for disks that several machines write to. Its backends do not prevent it.
    return xlDisk(path(disk), slot, disk.mode === "r" ? "ro" : "rw");
  });
}

function written(
  manifest: Manifest,
  dialect: Dialect,
  diskText: (disk: StoredDisk, slot: string) => string,
): Buffer {
  const comments = [...headOf(manifest, dialect), ...droppedFor(manifest, dialect)];
  return writtenCfg(comments, linesOf(manifest, dialect, diskText), dialect);
}

function linesOf(
  manifest: Manifest,
  dialect: Dialect,
  diskText: (disk: StoredDisk, slot: string) => string,
): Map<string, Value> {
  const { machine, domainType, release } = manifest;
  const id = `${manifest.name}-${manifest.version}`;
  const slots = slotsOf(manifest);
  const isPvm = domainType === "XEN_PVM";
  // Only HVM guests have empty drives. A paravirtual guest has a drive only if a disc is in it.
  const drives = isPvm ? [] : (machine.drives ?? []);
  const settings = settingsFor(manifest, dialect);
  const hasOwnType = Object.keys(settings).some((key) => domainKeys.includes(key));
  return new Map<string, Value>([
    ["name", id],
    ...(dialect === "oracle-vm" ? managerLines(manifest, id) : []),
    ["vcpus", machine.vcpus],
    ["maxvcpus", machine.maxVcpus ?? machine.vcpus],
    ["memory", machine.memoryMib],
    ["maxmem", machine.maxMemoryMib ?? machine.memoryMib],
    [
      "disk",
      [
        ...manifest.disks.map((disk, index) => diskText(disk, slots[index] ?? diskName(index))),
        ...drives.map((slot) => (dialect === "xl" ? `,raw,${slot},cdrom` : `,${slot}:cdrom,r`)),
      ],
    ],
    ["vif", vifsOf(manifest, dialect)],
    ...(hasOwnType ? [] : typeLines(domainType, dialect)),
    ["on_poweroff", "destroy"],
    ["on_reboot", "restart"],
    ["on_crash", "restart"],
    ...Object.entries(settings),
    ...(dialect === "oracle-vm" && settings.OVM_os_type === undefined ? osType(release) : []),
  ]);
}

// Without a MAC address: the Manager assigns one to each vnic when it creates a machine from the template.
function vifsOf({ machine, domainType }: Manifest, dialect: Dialect): string[] {
  const pvhvm = domainType === "XEN_HVM_PV_DRIVERS" && dialect === "oracle-vm";
  const vifs = machine.vifs ?? machine.nics.map(() => (pvhvm ? "type=netfront" : ""));
  // xl knows the types ioemu and vif. A front-end needs no type.
  if (dialect === "oracle-vm") return [...vifs];
  return vifs.map((vif) =>
    vif
      .split(",")
      .filter((option) => option.trim() !== "type=netfront")
      .join(","),
  );
}

function managerLines({ name, version, summary, tbuild }: Manifest, id: string): [string, Value][] {
  return [
    ["OVM_simple_name", id],
    ["OVM_description", `${summary} (${name} ${version}, tbuild ${tbuild})`],
    ["guest_os_type", "linux"],
    ["keymap", "en-us"],
    ["OVM_high_availability", false],
  ];
}

// An image that could not be inspected has no release, so the Manager gets none.
function osType({ major }: Manifest["release"]): [string, Value][] {
  return major > 0 ? [["OVM_os_type", `Oracle Linux ${major}`]] : [];
}

/** The settings of an imported vm.cfg that the dialect knows. */
function settingsFor({ machine, domainType }: Manifest, dialect: Dialect): Readonly<Record<string, Value>> {
  const { settings = {} } = machine;
  if (dialect === "oracle-vm") return settings;
  const kept = Object.entries(settings).filter(
    ([key]) => /^[a-z][a-z0-9_]*$/.test(key) && !onlyForXend.has(key) && !domainKeys.includes(key),
  );
  // A kernel on the host is started directly. xl finds pygrub and hvmloader by itself.
  const direct =
    domainType === "XEN_PVM" && settings.bootloader === undefined && typeof settings.kernel === "string"
      ? [
          ["kernel", settings.kernel] as const,
          ...(settings.ramdisk ? [["ramdisk", settings.ramdisk] as const] : []),
        ]
      : [];
  return Object.fromEntries([...kept, ...direct, ...(direct.length > 0 ? [["type", "pv"] as const] : [])]);
}

/** Comments that list the settings of an imported vm.cfg that xl does not know. */
function droppedFor(manifest: Manifest, dialect: Dialect): string[] {
  const kept = settingsFor(manifest, dialect);
  return Object.entries(manifest.machine.settings ?? {})
    .filter(([key]) => !(key in kept))
    .map(([key, value]) => notFor(dialect, key, value));
}

// xl does not know these keys, or uses other names for them.
const onlyForXend: ReadonlySet<string> = new Set([
  "guest_os_type",
  "cpu_cap",
  "cpu_weight",
  "exalogic_vnic",
  "exalogic_ipoib",
]);

function typeLines(domainType: Manifest["domainType"], dialect: Dialect): [string, Value][] {
  if (domainType === "XEN_PVM")
    return dialect === "xl"
      ? [
          ["type", "pv"],
          ["bootloader", "pygrub"],
        ]
      : [
          ["OVM_domain_type", "xen_pvm"],
          ["bootloader", "/usr/bin/pygrub"],
          ["vfb", ["type=vnc,vncunused=1,vnclisten=127.0.0.1,keymap=en-us"]],
        ];
  const devices: [string, Value][] = [
    ["boot", "c"],
    ["acpi", 1],
    ["apic", 1],
    ["pae", 1],
    ["timer_mode", 2],
    ["serial", "pty"],
    ["vnc", 1],
    ["vnclisten", "127.0.0.1"],
    ["vncunused", 1],
  ];
  if (dialect === "xl") return [["type", "hvm"], ...devices];
  return [
    // What the Manager writes here for PVHVM is unknown, so the key is left out.
    ...(domainType === "XEN_HVM" ? [["OVM_domain_type", "xen_hvm"] as [string, Value]] : []),
    ["builder", "hvm"],
    ["kernel", "/usr/lib/xen/boot/hvmloader"],
    ["device_model", "/usr/lib/xen/bin/qemu-dm"],
    ...devices,
  ];
}

function headOf(manifest: Manifest, dialect: Dialect): string[] {
  const { name, version, summary, made, tbuild, release, kernel, rehearsal } = manifest;
  const guest = [
    release.major > 0 ? release.name : "no release is known",
    kernel === "unknown" ? "its kernel is not known" : `kernel ${kernel}`,
  ];
  return [
    `${name} ${version}: ${summary}`,
    `made ${made} by tbuild ${tbuild}; ${guest.join(", ")}`,
    ...(rehearsal
      ? ["A REHEARSAL: made of Debian's binaries on a stand-in medium. It is not Oracle Linux."]
      : []),
    firstBootSentence(manifest),
    bootSentence(manifest),
    ...(dialect === "xl"
      ? [`Unpack it in /var/lib/xen/images, or change the paths below, and start it: xl create vm.cfg`]
      : []),
    ...(dialect === "xl" && manifest.disks.some(({ mode }) => mode === "w!")
      ? ["Some of its disks are shared; xl has no mode for that."]
      : []),
  ];
}
