// The choices of recipes, sites and options. Schema, help, docs and types are made from these lists. This
// file imports nothing, so help starts fast.

/** Releases of Oracle Linux. */
export const releases = ["ol5", "ol6", "ol7", "ol8", "ol9"] as const;
export type ReleaseName = (typeof releases)[number];

/** The domain types of Oracle VM. */
export const domainTypes = ["XEN_HVM", "XEN_HVM_PV_DRIVERS", "XEN_PVM"] as const;
export type DomainType = (typeof domainTypes)[number];

/** How a clone notices that it is one. */
export const cloneDetectors = ["flag", "mac"] as const;
export type CloneDetector = (typeof cloneDetectors)[number];

/** The firmware that starts a virtual machine. */
export const firmwares = ["bios", "uefi"] as const;
export type Firmware = (typeof firmwares)[number];

/** Formats for other hypervisors: what `tbuild migrate --to` takes. */
export const migrationFormats = ["libvirt", "olvm-ova", "xva", "proxmox"] as const;
export type MigrationFormat = (typeof migrationFormats)[number];

/** How KVM attaches disks and network cards: by VirtIO, or as real hardware that every guest knows. */
export const deviceKinds = ["virtio", "emulated"] as const;
export type DeviceKind = (typeof deviceKinds)[number];

/** What a template is packed as. */
export const bundleFormats = ["ovm-tgz", "ova", "qcow2", "raw", "xl", ...migrationFormats] as const;
export type BundleFormat = (typeof bundleFormats)[number];

/** The access methods of an image, the one with the fewest requirements first. */
export const waysIn = ["direct", "debugfs", "loop", "kpartx", "uml", "guestfish"] as const;
export type WayIn = (typeof waysIn)[number];

/** Where a guest may have to run, and how: what `tbuild convert --check --for` and `--to` take. */
export const fitnessTargets = ["ovm-3.2", "ovm-3.4.5", "ovm-3.4.6", "xen-4.17", "kvm", "olvm"] as const;
export type FitnessTarget = (typeof fitnessTargets)[number];
export const guestModes = ["pvm", "pvhvm", "hvm", "kvm"] as const;
export type GuestMode = (typeof guestModes)[number];

/** The mode of each domain type of Oracle VM. */
export const modeOf = {
  XEN_PVM: "pvm",
  XEN_HVM_PV_DRIVERS: "pvhvm",
  XEN_HVM: "hvm",
} as const satisfies Record<DomainType, GuestMode>;

/** How a conversion treats ovmd, Oracle VM's first-boot configuration: what `tbuild convert --ovmd` takes. */
export const ovmdChoices = ["keep", "disable", "cloud-init"] as const;
export type OvmdChoice = (typeof ovmdChoices)[number];

/** The types of first-boot parameters, as module.yaml declares them. */
export const parameterTypes = [
  "text",
  "number",
  "yes-no",
  "address",
  "netmask",
  "host-name",
  "device",
  "path",
] as const;
export type ParameterType = (typeof parameterTypes)[number];
