import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { visibleText } from "../guest/describe-guest.ts";
import type { Host } from "../host/host.ts";
import { openUntrusted } from "../image/untrusted.ts";
import { makeFolders } from "../io/folders.ts";
import type { Manifest } from "../model/manifest.ts";
import { manifestDigest } from "../model/manifest.ts";
import type { Store } from "../store/store.ts";

/**
 * The texts of files that the manifest does not contain, read from the template's disk, with secrets masked.
 */
export async function textsIn(
  { host, store }: { readonly host: Host; readonly store: Store },
  manifest: Manifest,
  paths: readonly string[],
  options: { readonly folder: string; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const [disk] = manifest.disks;
  if (!disk || !(await store.get(manifestDigest(manifest))))
    throw new TbuildError(
      "environment",
      `${manifest.name}@${manifest.version}: its disk is missing from this store`,
      { hint: "Omit --texts to compare everything except the contents of these files." },
    );
  const image = join(options.folder, `texts-${process.pid}.img`);
  await makeFolders(options.folder);
  try {
    await store.restoreDisk(disk, image, options.signal);
    // An imported version is not trusted.
    const { tree: opened } = await openUntrusted(host, image);
    await using tree = opened;
    for (const path of paths) {
      const stat = await tree.stat(path);
      const text = stat && (await visibleText(tree, path, stat));
      if (text !== undefined) texts.set(path, text);
    }
  } finally {
    await rm(image, { force: true });
  }
  return texts;
}
