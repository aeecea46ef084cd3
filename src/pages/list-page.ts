import { page, section, text } from "../html.ts";
import { amount, size } from "../io/units.ts";
import { groupedBy } from "../store/grouped-by.ts";
import type { CatalogEntry } from "../store/records/catalog.ts";
import { badges } from "./badges.ts";
import { sheetFile } from "./style.ts";

/** All templates, a section for each name, newest version first. */
export function listPage(templates: readonly CatalogEntry[], made: string): string {
  const byName = groupedBy(templates, ({ manifest }) => manifest.name);
  const names = [...byName.keys()].sort();
  const body = `<header><p class="crumb">tbuild</p><h1>Templates</h1>
<p class="lead">${amount(names.length, "template")}, ${amount(templates.length, "version")}, as of ${text(made.slice(0, 16).replace("T", " "))} UTC</p>
${templates.length > 5 ? '<input class="search" id="search" type="search" placeholder="Search name, release, channel, package…" aria-label="Search">' : ""}</header>
${names.map((name) => ofName([...(byName.get(name) ?? [])].reverse())).join("\n")}
${names.length === 0 ? section("Nothing has been published yet", '<p class="note">A build publishes a version: <code>tbuild recipe NAME</code>; <code>tbuild template import FILE</code> imports a template or an image. Then make these pages again.</p>') : ""}
<p class="quiet" id="none" hidden>No version has all of these words.</p>
<script src="${packagesFile}"></script>
<script>${script}</script>`;
  return page("Templates · tbuild", body, { sheet: sheetFile });
}

function ofName(versions: readonly CatalogEntry[]): string {
  const newest = versions[0];
  if (!newest) return "";
  const { name, summary } = newest.manifest;
  return `<section><h2>${text(name)}</h2><p class="note">${text(summary)}</p>
<div class="scroll"><table class="templates"><colgroup>${[8, 19, 17, 19, 9, 9, 10, 9].map((share) => `<col style="width:${share}%">`).join("")}</colgroup><thead><tr><th>Version</th><th></th><th>Release</th><th>Domain type</th><th class="num">Packages</th><th class="num">Data</th><th>Made</th><th>Changes</th></tr></thead><tbody>
${versions.map((entry, i) => row(entry, versions[i + 1])).join("\n")}
</tbody></table></div></section>`;
}

function row(entry: CatalogEntry, before: CatalogEntry | undefined): string {
  const { manifest, revoked } = entry;
  const { name, version, release, domainType, packages, disks, made } = manifest;
  const words = [name, version, release.name, domainType, ...entry.channels, ...entry.tags];
  const searched = words.join(" ").toLowerCase();
  const data = disks.reduce((sum, disk) => sum + disk.dataBytes, 0);
  const changes = before
    ? `<a href="${diffFile(before, entry)}">since ${text(before.manifest.version)}</a>`
    : '<span class="quiet">the first</span>';
  return `<tr${revoked ? ' class="gone"' : ""} data-words="${text(searched)}"><td><a href="${versionFile(entry)}">${text(version)}</a></td><td>${badges(entry)}</td><td data-label="Release">${text(release.name)}</td><td data-label="Domain type">${text(domainType)}</td><td data-label="Packages" class="num">${packages.length || "–"}</td><td data-label="Data" class="num">${size(data)}</td><td data-label="Made">${text(made.slice(0, 10))}</td><td data-label="Changes">${changes}</td></tr>`;
}

/** The data file with the packages of each version, for the search. */
export const packagesFile = "packages.js";

/**
 * Package names, each set once, and the number of each version's set, in list order. It is a script, not JSON, because a
 * page opened from a file may load scripts but not JSON.
 */
export function packagesScript(templates: readonly CatalogEntry[]): string {
  const sets = new Map<string, number>();
  const which: Record<string, number> = {};
  for (const entry of templates) {
    const words = [...new Set(entry.manifest.packages.map(({ name }) => name))]
      .sort()
      .join(" ")
      .toLowerCase();
    if (!sets.has(words)) sets.set(words, sets.size);
    which[versionFile(entry)] = sets.get(words) ?? 0;
  }
  const json = (value: unknown) => JSON.stringify(value).replace(/</g, "\\u003c");
  return `const packageSets = ${json([...sets.keys()])};\nconst packagesOf = ${json(which)};\n`;
}

/** The path of a version's page from the front page. */
export function versionFile({ manifest }: CatalogEntry): string {
  return `${manifest.name}/${manifest.version}.html`;
}

/** The path of the page that compares two versions, from the front page. */
export function diffFile(from: CatalogEntry, to: CatalogEntry): string {
  return `${to.manifest.name}/${from.manifest.version}..${to.manifest.version}.html`;
}

const script = `
const packagesIn = (row) => packageSets[packagesOf[row.querySelector("a").getAttribute("href")]] ?? "";
const search = document.getElementById("search");
search?.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const row of document.querySelectorAll("tr[data-words]"))
    row.hidden = !words.every((word) => row.dataset.words.includes(word) || packagesIn(row).includes(word));
  for (const section of document.querySelectorAll("section"))
    section.hidden = [...section.querySelectorAll("tr[data-words]")].every((row) => row.hidden);
  document.getElementById("none").hidden = document.querySelector("section:not([hidden])") !== null;
});`;
