import { basename } from "node:path";
import { exitCodes, TbuildError } from "../errors.ts";
import { localHost } from "../host/local.ts";
import { filesInUse } from "../image/in-use.ts";
import { jsonText, shown as shownName } from "../io/escape.ts";
import { amount } from "../io/units.ts";
import {
  type Inventory,
  type InventoryDisk,
  type InventoryMachine,
  type Leaving,
  takeInventory,
} from "../migrate/inventory.ts";
import { interruptible, stays } from "./interrupt.ts";
import { type FarFlags, type NamedImage, withImage } from "./named-image.ts";
import { coloursFor, size } from "./words.ts";

/** `tbuild scan --machines`: the machines of repositories instead of their images. */
export async function showInventory(
  folders: readonly string[],
  flags: FarFlags & { readonly json?: boolean },
  onEach: (done: number, all: number) => void,
): Promise<void> {
  const { inventory, shown } = await interruptible(stays.unchanged, (signal) =>
    withFolders(folders, flags, async (opened) => {
      const found = await takeInventory(
        localHost(),
        opened.map(({ file, far }) => ({
          at: file,
          ...(far && { name: basename(far.pathOn(file)) }),
          users: far?.users ?? filesInUse(),
        })),
        { signal, onEach },
      );
      const shown = (text: string) => opened.reduce((words, one) => one.shown(words), text);
      return { inventory: shownIn(found, shown), shown };
    }),
  );
  if (inventory.machines.length === 0 && inventory.orphans.length === 0)
    throw new TbuildError("usage", "contains neither a vm.cfg nor an image", {
      subject: shown(folders.join(", ")),
    });
  process.stdout.write(flags.json ? `${jsonText(inventory)}\n` : `${inventoryLines(inventory).join("\n")}\n`);
  const verdicts = new Set(inventory.machines.map(({ leaves }) => leaves.verdict));
  if (verdicts.has("no") || inventory.usedTwice.some(({ isShared }) => !isShared))
    process.exitCode ||= exitCodes.found;
  else if (verdicts.has("unknown")) process.exitCode ||= exitCodes.unknown;
}

/** Opens all folders at once: a disk of a machine may be in another repository. */
function withFolders<Result>(
  [name, ...others]: readonly string[],
  flags: FarFlags,
  work: (opened: readonly NamedImage[]) => Promise<Result>,
  opened: readonly NamedImage[] = [],
): Promise<Result> {
  if (name === undefined) return work(opened);
  return withImage(name, flags, (one) => withFolders(others, flags, work, [...opened, one]));
}

/** With the user's paths in place of local ones. */
function shownIn(found: Inventory, shown: (text: string) => string): Inventory {
  return {
    ...found,
    machines: found.machines.map((machine) => ({
      ...machine,
      config: shown(machine.config),
      disks: machine.disks.map((disk) => ({
        ...disk,
        ...(disk.file !== undefined && { file: shown(disk.file) }),
      })),
      leaves: { ...machine.leaves, why: machine.leaves.why.map(shown) },
    })),
    orphans: found.orphans.map(shown),
    usedTwice: found.usedTwice.map((one) => ({ ...one, what: shown(one.what) })),
  };
}

/** The inventory as text. Pure. */
export function inventoryLines({ machines, orphans, usedTwice, twins, unread }: Inventory): string[] {
  const colours = coloursFor(process.stdout);
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${line}`)];
  const counts = new Map<string, number>();
  for (const { leaves } of machines) counts.set(leaves.verdict, (counts.get(leaves.verdict) ?? 0) + 1);
  const summary = [...counts].map(([verdict, count]) => `${count} ${words[verdict as Leaving["verdict"]]}`);
  const mistakes = usedTwice.filter(({ isShared }) => !isShared);
  const use = ({ what, by }: Inventory["usedTwice"][number]) =>
    `${shownName(what)}: ${by.map(shownName).join(", ")}`;
  return [
    ...machines.flatMap((machine) => machineLines(machine, colours)),
    ...section("Used by several machines, without being shared (w!):", mistakes.map(use)),
    ...section("Shared disks:", usedTwice.filter(({ isShared }) => isShared).map(use)),
    ...section(
      "Copies of one template (boot disks with the same file systems):",
      twins.map((names) => names.map(shownName).join(", ")),
    ),
    ...section(
      unread === 0
        ? "Images that no vm.cfg names:"
        : `Images that no vm.cfg names, as far as known (${unread} could not be read):`,
      orphans.map(shownName),
    ),
    "",
    `${amount(machines.length, "machine or template", "machines and templates")}; to KVM: ${summary.join(", ") || "none"}`,
  ];
}

const words: Readonly<Record<Leaving["verdict"], string>> = {
  yes: "yes",
  converted: "yes, converted by tbuild migrate",
  no: "no",
  unknown: "not known",
};

function machineLines(machine: InventoryMachine, colours: ReturnType<typeof coloursFor>): string[] {
  const { name, kind, repository, domainType, vcpus, memoryMib, disks, leaves } = machine;
  const { verdict, why } = leaves;
  const colour = { yes: colours.green, converted: colours.green, no: colours.red, unknown: colours.yellow }[
    verdict
  ];
  const facts = [
    ...(kind === "template" ? ["template"] : []),
    ...(repository === undefined ? [] : [`in ${shownName(repository)}`]),
    ...(domainType ? [domainType] : []),
    ...(vcpus === undefined ? [] : [`${amount(vcpus, "CPU")}, ${memoryMib} MiB`]),
  ];
  return [
    `${colours.bold(shownName(name))}  ${facts.join(", ")}`,
    ...disks.map(diskLine),
    `  to KVM: ${colour(words[verdict])}`,
    ...why.map((line) => `    ${shownName(line)}`),
  ];
}

function diskLine({ slot, mode, what, kind, file, bytes }: InventoryDisk): string {
  const about = { image: size(bytes ?? 0), lun: "LUN", missing: "MISSING" }[kind];
  const how = { w: "", r: ", read only", "w!": ", shared" }[mode];
  return `  ${slot.padEnd(5)} ${`${about}${how}`.padEnd(8)} ${shownName(file ?? what)}`;
}
