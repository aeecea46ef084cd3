import type { BuildResult, StoppedBuild } from "../build/build.ts";
import { amount } from "../io/units.ts";
import { isUntried, type Manifest } from "../model/manifest.ts";
import { compareVersions } from "../model/version.ts";
import { compare } from "../store/compare/compare.ts";
import { inShort } from "../store/compare/difference-words.ts";
import { proposalFor } from "../store/compare/proposal.ts";
import { table } from "./table.ts";
import { type Colours, clock, size } from "./words.ts";

/** The summary at the end of a build. */
export function summaryOf(result: BuildResult, before: Manifest | undefined, colours: Colours): string {
  const { manifest } = result;
  const steps = Object.entries(result.ran).map(([step, ms]) => [`  ${step}`, clock(ms)]);
  const disks = manifest.disks.map((disk) => `${size(disk.bytes)} disk with ${size(disk.dataBytes)} of data`);
  if (steps.length === 0)
    return `${colours.bold(`${manifest.name}@${manifest.version}`)}: nothing to do, every step is cached; bundles in ${result.bundleFolder}`;
  return [
    "",
    colours.bold(`${manifest.name}@${manifest.version}`) +
      (manifest.rehearsal ? colours.yellow("  a rehearsal, not for production") : ""),
    `  ${manifest.summary}`,
    `  ${manifest.domainType}, kernel ${manifest.kernel}, ${amount(manifest.packages.length, "package")}, ${disks.join(", ")}`,
    ...(isUntried(manifest) ? [colours.yellow("  untried: no clone of it was booted")] : []),
    ...manifest.trial.map((seen) => `  ${colours.green("✓")} ${seen}`),
    `What ran:\n${table(steps)}`,
    `Bundles in ${result.bundleFolder}:`,
    table(
      manifest.bundles.map((bundle) => [`  ${bundle.file}`, size(bundle.bytes), bundle.digest.slice(7, 19)]),
    ),
    ...(before ? newsOf(before, manifest, colours) : []),
    `Report: ${result.report}`,
  ].join("\n");
}

/** The last line of a build that stopped after `--until`. */
export function stoppedWords({ id, until, disk }: StoppedBuild): string {
  const where = disk === undefined ? "" : `; its disk: ${disk} (work on a copy)`;
  return `${id}: stopped after ${until}${where}. The same command without --until continues from there.`;
}

/** The changes since the previous version, and whether the version number fits them. */
function newsOf(before: Manifest, manifest: Manifest, colours: Colours): string[] {
  const difference = compare(before, manifest);
  const { version, level, because } = proposalFor(difference);
  const said = `Since ${before.version}: ${inShort(difference)}; tbuild template diff ${manifest.name}`;
  if (level === "none" || compareVersions(version, manifest.version) <= 0) return [said];
  const advice = `The changes call for version ${version} (${level}: ${because.join(", ")}). Raise \`version\` in the recipe`;
  return [said, colours.yellow(advice)];
}
