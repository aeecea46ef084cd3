import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import { berkeleyValues } from "./berkeley.ts";
import { type Package, parseHeader } from "./header.ts";
import { sqliteBlobs } from "./sqlite.ts";

export interface RpmDatabase {
  readonly kind: "sqlite" | "berkeley";
  readonly packages: readonly Package[];
}

/** A guest's packages by name, without running its programs; `undefined` without an rpm database. */
export async function readRpmDatabase(tree: GuestTree): Promise<RpmDatabase | undefined> {
  const found = await readBlobs(tree);
  return found && { kind: found.kind, packages: packagesIn(found.blobs) };
}

/** The header of each package, from `parseHeader`; `undefined` without an rpm database. */
export async function readHeaders(tree: GuestTree): Promise<Buffer[] | undefined> {
  const found = await readBlobs(tree);
  return found?.blobs.filter((blob) => parseHeader(blob) !== undefined);
}

async function readBlobs(
  tree: GuestTree,
): Promise<{ readonly kind: RpmDatabase["kind"]; readonly blobs: Buffer[] } | undefined> {
  for (const folder of ["/usr/lib/sysimage/rpm", "/var/lib/rpm"]) {
    if (await tree.stat(`${folder}/Packages.db`))
      throw new TbuildError("guest", "rpm database: has the format ndb, which Oracle Linux does not use");
    for (const [kind, file] of files) {
      const data = await bytesOf(tree, `${folder}/${file}`);
      if (!data) continue;
      const log = kind === "sqlite" ? await bytesOf(tree, `${folder}/${file}-wal`) : undefined;
      return {
        kind,
        blobs: unlessDamaged(() =>
          kind === "sqlite" ? sqliteBlobs(data, log, "Packages") : berkeleyValues(data),
        ),
      };
    }
  }
  return undefined;
}

const files = [
  ["sqlite", "rpmdb.sqlite"],
  ["berkeley", "Packages"],
] as const;

function packagesIn(blobs: readonly Buffer[]): Package[] {
  return unlessDamaged(() =>
    blobs
      .flatMap((blob) => parseHeader(blob) ?? [])
      .filter(({ name }) => name !== "gpg-pubkey")
      .sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0)),
  );
}

/** Returns the result of `read`. An offset outside the bytes is reported as damage. */
export function unlessDamaged<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    // Node's error for an offset outside the bytes.
    if (error instanceof RangeError)
      throw new TbuildError("guest", "rpm database: is damaged", { cause: error });
    throw error;
  }
}

async function bytesOf(tree: GuestTree, path: string): Promise<Buffer | undefined> {
  const data = await tree.read(path);
  return data && data.length > 0 ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : undefined;
}
