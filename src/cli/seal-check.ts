import { exitCodes } from "../errors.ts";
import { checkImage, type Findings, type Job } from "../guest/offline.ts";
import { localHost } from "../host/local.ts";
import { jsonText, printable, shown } from "../io/escape.ts";
import { amount } from "../io/units.ts";
import { type ChangeFlags, eachImage, inOneMachine, interruptedBy, shownDone } from "./change-images.ts";
import { stays } from "./interrupt.ts";
import { accountLines, leftoverLines, stateLines, unknownOf } from "./seal-lines.ts";
import { viaOption } from "./via-option.ts";
import { coloursFor } from "./words.ts";

interface CheckFlags extends ChangeFlags {
  readonly residue?: boolean;
}

/** `seal --check`: reports for each image what is pending and what is left. Changes nothing. */
export async function checkSeal(
  images: readonly string[],
  flags: CheckFlags,
  job: Pick<Job, "operations" | "search" | "as" | "swap">,
): Promise<void> {
  const colours = coloursFor(process.stdout);
  const { together, isDone, done } = inOneMachine(images);
  await eachImage(images, flags, stays.unchanged, async ({ name: image, file, far, shown: here }, signal) => {
    if (!far && (await isDone(file))) return;
    const findings = await checkImage(
      localHost(),
      file,
      { ...interruptedBy(signal, job), residue: flags.residue ?? false },
      {
        ...viaOption(flags.via),
        ...(far ? { far } : { together }),
        ...(flags.allowUnmounted && { allowUnmounted: true }),
        note: (text) => process.stderr.write(`${printable(here(text))}\n`),
        watch: { signal },
      },
    );
    for (const one of findings.with ?? []) done(one);
    const isClean = findings.classes.every(({ state }) => state !== "left") && findings.pending.length === 0;
    // Accepting unknown parts changes the exit code, but not the report.
    const unread = unknownOf(findings);
    if (!isClean) process.exitCode ||= 1;
    else if (unread.length > 0 && !flags.allowUnmounted) process.exitCode ||= exitCodes.unknown;
    if (flags.json) {
      const sealed = isClean && unread.length > 0 ? "unknown" : isClean;
      process.stdout.write(`${jsonText({ image, sealed, ...findings })}\n`);
      return;
    }
    const lines = [
      ...findings.pending.map(shownDone).map(({ name, done }) => `${colours.cyan(name)}: ${done.join(", ")}`),
      ...accountLines(findings),
      ...stateLines(findings),
      ...leftoverLines(findings.leftovers),
    ];
    const found = `${shown(findings.release.name)}, by ${findings.via}: ${verdict(findings, unread)}`;
    process.stdout.write(
      `${[`${[image, ...(findings.with ?? [])].map((one) => colours.bold(one)).join(" and ")}  ${found}`, ...lines.map((line) => `  ${line}`)].join("\n")}\n`,
    );
  });
}

function verdict({ classes, pending }: Findings, unread: readonly string[]): string {
  if (pending.length > 0) return `pending: ${amount(pending.length, "operation")}`;
  if (classes.some(({ state }) => state === "left")) return "nothing is pending, but identities are left";
  if (unread.length === 0) return "nothing is pending";
  return `nothing is pending in the inspected volumes; ${unread.join(", ")} could not be inspected`;
}
