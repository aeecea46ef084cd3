import { join } from "node:path";
import { packAll } from "../../bundles/write/index.ts";
import { TbuildError } from "../../errors.ts";
import { asDigest } from "../../model/digest.ts";
import { type Manifest, manifestDigest } from "../../model/manifest.ts";
import type { Reference } from "../../store/exchange/oci/reference.ts";
import type { Registry } from "../../store/exchange/oci/registry.ts";
import { pullTemplate } from "../../store/exchange/oci/template.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import { packedMemory } from "../home.ts";
import type { BuildContext } from "../step.ts";
import { shortReference } from "./places.ts";
import type { Made } from "./recipe-facts.ts";

/** Fetches a template into the store and the records, if it is still the one that was checked. */
export async function fetchResult(
  context: BuildContext,
  reference: Reference & { readonly which: string },
  manifest: Manifest,
  registry: Registry,
  progress: (text: string, done?: number, total?: number) => void,
): Promise<void> {
  const pulled = await pullTemplate(storeFolder(context.home.store), reference, registry, {
    accept: async (one) => {
      if (manifestDigest(one) !== manifestDigest(manifest))
        throw new TbuildError("integrity", "was replaced meanwhile", { subject: shortReference(reference) });
    },
    progress: (moved, total) => progress("fetching it", moved, total),
  });
  await context.records.put(manifest, pulled.signature ?? false);
  for (const ancestor of pulled.ancestors)
    if (!(await context.records.has(ancestor))) await context.records.put(ancestor, false);
}

/** Registries do not store bundles, so they are packed again from the same disks. */
export async function packed(
  { recipe }: Made,
  context: BuildContext,
  manifest: Manifest,
  progress: (text: string, done?: number, total?: number) => void,
): Promise<string> {
  const folder = join(context.home.bundles, `${manifest.name}-${manifest.version}`);
  const bundles = await packAll(manifest, context.store, folder, recipe.bundles, {
    signal: context.signal,
    memory: packedMemory(context.home),
    progress: (format, done, total) => progress(`packing ${format}`, done, total),
  });
  for (const { file, digest } of manifest.bundles) {
    const own = bundles.find(({ name }) => name === file);
    if (own === undefined || asDigest(own.sha256) !== digest)
      context.report({
        type: "note",
        text: `warning: ${file} differs from the file that the other builder packed`,
      });
  }
  return folder;
}
