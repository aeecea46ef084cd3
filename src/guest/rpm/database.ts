import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import { berkeleyValues } from "./berkeley.ts";
import { type Package, parseHeader } from "./header.ts";
import { sqliteBlobs } from "./sqlite.ts";

export interface RpmDatabase {
  readonly kind: "sqlite" | "berkeley";
  readonly packages: readonly Package[];
}

/** The packages that a guest has, by name, without running anything of it; `undefined` when it has no rpm database. */
export async function readRpmDatabase(tree: GuestTree): Promise<RpmDatabase | undefined> {
  for (const folder of ["/usr/lib/sysimage/rpm", "/var/lib/rpm"]) {
    if (await tree.stat(`${folder}/Packages.db`))
      throw new TbuildError("guest", "rpm database: is of the kind ndb, which Oracle Linux does not use");
    for (const [kind, file] of files) {
      const data = await bytesOf(tree, `${folder}/${file}`);
      if (!data) continue;
      const log = kind === "sqlite" ? await bytesOf(tree, `${folder}/${file}-wal`) : undefined;
      return { kind, packages: packagesIn(kind, data, log) };
    }
  }
  return undefined;
}

const files = [
  ["sqlite", "rpmdb.sqlite"],
  ["berkeley", "Packages"],
] as const;

function packagesIn(kind: RpmDatabase["kind"], data: Buffer, log: Buffer | undefined): Package[] {
  const blobs = {
    sqlite: () => sqliteBlobs(data, log, "Packages"),
    berkeley: () => berkeleyValues(data),
  };
  try {
    return blobs[kind]()
      .flatMap((blob) => parseHeader(blob) ?? [])
      .filter(({ name }) => name !== "gpg-pubkey")
      .sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0));
  } catch (error) {
    // Node's own complaint about a place outside of the bytes.
    if (error instanceof RangeError)
      throw new TbuildError("guest", "rpm database: is damaged", { cause: error });
    throw error;
  }
}

async function bytesOf(tree: GuestTree, path: string): Promise<Buffer | undefined> {
  const data = await tree.read(path);
  return data && data.length > 0 ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : undefined;
}
