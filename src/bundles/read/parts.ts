import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { type Digest, digestOf } from "../../model/digest.ts";
import { shownFile } from "./members.ts";

const partForm = /^(.*[-_.])(\d{1,2})of(\d{1,2})(\.(?:tgz|tar(?:\.\w+)?))$/i;

/** The files of a template that comes in several (`…-1of2.tar.gz`), in order, if `file` is one of them; otherwise `file`. */
export async function partsOf(file: string): Promise<string[]> {
  const [, stem = "", , of, ending = ""] = partForm.exec(basename(file)) ?? [];
  if (of === undefined) return [file];
  const numbers = Array.from({ length: Number(of) }, (_, i) => i + 1);
  const parts = numbers.map((number) => join(dirname(file), `${stem}${number}of${of}${ending}`));
  const isThere = await Promise.all(parts.map((part) => stat(part).catch(() => undefined)));
  const missing = parts.filter((_, i) => !isThere[i]);
  if (missing.length > 0 && isThere.some(Boolean))
    throw new TbuildError(
      "usage",
      `${missing.map((part) => basename(part)).join(", ")} is not in the same folder`,
      {
        subject: shownFile(file),
        hint: `The template comes in ${of} files. Put all of them into one folder.`,
      },
    );
  return missing.length > 0 || parts.length === 0 ? [file] : parts;
}

/** The archives in a folder that are the parts of one template, if the folder has no descriptor of its own. */
export async function partsIn(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).sort();
  if (names.some((name) => /\.ovf$/i.test(name))) return [];
  return names.filter((name) => /\.(?:tgz|tar(?:\.\w+)?)$/i.test(name)).map((name) => join(folder, name));
}

/** The digest of one file, or of the list of several. */
export function digestOfParts(digests: readonly Digest[]): Digest {
  const [first, ...others] = digests;
  return first !== undefined && others.length === 0 ? first : digestOf(digests.join("\n"));
}
