import { lstat, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Packed } from "../bundles/write/format.ts";
import type { Shipment } from "../bundles/write/shipment.ts";
import { ship } from "../bundles/write/shipping-format.ts";
import { shippings } from "../bundles/write/table.ts";
import { TbuildError } from "../errors.ts";
import { type Fitness, fitnessWords } from "../guest/fitness/fitness.ts";
import type { Host } from "../host/host.ts";
import { namedAs, partialFolder, replaceFile } from "../host/partial-file.ts";
import { syncFolder } from "../io/durable.ts";
import { fileFault } from "../io/file-fault.ts";
import { makeFolders } from "../io/folders.ts";
import { uuidOf } from "../model/uuid.ts";
import type { PreparedGuest } from "./guest.ts";
import { imageBytes, imageRuns } from "./image-runs.ts";
import { destinations, type MigrationPlan, shippedDisk } from "./plan.ts";
import type { SourceImage } from "./source.ts";

export interface RunOptions {
  readonly out: string;
  readonly tbuild: string;
  /** ISO 8601, UTC. */
  readonly now: string;
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number) => void;
}

export interface Migrated {
  /** The folder or the archive. */
  readonly path: string;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
}

/** The description and disks of a planned migration, ready to write. */
export async function shipmentFor(
  host: Host,
  plan: MigrationPlan,
  guest: PreparedGuest | undefined,
  { tbuild, now }: Pick<RunOptions, "tbuild" | "now">,
): Promise<Shipment> {
  const { machine, format } = plan;
  const { domainType, title } = destinations[format];
  const boot = plan.disks.find(({ disk, at }) => disk.isBoot && !at)?.disk.from;
  const readFrom = (file: string) =>
    guest && boot?.kind === "image" && boot.file === file ? guest.file : file;
  const sizes = new Map<string, number>();
  for (const { disk, at } of plan.disks)
    if (!at && disk.from.kind === "image")
      sizes.set(disk.from.file, await imageBytes(readFrom(disk.from.file)));
  const image = (from: SourceImage) => ({
    kind: "image" as const,
    bytes: sizes.get(from.file) ?? 0,
    read: (signal: AbortSignal | undefined) => imageRuns(host, readFrom(from.file), from, signal),
  });
  const disks = plan.disks.map((one) => shippedDisk(one, image));
  const converted = guest?.converted && guest.converted.length > 0;
  return {
    id: plan.id,
    title: machine.title,
    summary: machine.summary,
    notes: [
      `Moved from Oracle VM to ${title} by tbuild ${tbuild} on ${now.slice(0, 10)}.`,
      converted ? "Its guest was converted." : "Its guest was not changed.",
      ...(guest ? [fitnessSentence(guest.fitness)] : []),
      ...plan.leftOut.map(({ what, next }) => `Left out: ${what}; ${next}.`),
    ],
    uuid: machine.uuid ?? uuidOf(`${machine.title} ${machine.nics.map(({ mac }) => mac).join(" ")}`),
    made: now,
    domainType,
    firmware: guest?.firmware ?? machine.firmware,
    isTemplate: machine.isTemplate,
    major: guest?.major ?? 0,
    vcpus: machine.vcpus,
    maxVcpus: machine.maxVcpus,
    memoryMib: machine.memoryMib,
    maxMemoryMib: machine.maxMemoryMib,
    nics: plan.nics,
    disks,
    drives: machine.drives,
    devices: guest?.devices ?? "virtio",
  };
}

function fitnessSentence(fitness: Fitness): string {
  const why = fitness.findings
    .filter(({ weight }) => weight === fitness.verdict)
    .map((one) => `${one.about}: ${one.why}`);
  return `${[`Judging by its files, it is ${fitnessWords(fitness)}`, ...why].join("; ")}.`;
}

/** Throws if the name of the result is taken. */
export async function requireFree(plan: MigrationPlan, out: string): Promise<string> {
  const { kind, extension } = shippings[plan.format];
  const path = join(out, kind === "archive" ? `${plan.id}${extension}` : plan.id);
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(error, path);
  });
  if (found)
    throw new TbuildError("usage", "already exists; tbuild overwrites nothing", {
      subject: path,
      hint: "Remove it, or choose another folder: --out FOLDER",
    });
  return path;
}

/**
 * Writes the new machine beside its name, which it gets when it is complete. A failure removes it. The original is compared
 * with its state before it was read.
 */
export async function writeMachine(
  plan: MigrationPlan,
  shipment: Shipment,
  { out, signal, progress }: RunOptions,
): Promise<Migrated> {
  const path = await requireFree(plan, out);
  await makeFolders(out);
  await using part = await partialFolder(out);
  try {
    const before = await marksOf(plan);
    const packed = await ship(shippings[plan.format], shipment, part.path, {
      ...(signal && { signal }),
      ...(progress && { progress }),
    });
    await requireSame(before, await marksOf(plan));
    return { path, files: await put(plan, packed, part.path, out) };
  } catch (error) {
    throw namedAs(fileFault(error, path), part.path, path);
  }
}

async function put(
  plan: MigrationPlan,
  packed: readonly Packed[],
  part: string,
  out: string,
): Promise<Migrated["files"]> {
  const files = packed.map(({ file, bytes, sha256 }) => ({
    name: file.slice(part.length + 1),
    bytes,
    sha256,
  }));
  const isArchive = shippings[plan.format].kind === "archive";
  const sums = files.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join("");
  if (!isArchive) await replaceFile(join(part, "SHA256SUMS"), sums);
  // Another tbuild may have been as quick.
  const path = await requireFree(plan, out);
  await rename(isArchive ? (packed[0]?.file ?? "") : part, path);
  await syncFolder(out);
  return files;
}

type Marks = ReadonlyMap<string, string>;

/** Size and time of the last change of each image that is read. */
async function marksOf(plan: MigrationPlan): Promise<Marks> {
  const marks = new Map<string, string>();
  for (const { disk, at } of plan.disks) {
    if (at || disk.from.kind !== "image") continue;
    const { file } = disk.from;
    const { size, mtimeMs, ino } = await stat(file).catch((error) => {
      throw fileFault(error, file);
    });
    marks.set(file, `${size} ${mtimeMs} ${ino}`);
  }
  return marks;
}

async function requireSame(before: Marks, after: Marks): Promise<void> {
  for (const [file, mark] of before)
    if (after.get(file) !== mark)
      throw new TbuildError("environment", "changed while it was read: a machine or a program writes to it", {
        subject: file,
        hint: "Stop the machine, and run the command again. The partial result was removed.",
      });
}
