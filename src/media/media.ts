/** An installation medium, as it describes itself. */
export interface Medium {
  readonly file: string;
  /** ISO 9660 volume id. */
  readonly volumeId: string;
  readonly bytes: number;
  /** `6`, and `10` for OL6.10; from `.treeinfo`, `.discinfo` and the volume id, which must not contradict each other. */
  readonly major: number;
  /** Nothing where the disc says the release alone, as `version = 7` does. */
  readonly update?: number;
  /** `Oracle Linux` … as `.treeinfo` or `.discinfo` names it. */
  readonly family: string;
  /** `Server`, `BaseOS` …, where it says so. */
  readonly variant?: string;
  readonly arch: string;
  /** Paths on the medium. */
  readonly kernel: string;
  readonly initrd: string;
  /** What the initrd goes on with; OL5 and OL6 look for it by its name, later ones by `inst.stage2`. */
  readonly stage2?: string;
  /** For a PV guest, which OL5 starts with a kernel of its own. */
  readonly xen?: { readonly kernel: string; readonly initrd: string };
  /** Folders with repodata, `.` is the root. A disc that only starts an installation has none. */
  readonly repositories: readonly string[];
  readonly starts: {
    /** The menu of isolinux, where a BIOS starts the disc. */
    readonly isolinux?: string;
    /** A BIOS starts it too, by a loader whose menu is not isolinux's. */
    readonly biosOtherwise?: true;
    /** The FAT image that UEFI starts, and the menus, in it and beside it, that its GRUB may read. */
    readonly efi?: { readonly image: string; readonly menus: readonly string[] };
    /** UEFI starts it from something that is no file of the disc, so its menu cannot be changed. */
    readonly efiOutside?: true;
  };
}

/** `6.10`, or `7` where the update is not known. */
export function numberOf({ major, update }: Pick<Medium, "major" | "update">): string {
  return update === undefined ? String(major) : `${major}.${update}`;
}

/** `OL6.10`; what is not from Oracle is named in full. */
export function releaseOf(medium: Pick<Medium, "major" | "update" | "family">): string {
  const ours = /^(oracle|enterprise) linux/i.test(medium.family);
  return `${ours ? "OL" : `${medium.family} `}${numberOf(medium)}`;
}
