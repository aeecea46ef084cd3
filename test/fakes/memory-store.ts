import type { Manifest } from "../../src/model/manifest.ts";
import { lineOf, manifestDigest } from "../../src/model/manifest.ts";
import { compareVersions } from "../../src/model/version.ts";
import type { Store } from "../../src/store/store.ts";

/** A store with manifests and without disks. */
export function memoryStore(manifests: readonly Manifest[]): Store {
  const of = (kind: string, name: string) =>
    manifests
      .filter((one) => one.kind === kind && one.name === name)
      .sort((a, b) => compareVersions(a.version, b.version));
  const store: Pick<Store, "list" | "lines" | "versions" | "find" | "get"> = {
    list: async () => [...manifests],
    lines: async () => new Map(manifests.map((one) => [manifestDigest(one), lineOf(one)])),
    versions: async (kind, name) => of(kind, name).map(({ version }) => version),
    find: async (kind, { name, version }) =>
      of(kind, name).findLast((one) => version === undefined || one.version === version),
    get: async (digest) => manifests.find((one) => manifestDigest(one) === digest),
  };
  return store as Store;
}
