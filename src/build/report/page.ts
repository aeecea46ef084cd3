import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { definitions, list, page, section, table, text } from "../../html.ts";
import { writeFile } from "../../io/write-file.ts";
import { bootSentence } from "../../model/known.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { BuildContext } from "../step.ts";

export interface ReportFacts {
  readonly manifest: Manifest;
  readonly bundleFolder: string;
  /** Milliseconds that each step took when it ran, including cached steps. */
  readonly timings: Readonly<Record<string, number>>;
  /** The steps of this run. */
  readonly ran: Readonly<Record<string, number>>;
}

/** Writes `report.html` into the build's folder, beside its pictures. */
export async function writeBuildReport(context: BuildContext, facts: ReportFacts): Promise<string> {
  return write(context, (pictures, log) => buildReport(context.id, facts, pictures, log));
}

export interface Failure {
  /** Describes what happened. */
  readonly error: string;
  readonly lines: readonly string[];
  /** The step in which it happened; `undefined` if none had started. */
  readonly step: string | undefined;
  /** Milliseconds of the steps that finished in this run. */
  readonly ran: Readonly<Record<string, number>>;
}

/** Writes the report of a build that failed or was interrupted into its folder. */
export async function writeFailureReport(context: BuildContext, failure: Failure): Promise<string> {
  return write(context, (pictures, log) => failureReport(context.id, failure, pictures, log));
}

async function write(
  { folder }: BuildContext,
  pageOf: (pictures: readonly string[], log: readonly string[]) => string,
): Promise<string> {
  const pictures = (await readdir(join(folder, "pictures")).catch(() => [])).sort();
  const log = await readFile(join(folder, "log.txt"), "utf8").catch(() => "");
  const file = join(folder, "report.html");
  await writeFile(file, pageOf(pictures, log.split("\n").slice(-400)));
  return file;
}

/** The page of an incomplete build. Pure. */
export function failureReport(
  id: string,
  { error, lines, step, ran }: Failure,
  pictures: readonly string[],
  log: readonly string[],
): string {
  const done = Object.entries(ran).map(([name, ms]) => [name, `${(ms / 1000).toFixed(1)} s`]);
  return page(
    `${id} · tbuild`,
    `<header><p class="crumb">tbuild build report · ${text(id)}</p><h1>Not built</h1><p class="warning">${text(error)}</p></header>
${section(step === undefined ? "What happened" : `What happened in ${step}`, `<pre>${text(lines.join("\n"))}</pre>`)}
${section("Steps of this run that were done, and are kept", done.length > 0 ? table(["step", "took"], done) : '<p class="quiet">None.</p>')}
${section("Console pictures", gallery(pictures))}
${section("Log", `<details open><summary>The last ${log.length} lines</summary><pre>${text(log.join("\n"))}</pre></details>`)}
`,
    style,
  );
}

/** The page. Pure: equal inputs give equal text. */
export function buildReport(
  id: string,
  facts: ReportFacts,
  pictures: readonly string[],
  log: readonly string[],
): string {
  const { manifest } = facts;
  const title = `${manifest.name} ${manifest.version}`;
  return page(
    `${title} · tbuild`,
    `<header><p class="crumb">tbuild build report · ${text(id)}</p><h1>${text(title)}</h1><p class="lead">${text(manifest.summary)}</p>
${manifest.rehearsal ? '<p class="warning">A rehearsal: made of Debian’s binaries on a stand-in medium. It proves the recipe, and is no Oracle Linux.</p>' : ""}</header>
${section("The template", definitions(factsOf(manifest)))}
${section("How it was made", timeline(facts))}
${section("First boot, seen", list(manifest.trial, "No clone was booted: the hypervisor of this site has no channel for first-boot messages."))}
${section("Bundles", bundles(facts))}
${section("First-boot parameters", parameters(manifest))}
${section("Sealed and converted", operations(manifest))}
${section("Console pictures", gallery(pictures))}
${section(`Packages (${manifest.packages.length})`, packages(manifest))}
${section("Log", `<details><summary>The last ${log.length} lines</summary><pre>${text(log.join("\n"))}</pre></details>`)}
`,
    style,
  );
}

function factsOf(manifest: Manifest): [string, string][] {
  const disks = manifest.disks.map(
    (disk) => `${disk.name}: ${gib(disk.bytes)}, ${gib(disk.dataBytes)} of data, ${disk.digest}`,
  );
  return [
    ["Release", manifest.release.name],
    ["Kernel", manifest.kernel],
    ["Domain type", manifest.domainType],
    ["Boot", bootSentence(manifest)],
    [
      "Machine",
      `${manifest.machine.vcpus} vcpus, ${manifest.machine.memoryMib} MiB, vnics: ${manifest.machine.nics.join(", ")}`,
    ],
    ["Disks", disks.join("; ")],
    ["Made", `${manifest.made} by tbuild ${manifest.tbuild}`],
    [
      "Recipe",
      `${manifest.recipe}${manifest.git ? `, commit ${manifest.git.commit}${manifest.git.dirty ? " with changes" : ""}` : ""}`,
    ],
    ...Object.entries(manifest.inputs).map(([name, digest]): [string, string] => [`Input ${name}`, digest]),
    ["Grew out of", manifest.parent ?? "nothing"],
  ];
}

function timeline(facts: ReportFacts): string {
  const longest = Math.max(1, ...Object.values(facts.timings));
  const rows = Object.entries(facts.timings).map(([step, ms]) => {
    const kept = !(step in facts.ran);
    return `<div class="step${kept ? " kept" : ""}"><span>${text(step)}</span><span class="bar"><i style="width:${((100 * ms) / longest).toFixed(1)}%"></i></span><span class="ms">${(ms / 1000).toFixed(1)} s${kept ? ", kept" : ""}</span></div>`;
  });
  const total = Object.values(facts.ran).reduce((sum, ms) => sum + ms, 0);
  return `<div class="timeline">${rows.join("\n")}</div><p class="note">This run took ${(total / 1000).toFixed(0)} s; steps marked “kept” were taken from a checkpoint.</p>`;
}

function bundles(facts: ReportFacts): string {
  const { manifest } = facts;
  const rows = manifest.bundles.map((b) => [b.format, b.file, gib(b.bytes), b.digest.replace("sha256:", "")]);
  const url = manifest.bundles.find((bundle) => bundle.format === "ovm-tgz")?.file;
  const hint =
    url === undefined
      ? ""
      : `<p class="note">In Oracle VM Manager: <code>importTemplate Repository name=REPO url="http:////SERVER//${text(url)}"</code> (the CLI wants every slash in a quoted value doubled).</p>`;
  return `<p>In <code>${text(facts.bundleFolder)}</code></p>${table(["format", "file", "size", "sha256"], rows)}${hint}`;
}

function parameters(manifest: Manifest): string {
  const rows = manifest.contract.map((p) => [
    p.key,
    p.module,
    [p.required ? "required" : "", p.hidden ? "hidden" : "", p.password ? "password" : ""]
      .filter(Boolean)
      .join(", "),
    p.description,
  ]);
  return `${table(["key", "module", "", "means"], rows)}<p class="note">com.oracle.linux.root-password goes last: when it arrives, the modules are run.</p>`;
}

function operations(manifest: Manifest): string {
  return manifest.operations
    .map((operation) => {
      if (operation.done.length === 0) return `<p class="quiet">${text(operation.name)}: nothing to do</p>`;
      return `<details><summary>${text(operation.name)} <span class="count">${operation.done.length}</span></summary><ul>${operation.done.map((line) => `<li>${text(line)}</li>`).join("")}</ul></details>`;
    })
    .join("\n");
}

function gallery(pictures: readonly string[]): string {
  if (pictures.length === 0) return '<p class="quiet">None: no machine ran in this build.</p>';
  return `<div class="gallery">${pictures.map((file) => `<figure><a href="pictures/${encodeURIComponent(file)}"><img loading="lazy" src="pictures/${encodeURIComponent(file)}" alt="${text(file)}"></a><figcaption>${text(file.replace(/\.png$/, ""))}</figcaption></figure>`).join("")}</div>`;
}

function packages(manifest: Manifest): string {
  const rows = manifest.packages.map((p) => [
    p.name,
    `${p.epoch > 0 ? `${p.epoch}:` : ""}${p.version}-${p.release}`,
    p.arch,
    p.signature ?? "unsigned",
  ]);
  return `<details><summary>Show all</summary>${table(["name", "version", "arch", "signature"], rows)}</details>`;
}

function gib(bytes: number): string {
  return bytes >= 1 << 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

const style = `
.step{display:grid;grid-template-columns:11rem 1fr 8rem;gap:1rem;align-items:center;padding:.15rem 0}.bar{background:var(--wash);border-radius:4px;height:.8rem}
.bar i{display:block;height:100%;border-radius:4px;background:var(--mark);min-width:2px}.step.kept .bar i{background:var(--line)}.ms{text-align:right;font-variant-numeric:tabular-nums}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:1rem}figure{margin:0}img{width:100%;border:1px solid var(--line);border-radius:6px}`;
