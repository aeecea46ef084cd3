import { join, resolve } from "node:path";
import type { DeviceKind, FitnessTarget, GuestMode, OvmdChoice } from "../choices.ts";
import { checkInterrupted, TbuildError } from "../errors.ts";
import { copyDisk, isBare } from "../guest/convert/partitioned-copy.ts";
import { planConversion } from "../guest/convert/plan.ts";
import { conversion } from "../guest/fitness/finding.ts";
import { bootCodeOf } from "../guest/fitness/firmware.ts";
import { type Fitness, fitnessOrWhy } from "../guest/fitness/fitness.ts";
import type { Done } from "../guest/operation.ts";
import { type Major, readRelease } from "../guest/release.ts";
import type { Host } from "../host/host.ts";
import type { Watch } from "../host/long-work.ts";
import { layoutOf } from "../image/disk/disk.ts";
import { readImageFile } from "../image/file/image-file.ts";
import { openImageFile } from "../image/open.ts";
import type { AccessOptions } from "../image/ways/index.ts";

export interface GuestOptions {
  readonly target: FitnessTarget;
  readonly mode: GuestMode;
  /** `auto` converts the guest if tbuild can; `yes` fails if it cannot. */
  readonly convert: "auto" | "yes" | "no";
  readonly ovmd?: OvmdChoice;
  readonly as?: Major;
  readonly via?: AccessOptions["via"];
  readonly signal?: AbortSignal;
  readonly note: (text: string) => void;
  readonly progress: (text: string, done?: number, total?: number) => void;
}

/** The guest of the new machine. */
export interface PreparedGuest {
  /** The image to read: the original, or an overlay with what differs from it. */
  readonly file: string;
  /** The changes that were made. Left out if nothing was converted. */
  readonly converted?: readonly Done[];
  /** Why nothing was converted. */
  readonly why?: string;
  /** Release of Oracle Linux; 0 if unknown. */
  readonly major: number;
  readonly fitness: Fitness;
  /** Whether the guest has VirtIO drivers. Without them, it gets emulated hardware. */
  readonly devices: DeviceKind;
  /** Its disk boots by UEFI only, whatever its description says. */
  readonly firmware?: "uefi";
}

/**
 * Converts the guest in an overlay in `folder`, and checks the result for its target. The image itself is only read.
 */
export async function prepareGuest(
  host: Host,
  image: string,
  folder: string,
  options: GuestOptions,
): Promise<PreparedGuest> {
  const done =
    options.convert === "no"
      ? { file: image, why: "not asked for" }
      : await convert(host, image, folder, options);
  checkInterrupted(options.signal);
  options.progress("checking the guest");
  const { fitness, major, knowsIde } = await judge(host, done.file, options);
  const isVirtio = options.mode !== "kvm" || fitness.verdict !== "unfit" || !knowsIde;
  const firmware = await firmwareOf(done.file);
  return {
    ...done,
    fitness: adviceOfMigration(fitness, options.mode),
    major,
    devices: isVirtio ? "virtio" : "emulated",
    ...(firmware && { firmware }),
  };
}

/** A migration has the options of `tbuild convert`, so a remedy names them instead of that command. Pure. */
export function adviceOfMigration(fitness: Fitness, mode: GuestMode): Fitness {
  const convert = `${conversion(mode)} `;
  const findings = fitness.findings.map((finding) =>
    finding.remedy?.startsWith(convert)
      ? { ...finding, remedy: `migrate it with ${finding.remedy.slice(convert.length)}` }
      : finding,
  );
  return { ...fitness, findings };
}

async function convert(
  host: Host,
  image: string,
  folder: string,
  { mode, ovmd, as, via, signal, note, progress, convert: wish }: GuestOptions,
): Promise<Pick<PreparedGuest, "file" | "converted" | "why">> {
  const copy = await workingCopy(host, image, folder, mode, { ...(signal && { signal }), progress });
  try {
    await using planned = await planConversion(
      host,
      copy,
      { mode, ...(ovmd && { ovmd }), ...(as !== undefined && { as }) },
      { ...(via && { via }), allowUnmounted: true, note, watch: { ...(signal && { signal }), progress } },
    );
    if (planned.pieces.length === 0) return { file: image, converted: [] };
    await planned.apply(`migrate: convert to ${mode}`);
    return { file: copy, converted: planned.result.pending };
  } catch (error) {
    // Faults of this machine or of tbuild are not the guest's: the migration ends.
    const isGuest =
      error instanceof TbuildError &&
      (["guest", "no-guest", "other-guest", "no-access"].includes(error.code) || error.fault === "guest");
    if (!isGuest || wish === "yes") throw error;
    return { file: image, why: [error.about(copy), ...error.lines].join("; ") };
  }
}

/**
 * The file to change instead of the image: an overlay. A bare file system that firmware is to boot must become a
 * partition of a larger disk, so it is copied; so is a disk that boots by UEFI.
 */
async function workingCopy(
  host: Host,
  image: string,
  folder: string,
  mode: GuestMode,
  watch: Watch,
): Promise<string> {
  // The EFI partition is FAT, which can be changed without a kernel in a raw image only.
  if (mode !== "pvm" && ((await isBare(image)) || (await firmwareOf(image)) === "uefi")) {
    const copy = join(folder, "guest.img");
    await copyDisk(host, image, copy, watch);
    return copy;
  }
  const overlay = join(folder, "guest.qcow2");
  const { format } = await formatOf(image);
  await host.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", resolve(image), "-F", format, overlay]);
  return overlay;
}

async function formatOf(image: string) {
  await using file = await readImageFile(image);
  return { format: file.format };
}

async function firmwareOf(image: string): Promise<"uefi" | undefined> {
  await using disk = await readImageFile(image);
  return (await bootCodeOf(disk, await layoutOf(disk))) === "efi" ? "uefi" : undefined;
}

async function judge(
  host: Host,
  file: string,
  { target, mode, via, signal, note }: GuestOptions,
): Promise<{ fitness: Fitness; major: number; knowsIde: boolean }> {
  const options = { readOnly: true, note, ...(via && { via }), ...(signal && { watch: { signal } }) };
  try {
    await using guest = await openImageFile(host, file, options);
    const fitness = await fitnessOrWhy(host, { file, guest }, target, mode);
    const release = await readRelease(guest.tree).catch((error) => {
      if (error instanceof TbuildError) return undefined;
      throw error;
    });
    const hardware =
      mode === "kvm" && fitness.verdict === "unfit"
        ? await fitnessOrWhy(host, { file, guest }, "xen-4.17", "hvm")
        : undefined;
    return { fitness, major: release?.major ?? 0, knowsIde: hardware?.verdict === "fit" };
  } catch (error) {
    if (!(error instanceof TbuildError) || !["guest", "environment"].includes(error.fault)) throw error;
    const fitness = await fitnessOrWhy(host, { file, why: error.message }, target, mode);
    return { fitness, major: 0, knowsIde: false };
  }
}
