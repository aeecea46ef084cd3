import { z } from "zod";
import { DigestText } from "../../../model/digest-text.ts";
import { type Manifest, manifestDigest } from "../../../model/manifest.ts";
import type { StoreFolder } from "../../folder/store-folder.ts";
import type { Reference } from "./reference.ts";
import type { Registry } from "./registry.ts";
import { findTemplate, type Moved, type PushOptions, packType, pushTemplate } from "./template.ts";

/*
 * A cache entry: a finished template in a registry, under the key of its build as its tag. What binds the two is in an
 * annotation, with a signature of its own: the template's signature does not say which inputs it was made of.
 */
const entryKey = "vnd.tbuild.cache";
const signatureKey = "vnd.tbuild.cache.signature";

const Entry = z.object({
  /** The digest of everything that the build was made of. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  /** The digest of the template's manifest. */
  template: DigestText,
  /** User → salt and digest of the password that the build has set. */
  passwords: z.record(z.string(), z.string()),
});
export type Entry = z.infer<typeof Entry>;

export interface EntryThere {
  readonly entry: Entry;
  /** What was signed. */
  readonly text: string;
  readonly signature?: string;
  readonly manifest: Manifest;
  readonly manifestSignature?: string;
  readonly packs: readonly { readonly digest: string; readonly size: number }[];
}

/** The entry at a tag; `undefined` if there is none. Its signatures are still to be checked. */
export async function findEntry(
  reference: Reference & { readonly which: string },
  registry: Registry,
): Promise<EntryThere | undefined> {
  const found = await findTemplate(reference, registry);
  if (!found) return undefined;
  const text = found.annotations[entryKey];
  const signature = found.annotations[signatureKey];
  const entry = Entry.safeParse(parsed(text));
  if (typeof text !== "string" || !entry.success) return undefined;
  return {
    entry: entry.data,
    text,
    ...(typeof signature === "string" && { signature }),
    manifest: found.manifest,
    ...(found.signature !== undefined && { manifestSignature: found.signature }),
    packs: found.layers.filter(({ mediaType }) => mediaType === packType),
  };
}

/** Pushes a finished template as an entry. `replace`: also if there is another with this key. */
export async function pushEntry(
  store: StoreFolder,
  template: Manifest,
  entry: Omit<Entry, "template">,
  place: Reference,
  registry: Registry,
  sign: (text: string) => Promise<string | undefined>,
  options: Omit<PushOptions, "annotations">,
): Promise<Moved> {
  const text = JSON.stringify({ ...entry, template: manifestDigest(template) } satisfies Entry);
  const signature = await sign(text);
  return await pushTemplate(store, template, { ...place, which: entry.key }, registry, {
    ...options,
    annotations: { [entryKey]: text, ...(signature !== undefined && { [signatureKey]: signature }) },
  });
}

function parsed(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}
