import type { BuildResult } from "../build/build.ts";
import { type Colours, clock, size, table } from "./words.ts";

/** What a person wants to know at the end of a build. */
export function summaryOf(result: BuildResult, colours: Colours): string {
  const { manifest } = result;
  const steps = Object.entries(result.ran).map(([step, ms]) => [`  ${step}`, clock(ms)]);
  const disk = manifest.disks[0];
  return [
    "",
    colours.bold(`${manifest.name}@${manifest.version}`) +
      (manifest.rehearsal ? colours.yellow("  a rehearsal, not for use") : ""),
    `  ${manifest.summary}`,
    `  ${manifest.domainType}, kernel ${manifest.kernel}, ${manifest.packages.length} packages, ${disk ? `${size(disk.bytes)} disk with ${size(disk.dataBytes)} of data` : ""}`,
    ...manifest.trial.map((seen) => `  ${colours.green("✓")} ${seen}`),
    steps.length === 0 ? "Nothing to do: everything was kept." : `What ran:\n${table(steps)}`,
    `Bundles in ${result.bundleFolder}:`,
    table(
      manifest.bundles.map((bundle) => [`  ${bundle.file}`, size(bundle.bytes), bundle.digest.slice(7, 19)]),
    ),
    `Report: ${result.report}`,
  ].join("\n");
}
