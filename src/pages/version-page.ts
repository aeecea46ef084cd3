import { definitions, page, section, table, text } from "../html.ts";
import { amount, size } from "../io/units.ts";
import { type GuestRecord, type Manifest, workTime } from "../model/manifest.ts";
import { bootSentence, firstBootSentence } from "../model/manifest-sentences.ts";
import { packageVersion } from "../model/rpm-version.ts";
import type { CatalogEntry } from "../store/records/catalog.ts";
import { badges } from "./badges.ts";
import { contractForm } from "./contract-form.ts";
import { sheetFile } from "./style.ts";

export interface VersionPage {
  readonly entry: CatalogEntry;
  readonly manifest: Manifest;
  /** The version and its neighbours, oldest first. */
  readonly versions: readonly CatalogEntry[];
  /** Names of pages that point at a version: `newest`, and the channels. */
  readonly ways: readonly string[];
  /** The version, its parent, and so on. */
  readonly lineage: readonly CatalogEntry[];
  /** The versions that a page of differences compares with this one, nearest first. */
  readonly comparedWith: readonly CatalogEntry[];
}

/** A page that redirects to another page beside it. */
export function leadTo(file: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=${text(file)}">
<title>tbuild</title></head><body><a href="${text(file)}">${text(file)}</a></body></html>
`;
}

/** Everything about one version, with its contract as a form. */
export function versionPage({ entry, manifest, versions, ways, lineage, comparedWith }: VersionPage): string {
  const { revoked } = entry;
  const { name, version, summary, rehearsal, guest, packages } = manifest;
  const others = [...versions]
    .reverse()
    .map(({ manifest: { version: other }, revoked: gone }) =>
      other === version
        ? `<b>${text(other)}</b>`
        : `<a${gone ? ' class="gone"' : ""} href="${other}.html">${text(other)}</a>`,
    );
  const links = ways.map((way) => `<a href="${text(way)}.html">${text(way)}</a>`);
  const changes = comparedWith.map(
    ({ manifest: { version: from } }) =>
      `<a href="${from}..${version}.html">${text(from)} → ${text(version)}</a>`,
  );
  const badge = badges(entry);
  const body = `<header><p class="crumb"><a href="../index.html">Templates</a> · ${text(name)}</p>
<h1>${text(name)}<small>${text(version)}</small></h1>${badge === "" ? "" : `<p>${badge}</p>`}<p class="lead">${text(summary)}</p>
${revoked ? `<p class="warning">Revoked on ${text(revoked.since.slice(0, 10))}: ${text(revoked.reason)}</p>` : ""}
${rehearsal ? '<p class="warning">A rehearsal: made of Debian’s binaries on a stand-in medium. It tests the recipe, and is not Oracle Linux.</p>' : ""}
${others.length > 1 ? `<nav class="versions" aria-label="Versions">${[...others, ...links].join("\n")}</nav>` : ""}
${changes.length > 0 ? `<p class="changes">What changed: ${changes.join(" · ")}</p>` : ""}</header>
${section("In short", definitions(factsOf(manifest)))}
${section("First boot", contractForm(manifest))}
${section("Where it came from", originOf(manifest, lineage))}
${section("Seal", sealOf(manifest))}
${section("Boot trial", manifest.trial.length === 0 ? '<p class="quiet">Untried: no clone of it was booted.</p>' : `<ul class="seen">${manifest.trial.map((seen) => `<li>${text(seen)}</li>`).join("")}</ul>`)}
${guest ? insides(guest) : ""}
${section(`Packages (${packages.length || "not known"})`, packagesOf(manifest))}
${section("To take away", `<p><a href="${version}.json.gz">Manifest</a> (JSON, gzipped) · <a href="${version}.cdx.json.gz">Bill of materials</a> (CycloneDX, gzipped)</p>${bundlesOf(manifest)}`)}`;
  return page(`${name} ${version} · tbuild`, body, { sheet: `../${sheetFile}` });
}

function factsOf(manifest: Manifest): [string, string][] {
  const { release, kernel, domainType, machine, disks, made, guest } = manifest;
  return [
    ["Release", `${release.name}, kernel ${kernel}`],
    ["Domain type", domainType],
    ["Boot", bootSentence(manifest)],
    [
      "Machine",
      `${amount(machine.vcpus, "vcpu")}, ${machine.memoryMib} MiB, vnics: ${machine.nics.join(", ")}`,
    ],
    [
      "Disks",
      disks.map((disk) => `${disk.name}: ${size(disk.bytes)}, ${size(disk.dataBytes)} of data`).join("; "),
    ],
    ["Made", `${made.slice(0, 16).replace("T", " ")} UTC by tbuild ${manifest.tbuild}`],
    ...(guest
      ? ([
          ["Services", guest.services.join(", ")],
          ["First-boot modules", guest.modules.map(({ name }) => name).join(", ")],
        ] satisfies [string, string][])
      : []),
  ];
}

function originOf(manifest: Manifest, lineage: readonly CatalogEntry[]): string {
  const { recipe, git, inputs, build, hosts = {}, parent, makers = {} } = manifest;
  const line = lineage.map(
    ({ manifest: one }) =>
      `<li>${text(one.kind)} ${text(one.name)} ${text(one.version)}, ${text(one.made.slice(0, 10))}</li>`,
  );
  const commit = git
    ? `${git.commit}${git.dirty ? ", with uncommitted changes" : ""}`
    : "not in a git repository";
  const took = workTime(manifest);
  return `<ol class="lineage">${line.join("")}</ol>${parent !== undefined && lineage.length === 1 ? `<p class="note">Its parent, ${text(parent)}, is not known here.</p>` : ""}
${definitions([
  ["Recipe", recipe],
  ["Commit", commit],
  ...(build
    ? ([["Build", `${build}${took > 0 ? `, ${Math.round(took / 1000)} s` : ""}`]] satisfies [
        string,
        string,
      ][])
    : []),
  ...Object.entries(hosts).map(([host, said]): [string, string] => [
    `${host.charAt(0).toUpperCase()}${host.slice(1)}`,
    said,
  ]),
])}
<details><summary>Digests of all inputs <span class="count">${Object.keys(inputs).length}</span></summary>${table(
    ["what", "digest"],
    Object.entries(inputs),
  )}</details>
<details><summary>The tbuild that made each step <span class="count">${Object.keys(makers).length}</span></summary>${table(
    ["step", "tbuild"],
    Object.entries(makers),
  )}</details>
<details><summary>The resolved recipe</summary><pre>${text(pretty(manifest.recipeText))}</pre></details>`;
}

function sealOf(manifest: Manifest): string {
  const { seal, operations } = manifest;
  const done = operations.filter((one) => one.done.length > 0);
  const list = done.map(
    (one) =>
      `<details><summary>${text(one.name)} <span class="count">${one.done.length}</span></summary><ul>${one.done.map((line) => `<li>${text(line)}</li>`).join("")}</ul></details>`,
  );
  const said = seal
    ? `<p>${seal.armed ? "Armed: the next boot configures it." : "<b>Not armed.</b>"} Sealed ${text(seal.how)}; ${amount(seal.audited.length, "operation was", "operations were")} proved on the finished image.${seal.skipped.length > 0 ? ` Left out: ${text(seal.skipped.join(", "))}.` : ""}</p>`
    : `<p class="quiet">${text(firstBootSentence(manifest))}</p>`;
  if (list.length === 0) return said;
  return `${said}<details><summary>Operations <span class="count">${list.length}</span></summary>${list.join("\n")}</details>`;
}

function packagesOf({ packages }: Manifest): string {
  if (packages.length === 0)
    return '<p class="quiet">The package database of the guest could not be read.</p>';
  const rows = packages.map((one) => [
    one.name,
    packageVersion(one),
    one.arch,
    one.license ?? "",
    one.signature ?? "unsigned",
  ]);
  return `<details><summary>Show all</summary>${table(["name", "version", "arch", "licence", "signature"], rows)}</details>`;
}

function insides(guest: GuestRecord): string {
  const people = guest.users.filter(({ uid, name }) => uid >= 500 || name === "root");
  const changed = guest.files.filter((file) => file.text !== undefined && file.text !== "");
  return `${section(
    "Users",
    table(
      ["name", "uid", "home", "shell"],
      people.map((u) => [u.name, String(u.uid), u.home, u.shell]),
    ),
  )}
${section(
  "Files in /etc that differ from their packages",
  changed.length === 0
    ? '<p class="quiet">None.</p>'
    : changed
        .map(
          ({ path, mode, text: content = "" }) =>
            `<details><summary>${text(path)} <span class="count">${text(mode)}</span></summary><pre>${text(content)}</pre></details>`,
        )
        .join("\n"),
)}`;
}

function bundlesOf({ name, version, bundles }: Manifest): string {
  if (bundles.length === 0)
    return `<p class="note">It was not packed in the build: <code>tbuild template bundle ${text(name)}@${text(version)}</code> packs it.</p>`;
  return table(
    ["format", "file", "size", "sha256"],
    bundles.map((one) => [one.format, one.file, size(one.bytes), one.digest.replace("sha256:", "")]),
  );
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2);
  } catch {
    return json;
  }
}
