import { basename, join } from "node:path";
import { replaceFile } from "../../host/partial-file.ts";
import { textOf } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Store } from "../../store/store.ts";
import { openDeflater } from "./deflated.ts";
import type { Format, Packed, PackOptions } from "./format.ts";
import { formats } from "./table.ts";

export interface Bundle extends Packed {
  readonly format: Format["name"];
  readonly name: string;
}

/**
 * Packs a template in each of the formats, directly from the store, and writes the sums to SHA256SUMS beside them.
 * Formats are packed one after the other, because each uses all cores. `memory` is a folder that remembers where the deflated
 * blocks of bundles are: blocks that an earlier bundle has are copied from it.
 */
export async function packAll(
  template: Manifest,
  store: Store,
  folder: string,
  names: readonly Format["name"][],
  options: Pick<PackOptions, "signal"> & {
    readonly memory?: string;
    readonly progress?: (format: string, done: number, total: number) => void;
  },
): Promise<Bundle[]> {
  await makeFolders(folder);
  const bundles: Bundle[] = [];
  await using deflater = await openDeflater(options.memory, template.name);
  for (const format of formats.filter(({ name }) => names.includes(name))) {
    const packed = await format.pack(template, store, folder, {
      ...(options.signal && { signal: options.signal }),
      deflater,
      progress: (done, total) => options.progress?.(format.name, done, total),
    });
    bundles.push(...packed.map((one) => ({ ...one, format: format.name, name: basename(one.file) })));
  }
  await writeSums(folder, bundles);
  return bundles;
}

/** Writes SHA256SUMS again, and keeps the lines of other files in the folder. */
async function writeSums(folder: string, bundles: readonly Bundle[]): Promise<void> {
  const file = join(folder, "SHA256SUMS");
  const names = new Set(bundles.map((bundle) => bundle.name));
  const others = ((await textOf(file)) ?? "")
    .split("\n")
    .filter((line) => line !== "" && !names.has(line.slice(66)));
  const lines = [...others, ...bundles.map((bundle) => `${bundle.sha256}  ${bundle.name}`)];
  const byName = (a: string, b: string) => (a.slice(66) < b.slice(66) ? -1 : 1);
  await replaceFile(file, `${lines.sort(byName).join("\n")}\n`);
}
