import { type FitnessTarget, type GuestMode, guestModes } from "../../choices.ts";

/** A target for a guest. */
export interface Target {
  readonly title: string;
  /** The modes in which it runs guests. The first is the default of a check. */
  readonly modes: readonly GuestMode[];
  /** A note about PVM there. */
  readonly pvm: string | undefined;
  readonly pygrub: PygrubTraits | undefined;
}

/** The formats that the pygrub and the domain builder of a release can read. */
export interface PygrubTraits {
  readonly title: string;
  /** True if the check emulates its order of menus and its parsers exactly; a test compares them. */
  readonly isEmulated: boolean;
  /** Whether it reads XFS version 4 without ftype. */
  readonly readsOldXfs: boolean;
  /** Features of ext4 that its libext2fs is too old for, and those for which this is unknown. */
  readonly refusedFeatures: readonly ExtFeature[];
  readonly doubtfulFeatures: readonly ExtFeature[];
  /** Kernel compressions that its domain builder is known to unpack. */
  readonly kernels: readonly string[];
}

export type ExtFeature = "64bit" | "metadata_csum";

const everyKernel = ["none", "gzip", "bzip2", "lzma", "xz", "lzo", "lz4", "zstd"] as const;

const xen417: PygrubTraits = {
  title: "pygrub of Xen 4.17",
  isEmulated: true,
  readsOldXfs: true,
  refusedFeatures: [],
  doubtfulFeatures: [],
  kernels: everyKernel,
};

// Oracle VM has its own pygrub, from an older Xen, which could not be run here. Known: it reads /boot on ext3
// and ext4 and not on XFS (wiki.xenproject.org, PyGrub; Oracle's own templates have ext). libext2fs refuses a
// file system with the incompatible feature 64bit before 1.42 (e2fsprogs, doc/RelNotes/v1.42.txt); the dom0
// of Oracle VM 3.2 is built from release 5, which has 1.39, that of 3.4 from release 6.
const oracle: PygrubTraits = {
  title: "Oracle VM's pygrub",
  isEmulated: false,
  readsOldXfs: false,
  refusedFeatures: [],
  doubtfulFeatures: ["64bit", "metadata_csum"],
  kernels: ["none", "gzip", "bzip2", "lzma", "xz", "lzo"],
};

const xenModes = guestModes.filter((mode) => mode !== "kvm");

/** The targets. What a release of Oracle VM no longer has is from Oracle's Administrator's Guide 3.4 (MOS 2247664.1). */
export const targets: Readonly<Record<FitnessTarget, Target>> = {
  "ovm-3.2": {
    title: "Oracle VM 3.2",
    modes: xenModes,
    pvm: undefined,
    pygrub: {
      ...oracle,
      refusedFeatures: ["64bit"],
      doubtfulFeatures: ["metadata_csum"],
      kernels: ["none", "gzip"],
    },
  },
  "ovm-3.4.5": {
    title: "Oracle VM 3.4.5",
    modes: xenModes,
    pvm: "an administrator can disable PVM there, and Oracle VM 3.4.6 makes no new PVM guests",
    pygrub: oracle,
  },
  "ovm-3.4.6": {
    title: "Oracle VM 3.4.6",
    modes: xenModes.filter((mode) => mode !== "pvm"),
    pvm: "it makes no new PVM guests; only existing guests continue to run",
    pygrub: oracle,
  },
  "xen-4.17": { title: "Xen 4.17", modes: xenModes, pvm: undefined, pygrub: xen417 },
  kvm: { title: "KVM", modes: ["kvm"], pvm: undefined, pygrub: undefined },
  olvm: {
    title: "Oracle Linux Virtualization Manager",
    modes: ["kvm"],
    pvm: undefined,
    pygrub: undefined,
  },
};
