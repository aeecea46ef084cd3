import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { definitions, list, page, section, table, text } from "../../html.ts";
import { amount, clock, size } from "../../io/units.ts";
import { writeFile } from "../../io/write-file.ts";
import type { Manifest } from "../../model/manifest.ts";
import { bootSentence } from "../../model/manifest-sentences.ts";
import type { BuildContext } from "../step.ts";
import { type BuildRecord, type Picture, readRecord } from "./record.ts";
import { timeline, timelineStyle } from "./timeline.ts";

export interface ReportFacts {
  readonly manifest: Manifest;
  readonly bundleFolder: string;
  /** Milliseconds that each step took when it ran, including kept steps. */
  readonly timings: Readonly<Record<string, number>>;
}

/** The parts of a run that a report shows. */
export interface Run {
  readonly record: BuildRecord;
  /** The last lines of the log. */
  readonly log: readonly string[];
}

/** Writes `report.html` into the build's folder, beside its pictures. */
export async function writeBuildReport(context: BuildContext, facts: ReportFacts): Promise<string> {
  return write(context, (run) => buildReport(context.id, facts, run));
}

export interface Failure {
  /** Describes what happened. */
  readonly error: string;
  readonly lines: readonly string[];
  /** The step in which the failure happened; `undefined` if no step had started. */
  readonly step: string | undefined;
}

/** Writes the report of a build that failed or was interrupted into its folder. */
export async function writeFailureReport(context: BuildContext, failure: Failure): Promise<string> {
  return write(context, (run) => failureReport(context.id, failure, run));
}

async function write({ folder }: BuildContext, pageOf: (run: Run) => string): Promise<string> {
  const record = await readRecord(join(folder, "log.jsonl"));
  const log = await readFile(join(folder, "log.txt"), "utf8").catch(() => "");
  const file = join(folder, "report.html");
  await writeFile(file, pageOf({ record, log: log.trimEnd().split("\n").slice(-logLines) }));
  return file;
}

const logLines = 400;

/** The page of an incomplete build. Pure. */
export function failureReport(id: string, { error, lines, step }: Failure, run: Run): string {
  const last = picturesOf(run.record).at(-1);
  return page(
    `${id} · tbuild`,
    `<header><p class="crumb">tbuild build report · ${text(id)}</p><h1>Not built</h1><p class="warning">${text(error)}</p></header>
${section(step === undefined ? "What happened" : `What happened in ${step}`, `<pre>${text(lines.join("\n"))}</pre>${last ? `<p class="note">The console before it failed:</p>${gallery([last])}` : ""}`)}
${section("What ran", timeline(run.record, {}))}
${section("Console pictures", gallery(picturesOf(run.record)))}
${section("Log", `${wholeLog}<details open><summary>The last ${amount(run.log.length, "line")}</summary><pre>${text(run.log.join("\n"))}</pre></details>`)}
`,
    style,
  );
}

/** The page. Pure: equal inputs give equal text. */
export function buildReport(id: string, facts: ReportFacts, run: Run): string {
  const { manifest } = facts;
  const title = `${manifest.name} ${manifest.version}`;
  return page(
    `${title} · tbuild`,
    `<header><p class="crumb">tbuild build report · ${text(id)}</p><h1>${text(title)}</h1><p class="lead">${text(manifest.summary)}</p>
${manifest.rehearsal ? '<p class="warning">A rehearsal: made of Debian’s binaries on a stand-in medium. It tests the recipe, and is not Oracle Linux.</p>' : ""}</header>
${section("The template", definitions(factsOf(manifest)))}
${section("How it was made", timeline(run.record, facts.timings))}
${section("First boot, seen", list(manifest.trial, "Untried: no clone of it was booted."))}
${section("Bundles", bundles(facts))}
${section("First-boot parameters", parameters(manifest))}
${section("Sealed and converted", operations(manifest))}
${section("Console pictures", gallery(picturesOf(run.record)))}
${section(`Packages (${manifest.packages.length})`, packages(manifest))}
${section("Log", `${wholeLog}<details><summary>The last ${amount(run.log.length, "line")}</summary><pre>${text(run.log.join("\n"))}</pre></details>`)}
`,
    style,
  );
}

const wholeLog = '<p><a href="log.txt">The whole log</a></p>';

function factsOf(manifest: Manifest): [string, string][] {
  const disks = manifest.disks.map(
    (disk) => `${disk.name}: ${size(disk.bytes)}, ${size(disk.dataBytes)} of data, ${disk.digest}`,
  );
  return [
    ["Release", manifest.release.name],
    ["Kernel", manifest.kernel],
    ["Domain type", manifest.domainType],
    ["Boot", bootSentence(manifest)],
    [
      "Machine",
      `${amount(manifest.machine.vcpus, "vcpu")}, ${manifest.machine.memoryMib} MiB, vnics: ${manifest.machine.nics.join(", ")}`,
    ],
    ["Disks", disks.join("; ")],
    ["Made", `${manifest.made.slice(0, 16).replace("T", " ")} UTC by tbuild ${manifest.tbuild}`],
    [
      "Recipe",
      `${manifest.recipe}${manifest.git ? `, commit ${manifest.git.commit}${manifest.git.dirty ? " with changes" : ""}` : ""}`,
    ],
    ...Object.entries(manifest.inputs).map(([name, digest]): [string, string] => [`Input ${name}`, digest]),
    ["Made from", manifest.parent ?? "nothing"],
  ];
}

function bundles(facts: ReportFacts): string {
  const { manifest } = facts;
  const rows = manifest.bundles.map((b) => [
    b.format,
    b.file,
    size(b.bytes),
    b.digest.replace("sha256:", ""),
  ]);
  const url = manifest.bundles.find((bundle) => bundle.format === "ovm-tgz")?.file;
  const hint =
    url === undefined
      ? ""
      : `<p class="note">In Oracle VM Manager: <code>importTemplate Repository name=REPO url="http:////SERVER//${text(url)}"</code> (the CLI requires every slash in a quoted value doubled).</p>`;
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

interface Shown extends Picture {
  readonly step: string;
}

function picturesOf({ steps }: BuildRecord): Shown[] {
  return steps
    .flatMap(({ name, pictures }) => pictures.map((picture) => ({ ...picture, step: name })))
    .sort((one, other) => one.at - other.at);
}

function gallery(pictures: readonly Shown[]): string {
  if (pictures.length === 0) return '<p class="quiet">None: no machine ran in this build.</p>';
  const figures = pictures.map(({ file, step, text: what, at }) => {
    const url = `pictures/${encodeURIComponent(basename(file))}`;
    return `<figure><a href="${url}"><img loading="lazy" src="${url}" alt="${text(what)}"></a><figcaption>${clock(at)} ${text(step)}: ${text(what)}</figcaption></figure>`;
  });
  return `<div class="gallery">${figures.join("")}</div>`;
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

const style = `${timelineStyle}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:1rem}figure{margin:0}img{width:100%;border:1px solid var(--line);border-radius:6px}`;
