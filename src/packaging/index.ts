import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Manifest, Store } from "../store/store.ts";
import type { Format, Packed, PackOptions } from "./format.ts";
import { ova } from "./ova.ts";
import { ovmTgz } from "./ovm-tgz.ts";
import { qcow2 } from "./qcow2.ts";

/** The formats, by the name that a recipe gives. */
export const formats: readonly Format[] = [ovmTgz, ova, qcow2];

export interface Bundle extends Packed {
  readonly format: Format["name"];
  readonly name: string;
}

/** Packs a template in each of the formats, and writes their SHA256SUMS beside them. */
export async function packAll(
  template: Manifest,
  store: Store,
  folder: string,
  names: readonly Format["name"][],
  options: Omit<PackOptions, "progress"> & {
    readonly progress?: (format: string, done: number, total: number) => void;
  },
): Promise<Bundle[]> {
  await mkdir(folder, { recursive: true });
  for (const disk of template.disks) await store.openDisk(disk);
  // Side by side: qemu-img keeps one core busy, the compression of a .tgz the other.
  const bundles = await Promise.all(
    formats
      .filter((format) => names.includes(format.name))
      .map(async (format): Promise<Bundle> => {
        const progress = (done: number, total: number) => options.progress?.(format.name, done, total);
        const packed = await format.pack(template, store, folder, {
          ...(options.signal && { signal: options.signal }),
          progress,
        });
        return { ...packed, format: format.name, name: basename(packed.file) };
      }),
  );
  await writeFile(
    join(folder, "SHA256SUMS"),
    bundles
      .map((bundle) => `${bundle.sha256}  ${bundle.name}\n`)
      .sort()
      .join(""),
  );
  return bundles;
}
