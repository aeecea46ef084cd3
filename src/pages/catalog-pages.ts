import { manifestText } from "../model/manifest.ts";
import { compare } from "../store/compare/compare.ts";
import { proposalFor } from "../store/compare/proposal.ts";
import { sbomOf } from "../store/compare/sbom.ts";
import { type CatalogEntry, groupedBy, lineageOf, templatesOf } from "../store/records/catalog.ts";
import { diffPage } from "./diff-page.ts";
import { diffFile, listPage, packagesFile, packagesScript, versionFile } from "./list-page.ts";
import { versionPage } from "./version-page.ts";

/**
 * The files of the static catalog, path and text, one at a time, so that a catalog of any size needs no more memory
 * than its largest page. Links are relative, so that it works from a file and from any web server.
 */
export function* catalogPages(
  catalog: readonly CatalogEntry[],
  made: string,
): Generator<readonly [string, string]> {
  const templates = templatesOf(catalog);
  yield ["index.html", listPage(templates, made)];
  yield [packagesFile, packagesScript(templates)];
  for (const versions of groupedBy(templates, ({ manifest }) => manifest.name).values())
    for (const [at, entry] of versions.entries()) yield* pagesOf(catalog, versions, at, entry);
}

function* pagesOf(
  catalog: readonly CatalogEntry[],
  versions: readonly CatalogEntry[],
  at: number,
  entry: CatalogEntry,
): Generator<readonly [string, string]> {
  const { name, version } = entry.manifest;
  const comparedWith = comparedWithOf(versions, at);
  yield [
    versionFile(entry),
    versionPage({
      entry,
      versions: shownWith(versions, at),
      lineage: lineageOf(catalog, entry),
      comparedWith,
    }),
  ];
  yield [`${name}/${version}.json`, manifestText(entry.manifest)];
  yield [`${name}/${version}.cdx.json`, sbomOf(entry.manifest)];
  const crumb = `<a href="../index.html">Templates</a> · <a href="${version}.html">${name} ${version}</a>`;
  for (const from of comparedWith) {
    const difference = compare(from.manifest, entry.manifest);
    yield [diffFile(from, entry), diffPage(difference, proposalFor(difference), crumb)];
  }
}

// A page links to those around its version, to the first and the newest, and to the channels; the list has all.
const around = 5;

function shownWith(versions: readonly CatalogEntry[], at: number): CatalogEntry[] {
  return versions.filter(
    ({ channels }, i) =>
      i === 0 || i === versions.length - 1 || Math.abs(i - at) <= around || channels.length > 0,
  );
}

// The version before, and where somebody who updates comes from: what is stable, and the first of all.
function comparedWithOf(versions: readonly CatalogEntry[], at: number): CatalogEntry[] {
  const older = versions.slice(0, at);
  const stable = older.filter(({ channels }) => channels.includes("stable"));
  return [...new Set([...older.slice(-1), ...stable, ...older.slice(0, 1)])];
}
