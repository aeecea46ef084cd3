import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Host } from "../host/host.ts";
import { temporaryFolder } from "../host/temporary.ts";
import { makeFolders } from "../io/folders.ts";
import { type Iso, openIso } from "../media/iso.ts";
import { readMedium } from "../media/medium.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { type RepositoryContents, readRepository } from "./repository-metadata.ts";

/** The repositories on a disc: folder → its packages and groups. */
export async function discContents(
  file: string,
  host: Host,
  { signal }: { readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, RepositoryContents>> {
  const medium = await readMedium(file);
  await using iso = await openIso(file);
  await using folder = await temporaryFolder("disc");
  const found = new Map<string, RepositoryContents>();
  for (const [index, repository] of medium.repositories.entries()) {
    const copy = join(folder.path, String(index));
    await copyMetadata(iso, repository, copy);
    found.set(repository, await readRepository(pathToFileURL(copy).href, host, { signal }));
  }
  return found;
}

/** The packages that the kickstart installs: the recipe's, and those of every kickstart of tbuild. */
export function packagesFromDisc(recipe: Recipe): string[] {
  const kernel = recipe.kernel === "rhck" ? "kernel" : "kernel-uek";
  return [...new Set(["@core", "openssh-server", kernel, ...recipe.packages.base])];
}

async function copyMetadata(iso: Iso, repository: string, to: string): Promise<void> {
  await makeFolders(join(to, "repodata"));
  // Most of the metadata is file lists and changelogs, which are skipped.
  for (const entry of await iso.list(`${repository}/repodata`))
    if (entry.kind === "file" && /^[\w.+-]+$/.test(entry.name) && !/filelists|other|sqlite/.test(entry.name))
      await iso.extract(`${repository}/repodata/${entry.name}`, join(to, "repodata", entry.name));
}
