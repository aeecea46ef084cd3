import { basename, join, resolve } from "node:path";
import { digestOfParts, partsOf } from "../../bundles/read/parts.ts";
import { proveTemplateFile } from "../../bundles/read/unpack.ts";
import { fileDigest } from "../../io/file-digest.ts";
import { asDigest, type Digest } from "../../model/digest.ts";
import { importTemplate } from "../import-template.ts";
import type { OpenedSite } from "../opened-site.ts";
import type { Base, Wanted } from "./base.ts";

const mostBytes = 256 * 2 ** 30;

/** The digest of a file, or of all parts of one. */
export async function baseFileDigest(file: string, cacheFile: string): Promise<Digest> {
  const digests: Digest[] = [];
  for (const part of await partsOf(file)) digests.push(asDigest(await fileDigest(part, { cacheFile })));
  return digestOfParts(digests);
}

/** A template or image in a file, or in the parts of one. It is imported when the build needs it. */
export async function fileBase({ home }: OpenedSite, { from, folder }: Wanted): Promise<Base> {
  const file = resolve(folder, from);
  for (const part of await partsOf(file)) await proveTemplateFile(part);
  const digest = await baseFileDigest(file, join(home.memory, "file-digests.json"));
  return {
    words: basename(file),
    digest,
    async bring({ host, store, records, tbuild, signal, progress, report }) {
      const workFolder = join(home.root, "import");
      const options = { mostBytes, workFolder, tbuild, signal, progress, digest };
      const { manifest, notes } = await importTemplate(host, { store, records }, file, options);
      for (const text of notes) report({ type: "note", text: `${basename(file)}: ${text}` });
      return manifest;
    },
  };
}
