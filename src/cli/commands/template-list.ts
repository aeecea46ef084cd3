import { once } from "node:events";
import type { Command } from "commander";
import { exitCodes, TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import { isUntried } from "../../model/manifest.ts";
import { knownPlaces } from "../../store/exchange/places.ts";
import { type CatalogEntry, manifestReader, templatesOf, yieldedIn } from "../../store/records/catalog.ts";
import { interruptible } from "../interrupt.ts";
import { openCatalog, openSite } from "../open-site.ts";
import { tableRows } from "../table.ts";
import { age, coloursFor, size } from "../words.ts";

/** Finding shared data means reading the chunk lists of all disks. Reading this much takes a few seconds. */
const mostListBytes = 256 * 2 ** 20;

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const {
    all = false,
    json = false,
    refresh = false,
    own: isOwnWanted = false,
  } = command.opts<{ all?: boolean; json?: boolean; refresh?: boolean; own?: boolean }>();
  if (refresh) await refreshAll(command);
  const { store, records, catalog } = await openCatalog(command);
  const entries = all ? catalog : templatesOf(catalog);
  const own = await store.ownBytes(isOwnWanted ? undefined : mostListBytes);
  if (!own && !json)
    process.stderr.write(
      `OWN was not calculated: the store has more than ${size(mostListBytes)} of chunk lists; --own calculates it\n`,
    );
  if (json) {
    const read = manifestReader(store, records);
    let separator = "[";
    for (const entry of entries) {
      const { manifest: _line, ...said } = entry;
      const one = { ...(await read(entry)), ...said, ownBytes: own?.get(entry.digest) };
      const text = JSON.stringify(one, undefined, 2).replace(/^/gm, "  ");
      if (!process.stdout.write(`${separator}\n${text}`)) await once(process.stdout, "drain");
      separator = ",";
    }
    process.stdout.write(entries.length === 0 ? "[]\n" : "\n]\n");
    return;
  }
  if (entries.length === 0) {
    process.stdout.write("no templates yet\n");
    return;
  }
  const head = ["VERSION", "CHANNEL, TAG", "RELEASE", "DOMAIN TYPE", "DATA", "OWN", "SEALED", "AGE", ""];
  const yielded = new Set(yieldedIn(catalog));
  const rows = entries.map((entry) => rowOf(entry, own?.get(entry.digest), yielded.has(entry)));
  const colours = coloursFor(process.stdout);
  const [first = "", ...rest] = tableRows([head, ...rows]);
  const lines = rest.map((line, i) => (entries[i]?.revoked ? colours.red(line) : line));
  process.stdout.write(`${[colours.dim(first), ...lines].join("\n")}\n`);
}

/** Asks the registries that templates were pushed to or pulled from for new revocations, channels and tags. */
async function refreshAll(command: Command): Promise<void> {
  const { home, host, records } = await openSite(command);
  const places = await knownPlaces(home.store);
  if (places.length === 0)
    process.stderr.write("no registry is known here: push a template or pull one first\n");
  const [{ registryOf }, { parseReference }, { hear, take }] = await Promise.all([
    import("../open-registry.ts"),
    import("../../store/exchange/oci/reference.ts"),
    import("../../store/exchange/oci/pull.ts"),
  ]);
  await interruptible("the answers of the registries so far are recorded", async (signal) => {
    for (const { place, name, plainHttp } of places)
      try {
        const registry = registryOf(host, parseReference(place), { signal, plainHttp });
        const heard = await hear(registry, records);
        await take(heard, records, name, place, (words) => process.stderr.write(`${printable(words)}\n`));
        if (heard.lacking !== undefined) process.exitCode = exitCodes.environment;
      } catch (error) {
        if (!(error instanceof TbuildError)) throw error;
        // The list then shows what is recorded here, which may be out of date.
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
    isUntried(manifest) ? "untried" : "",
    hasYielded ? "the recipe repo records a different version with this number" : "",
    here ? "" : "recorded, but its disk is missing from this store",
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
