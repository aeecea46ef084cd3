import { basename } from "node:path";
import type { Machine, Manifest, Parameter } from "../../model/manifest.ts";

/** What a template's own description (a vm.cfg, an OVF) says of it; nothing of it is proved. */
export interface Described {
  readonly name?: string;
  readonly version?: string;
  readonly summary?: string;
  readonly vcpus?: number;
  readonly memoryMib?: number;
  readonly nics?: readonly string[];
  readonly maxVcpus?: number;
  readonly maxMemoryMib?: number;
  readonly vifs?: readonly string[];
  readonly drives?: readonly string[];
  readonly settings?: Machine["settings"];
  readonly domainType?: Manifest["domainType"];
  readonly contract?: readonly Parameter[];
}

/** A disk out of an archive or an image, plain. */
export interface UnpackedDisk {
  readonly name: string;
  /** Below the work folder, or the imported file itself: for reading only. */
  readonly file: string;
  readonly slot?: string;
  readonly mode?: "r" | "w!";
}

/** What is in an archive. */
export interface Contents {
  readonly said: Described;
  readonly disks: readonly UnpackedDisk[];
  /** What is worth saying and no fault. */
  readonly notes: readonly string[];
}

/** A name for the manifest, of letters, digits and dashes, that no other disk has. */
export function diskName(file: string, taken: readonly UnpackedDisk[]): string {
  const stem = basename(file)
    .replace(/(?:\.(?:img|raw|vmdk|qcow2|gz|\d{9}))+$/i, "")
    .replaceAll(/[^\w-]+/g, "-");
  const wanted = stem.replaceAll(/^-+|-+$/g, "") || "disk";
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!taken.some((disk) => disk.name === name)) return name;
  }
}
