import type { Leftovers } from "../guest/leftovers/index.ts";
import type { Findings, Outcome } from "../guest/offline.ts";
import { type ClassReport, leftoverClass } from "../guest/residue.ts";
import { memoryClass, notLookedInto } from "../guest/swapped-memory.ts";
import { unusedSpaceClass } from "../guest/unused-space.ts";
import type { OtherVolume } from "../image/disk/other-volumes.ts";
import { shown } from "../io/escape.ts";

function unreadOf(others: readonly OtherVolume[]): OtherVolume[] {
  return others.filter(({ state }) => state === "unknown");
}

/** The names of what could not be inspected: volumes, swap, unused space, and backing files. */
export function unknownOf({
  others,
  classes,
  backing,
}: Pick<Findings, "others" | "classes" | "backing">): string[] {
  // Volumes that the user left out on purpose are reported, but do not count.
  const unseen = classes.filter(
    ({ name, state, why }) =>
      [memoryClass, unusedSpaceClass].includes(name) &&
      state === "unknown" &&
      !why.every((one) => one === notLookedInto),
  );
  return [...[...unreadOf(others), ...unseen].map(({ name }) => name), ...backing.map(backingName)];
}

function backingName(file: string): string {
  return `the backing file ${file}`;
}

/** One line for each thing that a seal does not cover. */
export function accountLines({
  others,
  elsewhere,
  backing,
}: Pick<Findings, "others" | "elsewhere" | "backing">): string[] {
  const unread = unreadOf(others);
  return [
    ...unread.flatMap(({ name, why, next }) => [
      `not inspected: ${name} ${why}`,
      ...(next ? [`  ${next}`] : []),
    ]),
    ...elsewhere.map((line) => `not on this disk: ${line}`),
    ...backing.map(
      (file) => `not inspected: ${backingName(file)}, which contains the disk before its changes`,
    ),
  ].map(shown);
}

/** One line for each state that occurs. The worst state is listed with its reasons. */
export function stateLines(
  findings: Pick<Findings, "classes" | "others" | "elsewhere" | "backing">,
): string[] {
  const { classes } = findings;
  const of = (state: ClassReport["state"]) => classes.filter((one) => one.state === state);
  const reset = of("reset").map(({ name }) => name);
  const reasons = (one: ClassReport) => {
    const why = one.why.map(shown);
    return `${one.name} (${why.length > 3 ? `${why.slice(0, 2).join(", ")} and ${why.length - 2} more` : why.join(", ")})`;
  };
  const where = accountLines(findings).length > 0 ? "reset, in the inspected volumes" : "reset";
  return [
    ...(reset.length > 0 ? [`${where}: ${reset.join(", ")}`] : []),
    ...(of("left").length > 0
      ? [
          `left: ${of("left")
            .map((one) => (one.name === leftoverClass ? one.name : reasons(one)))
            .join("; ")}`,
        ]
      : []),
    ...(of("unknown").length > 0 ? [`unknown: ${of("unknown").map(reasons).join("; ")}`] : []),
  ];
}

const mostLeftoverLines = 40;

/** The findings of the search, a line each. */
export function leftoverLines(leftovers: Leftovers | undefined): string[] {
  const found = leftovers?.found ?? [];
  if (found.length === 0) return [];
  const more = found.length - mostLeftoverLines;
  return [
    ...found.slice(0, mostLeftoverLines).map(({ path, what }) => `left: ${shown(what)} in ${shown(path)}`),
    ...(more > 0 ? [`and ${more} more; --json has all`] : []),
    "to keep something, name it with --keep or in the recipe under `seal: keep:`",
  ];
}

/** The remains of removed data, and where they are. */
export function freedHint({ scrubbed, backing }: Pick<Outcome, "scrubbed" | "backing">): string[] {
  return [
    scrubbed === undefined
      ? "removed data can be recovered from free blocks; --scrub overwrites them"
      : "the undo record still contains the scrubbed data: delete it before you publish the image",
    ...(backing.length > 0
      ? ["to publish the image without its backing file: qemu-img convert -O qcow2 IMAGE COPY"]
      : []),
  ];
}
