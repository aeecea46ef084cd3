import { TbuildError } from "../../errors.ts";
import type { Digest } from "../../model/digest.ts";
import { type Manifest, manifestDigest } from "../../model/manifest.ts";
import { compareVersions } from "../../model/version.ts";
import type { Store } from "../store.ts";
import { type CatalogEntry, entryOf, type Said, saidOf } from "./catalog.ts";
import type { Pointer } from "./pointers.ts";
import type { Records } from "./records.ts";

/** A version that the user named, with its complete manifest. */
export interface Found extends CatalogEntry {
  readonly manifest: Manifest;
}

/** Finds one version or its lineage, without reading any others. */
export interface Finder {
  /** `name` is its newest version that is not revoked; `name@1.2.3`, `name@stable` and `name@<tag>` are exact. */
  find(ref: string): Promise<Found>;
  /** The template that `ref` names, even if all its versions are revoked. */
  nameOf(ref: string): Promise<string>;
  /** Describes the versions that `ref` skipped because they are revoked. */
  passedOver(ref: string, found: CatalogEntry): Promise<string[]>;
  /** The version before it, by number. */
  previous(entry: Pick<CatalogEntry, "manifest">): Promise<Found | undefined>;
  /** It, its parent, and so on, as far as they are known. */
  lineage(entry: Found): Promise<Found[]>;
  /** True if a version with this content is known and not revoked. */
  isUsable(name: string, pointer: Pick<Pointer, "version" | "digest">): Promise<boolean>;
}

export function finder(store: Store, records: Records): Finder {
  const numbersOf = async (name: string) => {
    const numbers = [
      ...(await store.versions("template", name)),
      ...(await records.versions("template", name)),
    ];
    return [...new Set(numbers)].sort(compareVersions);
  };

  /** One version, or two if the store and the recipe repo differ. */
  async function withNumber(
    which: Pick<Manifest, "kind" | "name" | "version">,
    said: ReadonlyMap<string, Said>,
  ): Promise<Found[]> {
    const [kept, recorded] = [await store.find(which.kind, which), await records.find(which)];
    const both = new Map<Digest, { manifest: Manifest; here: boolean; recorded: boolean }>();
    if (recorded) both.set(manifestDigest(recorded), { manifest: recorded, here: false, recorded: true });
    if (kept) {
      const digest = manifestDigest(kept);
      both.set(digest, { manifest: kept, here: true, recorded: both.has(digest) });
    }
    return [...both].map(([digest, { manifest, ...where }]) => entryOf(manifest, digest, where, said));
  }

  async function named(ref: string) {
    const [name = "", which] = ref.split("@");
    const numbers = await numbersOf(name);
    if (numbers.length > 0) return { name, which, numbers };
    throw new TbuildError("usage", "no such template", {
      subject: ref,
      code: "no-template",
      hint: "`tbuild template list` lists all templates.",
    });
  }

  return {
    async nameOf(ref) {
      return (await named(ref)).name;
    },
    async find(ref) {
      const { name, which, numbers } = await named(ref);
      const said = await saidOf(records, name);
      const { number, pointer } = chosenOf(name, which, numbers, said);
      const fitting =
        number === undefined
          ? []
          : (await withNumber({ kind: "template", name, version: number }, new Map([[name, said]]))).filter(
              ({ digest }) => pointer === undefined || pointer.digest === digest,
            );
      return oneOf(fitting, { ref, name, number, numbers });
    },

    async passedOver(ref, { manifest: { name, version } }) {
      if (ref.includes("@")) return [];
      const { revocations } = await saidOf(records, name);
      return (await numbersOf(name))
        .filter((number) => compareVersions(number, version) > 0 && revocations.has(number))
        .map(
          (number) =>
            `${name}@${number} is newer and was revoked (${revocations.get(number)?.reason}); this is ${version}`,
        );
    },

    async previous({ manifest: { kind, name, version } }) {
      if (kind !== "template") return undefined;
      const number = (await numbersOf(name)).findLast((one) => compareVersions(one, version) < 0);
      if (number === undefined) return undefined;
      const said = new Map([[name, await saidOf(records, name)]]);
      return (await withNumber({ kind, name, version: number }, said)).at(-1);
    },

    async lineage(entry) {
      const line = new Map<Digest, Found>([[entry.digest, entry]]);
      for (let next = entry.manifest.parent; next !== undefined && !line.has(next); ) {
        const kept = await store.get(next);
        const which = kept ?? (await records.lines()).get(next);
        if (!which) break;
        const said = new Map([[which.name, await saidOf(records, which.name)]]);
        const found = (await withNumber(which, said)).find(({ digest }) => digest === next);
        if (!found) break;
        line.set(next, found);
        next = found.manifest.parent;
      }
      return [...line.values()];
    },

    async isUsable(name, { version, digest }) {
      const said = new Map([[name, await saidOf(records, name)]]);
      const found = await withNumber({ kind: "template", name, version }, said);
      return found.some((one) => one.digest === digest && !one.revoked);
    },
  };
}

/** The number that the user means, and the channel or tag that points at it. */
function chosenOf(name: string, which: string | undefined, numbers: readonly string[], said: Said) {
  const pointer = [...said.channels, ...said.tags].find(([one]) => one === which)?.[1];
  const number =
    which === undefined
      ? numbers.findLast((one) => !said.revocations.has(one))
      : (pointer?.version ?? numbers.find((one) => one === which));
  if (number === undefined && which === undefined)
    throw new TbuildError("usage", "all of its versions are revoked", {
      subject: name,
      hint: `To use one anyway, name its version: ${newestOf(numbers, (version) => `${name}@${version}`)}.`,
    });
  return { number, pointer };
}

/** The version that matches. Throws if there is none, or two. */
function oneOf(
  fitting: readonly Found[],
  {
    ref,
    name,
    number,
    numbers,
  }: {
    readonly ref: string;
    readonly name: string;
    readonly number: string | undefined;
    readonly numbers: readonly string[];
  },
): Found {
  const [found, other] = fitting;
  if (!found)
    throw new TbuildError("usage", `${name} has no such version, channel or tag`, {
      subject: ref,
      hint: `Available: ${newestOf(numbers, (version) => version)}.`,
    });
  if (other)
    throw new TbuildError("integrity", "two different versions have this number", {
      subject: `${name}@${number}`,
      lines: fitting.map((one) => `${one.digest} ${one.here ? "in the store" : "in the recipe repo"}`),
      hint: "Two people published the same version. The recorded one is valid. Build the other again with a new number, and remove it from the store with `tbuild template prune --apply`.",
    });
  return found;
}

/** The newest few versions, and how many more there are. */
function newestOf(numbers: readonly string[], words: (version: string) => string): string {
  const shown = numbers.slice(-10).map(words);
  return `${shown.join(", ")}${numbers.length > 10 ? `, and ${numbers.length - 10} older ones` : ""}`;
}
