import type { Command } from "commander";
import { exitCodes, TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import { knownPlaces } from "../../store/exchange/places.ts";
import { type CatalogEntry, templatesOf, yieldedIn } from "../../store/records/catalog.ts";
import { interruptible } from "../interrupt.ts";
import { openCatalog, openSite } from "../open-site.ts";
import { age, coloursFor, size, table } from "../words.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const {
    all = false,
    json = false,
    refresh = false,
  } = command.opts<{ all?: boolean; json?: boolean; refresh?: boolean }>();
  if (refresh) await refreshAll(command);
  const { store, catalog } = await openCatalog(command);
  const entries = all ? catalog : templatesOf(catalog);
  const own = await store.ownBytes();
  if (json) {
    const said = entries.map(({ manifest, ...entry }) => ({
      ...manifest,
      ...entry,
      ownBytes: own.get(entry.digest),
    }));
    process.stdout.write(`${JSON.stringify(said, undefined, 2)}\n`);
    return;
  }
  if (entries.length === 0) {
    process.stdout.write("no templates yet\n");
    return;
  }
  const head = ["VERSION", "CHANNEL, TAG", "RELEASE", "DOMAIN TYPE", "DATA", "OWN", "SEALED", "AGE", ""];
  const yielded = new Set(yieldedIn(catalog));
  const rows = entries.map((entry) => rowOf(entry, own.get(entry.digest), yielded.has(entry)));
  const colours = coloursFor(process.stdout);
  const [first = "", ...rest] = table([head, ...rows]).split("\n");
  const lines = rest.map((line, i) => (entries[i]?.revoked ? colours.red(line) : line));
  process.stdout.write(`${[colours.dim(first), ...lines].join("\n")}\n`);
}

/** Asks the registries that templates were pushed to or pulled from what is new: revocations, channels, tags. */
async function refreshAll(command: Command): Promise<void> {
  const { home, host, records } = await openSite(command);
  const places = await knownPlaces(home.store);
  if (places.length === 0)
    process.stderr.write("no registry is known here: push a template or pull one first\n");
  const [{ registryOf }, { parseReference }, { refreshStatements }] = await Promise.all([
    import("../open-registry.ts"),
    import("../../store/exchange/oci/reference.ts"),
    import("../refresh-statements.ts"),
  ]);
  await interruptible(async (signal) => {
    for (const { place, name, plainHttp } of places)
      try {
        const registry = registryOf(host, parseReference(place), { signal, plainHttp });
        await refreshStatements(registry, records, name);
      } catch (error) {
        if (!(error instanceof TbuildError)) throw error;
        // The list is what is known here, all the same; it is only not the newest.
        process.stderr.write(`warning: not refreshed: ${error.message}\n`);
        process.exitCode = exitCodes[error.fault];
      }
  });
}

function rowOf(
  { manifest, here, channels, tags, revoked }: CatalogEntry,
  own: number | undefined,
  hasYielded: boolean,
): string[] {
  const { kind, name, version, release, domainType, disks, seal, rehearsal, made } = manifest;
  const notes = [
    kind === "master" ? "master" : "",
    revoked ? `revoked: ${revoked.reason}` : "",
    rehearsal ? "rehearsal" : "",
    hasYielded ? "the recipe repo records a different version with this number" : "",
    here ? "" : "recorded, its disk is missing from this store",
  ];
  return [
    `${name}@${version}`,
    [...channels, ...tags].join(" ") || "-",
    release.name,
    domainType,
    size(disks.reduce((sum, disk) => sum + disk.dataBytes, 0)),
    own === undefined ? "-" : size(own),
    sealedWord(kind, seal),
    age(made),
    printable(notes.filter(Boolean).join("; ")),
  ];
}

function sealedWord(kind: CatalogEntry["manifest"]["kind"], seal: CatalogEntry["manifest"]["seal"]): string {
  if (kind === "master") return "no";
  // Imported, or built by an older tbuild: not verified.
  if (!seal) return "not known";
  return seal.armed ? `${seal.how}, armed` : `${seal.how}, not armed`;
}
