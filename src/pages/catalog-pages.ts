import { manifestText } from "../model/manifest.ts";
import { compare } from "../store/compare/compare.ts";
import { proposalFor } from "../store/compare/proposal.ts";
import { sbomOf } from "../store/compare/sbom.ts";
import { type CatalogEntry, lineageOf, templatesOf } from "../store/records/catalog.ts";
import { diffPage } from "./diff-page.ts";
import { diffFile, listPage, versionFile } from "./list-page.ts";
import { versionPage } from "./version-page.ts";

/** The files of the static catalog, path → text. Pure; links are relative, so that it works from a file and from any web server. */
export function catalogPages(catalog: readonly CatalogEntry[], made: string): Map<string, string> {
  const templates = templatesOf(catalog);
  const files = new Map([["index.html", listPage(templates, made)]]);
  for (const entry of templates) {
    const { name, version } = entry.manifest;
    const versions = templates.filter(({ manifest }) => manifest.name === name);
    const comparedWith = comparedWithOf(versions, entry);
    files.set(
      versionFile(entry),
      versionPage({ entry, versions, lineage: lineageOf(catalog, entry), comparedWith }),
    );
    files.set(`${name}/${version}.json`, manifestText(entry.manifest));
    files.set(`${name}/${version}.cdx.json`, sbomOf(entry.manifest));
    const crumb = `<a href="../index.html">Templates</a> · <a href="${version}.html">${name} ${version}</a>`;
    for (const from of comparedWith) {
      const difference = compare(from.manifest, entry.manifest);
      files.set(diffFile(from, entry), diffPage(difference, proposalFor(difference), crumb));
    }
  }
  return files;
}

// The version before, and where somebody who updates comes from: what is stable, and the first of all.
function comparedWithOf(versions: readonly CatalogEntry[], entry: CatalogEntry): CatalogEntry[] {
  const older = versions.slice(0, versions.indexOf(entry));
  const stable = older.filter(({ channels }) => channels.includes("stable"));
  return [...new Set([...older.slice(-1), ...stable, ...older.slice(0, 1)])];
}
