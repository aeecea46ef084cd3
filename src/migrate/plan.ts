import { isMac, type ShippedDisk, type ShippedNic } from "../bundles/write/shipment.ts";
import type { DomainType, FitnessTarget, GuestMode, MigrationFormat } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { isSecretKey } from "../vm-cfg/secrets.ts";
import type { Source, SourceDisk, SourceImage, SourceMachine } from "./source.ts";

/** A target of a migration. */
export interface Destination {
  readonly title: string;
  /** The mode that its guest is converted to and checked for. */
  readonly mode: GuestMode;
  readonly domainType: DomainType | "KVM";
  readonly fitness: FitnessTarget;
  /** Whether its description can name disks that already exist at the target. */
  readonly takesDevices: boolean;
  /** Whether network cards are connected to bridges of the host. */
  readonly hasBridges: boolean;
}

export const destinations: Readonly<Record<MigrationFormat, Destination>> = {
  libvirt: {
    title: "KVM with libvirt",
    mode: "kvm",
    domainType: "KVM",
    fitness: "kvm",
    takesDevices: true,
    hasBridges: true,
  },
  "olvm-ova": {
    title: "Oracle Linux Virtualization Manager",
    mode: "kvm",
    domainType: "KVM",
    fitness: "olvm",
    takesDevices: false,
    hasBridges: false,
  },
  xva: {
    title: "XCP-ng",
    mode: "pvhvm",
    domainType: "XEN_HVM_PV_DRIVERS",
    fitness: "xen-4.17",
    takesDevices: false,
    hasBridges: false,
  },
  proxmox: {
    title: "Proxmox VE",
    mode: "kvm",
    domainType: "KVM",
    fitness: "kvm",
    takesDevices: true,
    hasBridges: true,
  },
};

/** `--map` and `--network`: the target's counterparts of LUNs, disks and bridges. */
export interface Mapping {
  /** By path or slot. */
  readonly disks: ReadonlyMap<string, string>;
  readonly networks: ReadonlyMap<string, string>;
}

/** Something of the machine that is left behind. */
export interface LeftOut {
  readonly what: string;
  readonly why: string;
  readonly next: string;
}

/** A disk of the machine, and what happens to it. */
export interface PlannedDisk {
  readonly disk: SourceDisk;
  /** Left out for a disk that is copied. */
  readonly at?: { readonly kind: "device" | "file"; readonly path: string };
}

/** The plan for a machine, apart from its guest. Nothing was written. */
export interface MigrationPlan {
  readonly id: string;
  readonly format: MigrationFormat;
  readonly machine: SourceMachine;
  readonly disks: readonly PlannedDisk[];
  readonly nics: readonly (ShippedNic & { readonly was?: string })[];
  /** Disks that the new machine lacks. */
  readonly leftOut: readonly LeftOut[];
  /** Settings that the target does not have. */
  readonly dropped: readonly string[];
}

/**
 * Decides what happens to each disk, network card and setting. Throws if the table names something that does not exist.
 */
export function planMigration(
  { machine }: Pick<Source, "machine">,
  format: MigrationFormat,
  mapping: Mapping,
): MigrationPlan {
  checkMapping(machine, mapping);
  const { takesDevices, hasBridges } = destinations[format];
  const leftOut: LeftOut[] = [];
  const disks = machine.disks.flatMap((disk): PlannedDisk[] => {
    const mapped = mapping.disks.get(disk.what) ?? mapping.disks.get(disk.slot);
    const isDevice = disk.from.kind === "device";
    if (!isDevice && mapped === undefined && disk.mode !== "w!") return [{ disk }];
    // A copy belongs to this machine alone.
    if (mapped === "copy" && !isDevice) return [{ disk: disk.mode === "w!" ? { ...disk, mode: "w" } : disk }];
    const kind = isDevice ? "a device of the server" : "a disk that several machines share";
    const what = `${disk.slot}, ${disk.what}`;
    if (mapped === undefined || mapped === "copy")
      leftOut.push({ what, why: kind, next: nextFor(disk, takesDevices) });
    else if (!takesDevices)
      leftOut.push({
        what,
        why: `${kind}, which the format ${format} does not support`,
        next: `attach ${mapped} after the import`,
      });
    else return [{ disk, at: { kind: mapped.startsWith("/dev/") ? "device" : "file", path: mapped } }];
    return [];
  });
  if (disks.length === 0)
    throw new TbuildError("usage", "none of its disks would be copied or mapped", {
      subject: machine.title,
      lines: leftOut.map(({ what, why, next }) => `${what}: ${why}; ${next}`),
    });
  const nics = machine.nics.map(({ bridge, mac }) => {
    const network = mapping.networks.get(bridge ?? "") ?? bridge ?? "default";
    return {
      network,
      isBridge: hasBridges && bridge !== undefined,
      ...(isMac(mac) && { mac }),
      ...(bridge !== undefined && bridge !== network && { was: bridge }),
    };
  });
  return { id: idOf(machine.title), format, machine, disks, nics, leftOut, dropped: droppedOf(machine) };
}

export function shippedDisk(
  { disk, at }: PlannedDisk,
  image: (from: SourceImage) => Extract<ShippedDisk["from"], { kind: "image" }>,
): ShippedDisk {
  const { name, slot, mode, isBoot, from } = disk;
  if (at) return { name, slot, mode, isBoot, from: at };
  if (from.kind === "device") throw new Error(`${slot} is a device and is not copied`);
  return { name, slot, mode, isBoot, from: image(from) };
}

function nextFor({ what, slot, from }: SourceDisk, takesDevices: boolean): string {
  const isLun = from.kind === "device";
  if (isLun)
    return takesDevices
      ? `attach it to the new host, and name it: --map ${what}=/dev/DEVICE`
      : "attach it after the import";
  return takesDevices
    ? `copy it once, and name the copy: --map ${slot}=/PATH; or --map ${slot}=copy, if this is its only machine`
    : `--map ${slot}=copy, if this is its only machine; else attach it after the import`;
}

function checkMapping({ disks, nics, title }: SourceMachine, mapping: Mapping): void {
  const names = new Set(disks.flatMap(({ what, slot }) => [what, slot]));
  const bridges = new Set(nics.flatMap(({ bridge }) => bridge ?? []));
  const problems = [
    ...[...mapping.disks.keys()]
      .filter((key) => !names.has(key))
      .map((key) => `--map ${key}: no such disk; available: ${[...names].join(", ") || "none"}`),
    ...[...mapping.disks]
      .filter(([, to]) => to !== "copy" && !/^\/[^\p{Cc}]+$/u.test(to))
      .map(([key, to]) => `--map ${key}=${to}: neither an absolute path nor "copy"`),
    ...[...mapping.networks.keys()]
      .filter((key) => !bridges.has(key))
      .map((key) => `--network ${key}: no such bridge; available: ${[...bridges].join(", ") || "none"}`),
  ];
  if (problems.length > 0)
    throw new TbuildError("usage", problems[0] ?? "", { subject: title, lines: problems.slice(1) });
}

// Settings that have a counterpart, or mean nothing to another hypervisor.
const expected: ReadonlySet<string> = new Set(
  [
    "builder type device_model firmware bios uuid serial timer_mode sdl stdvga server",
    "vnc vnclisten vncunused vncconsole vfb usb usbdevice",
    "guest_os_type OVM_os_type OVM_domain_type OVM_cpu_compat_group",
  ]
    .join(" ")
    .split(" "),
);

/** Settings that the new machine has in one way only. */
const fixed: ReadonlyMap<string, (value: string) => boolean> = new Map([
  ...["acpi", "apic", "pae"].map((key) => [key, (value: string) => value === "1"] as const),
  ["localtime", (value) => value === "0"],
  ["on_poweroff", (value) => value === "destroy"],
  ["on_reboot", (value) => value === "restart"],
  ["on_crash", (value) => value === "restart"],
  // English: the default of a screen over VNC.
  ["keymap", (value) => value === "en-us"],
  ["boot", (value) => value === "" || value.startsWith("c")],
  ["bootloader", (value) => /(?:^|\/)(?:pygrub|oracle-pygrub)$/.test(value)],
  ["kernel", (value) => /(?:^|\/)hvmloader$/.test(value)],
]);

function droppedOf({ settings, nics }: SourceMachine): string[] {
  return [
    ...Object.entries(settings).flatMap(([key, value]) => {
      if (isSecretKey(key) || expected.has(key) || value === null) return [];
      const isSame = fixed.get(key);
      if (isSame === undefined) return [key];
      const text = typeof value === "boolean" ? String(Number(value)) : String(value).trim();
      return isSame(text) ? [] : [`${key}=${text}`];
    }),
    ...nics.flatMap(({ options }, index) => options.map((option) => `${option} of vif ${index}`)),
  ];
}

/** A name for files and machines. */
function idOf(title: string): string {
  const id = title
    .normalize("NFKD")
    .replaceAll(/[^\w.-]+/g, "-")
    .replaceAll(/^[-.]+|[-.]+$/g, "")
    .slice(0, 64);
  return id === "" ? "machine" : id;
}
