import type { Command } from "commander";
import type { FitnessTarget } from "../../choices.ts";
import { exitCodes, TbuildError } from "../../errors.ts";
import { findingText } from "../../guest/fitness/finding.ts";
import { type Fitness, fitnessWords } from "../../guest/fitness/fitness.ts";
import { type Kind, type Scanned, scanFolder } from "../../guest/scan.ts";
import { localHost } from "../../host/local.ts";
import { jsonText, shown as shownName } from "../../io/escape.ts";
import { amount } from "../../io/units.ts";
import { interruptible, stays } from "../interrupt.ts";
import { showInventory } from "../inventory.ts";
import { type FarFlags, withImage } from "../named-image.ts";
import { tableRows } from "../table.ts";
import { coloursFor } from "../words.ts";

interface Flags extends FarFlags {
  readonly repair?: boolean;
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly machines?: boolean;
  readonly for?: FitnessTarget;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  const folders = args[0] as readonly string[];
  if (flags.machines) return showInventory(folders, flags, progressOn(process.stderr));
  const [folder = "", other] = folders;
  if (other !== undefined)
    throw new TbuildError("usage", "scanning several folders requires --machines", { subject: other });
  const found = await interruptible(stays.unchanged, (signal) =>
    withImage(folder, flags, async ({ file, far, shown }) => {
      const options = {
        signal,
        onEach: progressOn(process.stderr),
        ...(far && { far }),
        ...(flags.for && { target: flags.for }),
      };
      const scanned = await scanFolder(localHost(), file, options);
      return scanned.map((one) => ({ ...one, file: shown(one.file), remarks: one.remarks.map(shown) }));
    }),
  );
  if (found.length === 0)
    throw new TbuildError("usage", "contains no image", {
      subject: folder,
      hint: "Images are files named .img, .raw, .qcow2, .vmdk, .vdi or .vhd; .ova and .tgz are packed images.",
    });
  const text = flags.json ? found.map((one) => jsonText(one)) : lines(found);
  process.stdout.write(`${text.join("\n")}\n`);
  if (flags.repair) await repairUnarmed(found, flags);
  const isMended = (kind: Kind) => kind === "unarmed template" && flags.repair && !flags.plan;
  // Exits with the code of a check that found something.
  const isUnfit = found.some(({ fitness }) => fitness?.verdict === "unfit");
  if (isUnfit || found.some(({ kind }) => wanting.includes(kind) && !isMended(kind))) process.exitCode ||= 1;
  if (found.some(({ fitness }) => fitness?.verdict === "unknown")) process.exitCode ||= exitCodes.unknown;
}

const wanting: readonly Kind[] = ["unarmed template", "dirty", "unreadable"];

async function repairUnarmed(found: readonly Scanned[], flags: Flags): Promise<void> {
  const unarmed = found.filter(({ kind }) => kind === "unarmed template").map(({ file }) => file);
  const { changeImages } = await import("../change-images.ts");
  const { repairing } = await import("./repair.ts");
  await changeImages(unarmed, flags, repairing());
}

function lines(found: readonly Scanned[]): string[] {
  const colours = coloursFor(process.stdout);
  const rows = found.map(({ file, kind, release = "", owner, fitness, remarks }) => [
    kind,
    shownName(release),
    shownName(file),
    shownName(
      [
        ...(fitness ? [fitnessInShort(fitness)] : []),
        ...(owner ? [`${owner.kind} ${owner.name}`] : []),
        ...remarks,
      ].join("; "),
    ),
  ]);
  const counts = new Map<Kind, number>();
  for (const { kind } of found) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const summary = [...counts].map(([kind, count]) => `${kind}: ${count}`).join(", ");
  const text = tableRows(rows).map((line, i) => {
    const kind = found[i]?.kind ?? "data disk";
    if (kind === "armed template") return colours.green(line);
    return wanting.includes(kind) ? colours.yellow(line) : line;
  });
  return [...text, "", `${amount(found.length, "image")} (${summary})`];
}

/** The verdict, and its target. */
function fitnessInShort(fitness: Fitness): string {
  const why = fitness.findings.filter(({ weight }) => weight === fitness.verdict).map(findingText);
  return [fitnessWords(fitness), ...why].join(": ");
}

function progressOn(stream: NodeJS.WriteStream) {
  let told = 0;
  return (done: number, all: number) => {
    if (!stream.isTTY || (Date.now() - told < 100 && done < all)) return;
    told = Date.now();
    stream.write(done < all ? `\r${done} of ${all} images` : "\r\u001b[K");
  };
}
