/** An installation medium, as it describes itself. */
export interface Medium {
  readonly file: string;
  /** ISO 9660 volume id. */
  readonly volumeId: string;
  readonly bytes: number;
  /** `6`, and `10` for OL6.10; from `.discinfo`, `.treeinfo` and the volume id, which must not contradict each other. */
  readonly major: number;
  readonly update: number;
  /** `Oracle Linux` … as `.treeinfo` or `.discinfo` names it. */
  readonly family: string;
  readonly arch: string;
  /** Paths on the medium. */
  readonly kernel: string;
  readonly initrd: string;
}
