/** An installation medium, as its files describe it. */
export interface Medium {
  readonly file: string;
  /** ISO 9660 volume id. */
  readonly volumeId: string;
  readonly bytes: number;
  /** `6`, and `10` for OL6.10, from `.treeinfo`, `.discinfo` and the volume id, which must agree. */
  readonly major: number;
  /** `undefined` if the disc states only the release, such as `version = 7`. */
  readonly update?: number;
  /** `Oracle Linux` … as `.treeinfo` or `.discinfo` names it. */
  readonly family: string;
  /** `Server`, `BaseOS` …, if stated. */
  readonly variant?: string;
  readonly arch: string;
  /** Paths on the medium. */
  readonly kernel: string;
  readonly initrd: string;
  /** The installer's second stage. OL5 and OL6 find it by name, later releases by `inst.stage2`. */
  readonly stage2?: string;
  /** For a PV guest. OL5 has a separate kernel for it. */
  readonly xen?: { readonly kernel: string; readonly initrd: string };
  /** Folders with repodata; `.` is the root. A boot disc has none. */
  readonly repositories: readonly string[];
  readonly starts: {
    /** isolinux's menu, if the disc boots under a BIOS. */
    readonly isolinux?: string;
    /** True if it boots under a BIOS with a loader other than isolinux. */
    readonly biosOtherwise?: true;
    /** The FAT image that UEFI starts, and the menus inside and beside it that its GRUB may read. */
    readonly efi?: { readonly image: string; readonly menus: readonly string[] };
    /** True if UEFI starts it from data outside the disc's files, so its menu cannot be changed. */
    readonly efiOutside?: true;
  };
}

/** `6.10`, or `7` if the update is unknown. */
export function numberOf({ major, update }: Pick<Medium, "major" | "update">): string {
  return update === undefined ? String(major) : `${major}.${update}`;
}

/** `OL6.10`, or the full name of a disc that is not Oracle's. */
export function releaseOf(medium: Pick<Medium, "major" | "update" | "family">): string {
  const ours = /^(oracle|enterprise) linux/i.test(medium.family);
  return `${ours ? "OL" : `${medium.family} `}${numberOf(medium)}`;
}
