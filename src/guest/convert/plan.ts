import type { GuestMode, OvmdChoice } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { ChangeOptions, DraftedGuest } from "../../image/change/drafted-guest.ts";
import { type PlannedChange, planChange } from "../../image/change/planned-change.ts";
import { layoutOf } from "../../image/disk/disk.ts";
import { readImageFile } from "../../image/file/image-file.ts";
import type { LockedPath } from "../../image/tree.ts";
import { type BootCode, bootCodeOf } from "../fitness/firmware.ts";
import { applyAll, auditAll, type Done } from "../operation.ts";
import { declareRelease, type Major, type Release, readRelease } from "../release.ts";
import { type BootLoader, makeBootLoader } from "./boot-loader.ts";
import { convertOperations } from "./index.ts";
import { isBare } from "./partitioned-copy.ts";

/** The conversion that is requested. */
export interface Conversion {
  readonly mode: GuestMode;
  readonly ovmd?: OvmdChoice;
  /** The release to treat the guest as, if tbuild does not know its own. */
  readonly as?: Major;
}

export interface Converted {
  readonly release: Release;
  /** The pending work of each operation. Operations without work are left out. */
  readonly pending: readonly Done[];
  /** Files that are changed although they or their folder are locked by chattr. */
  readonly overridden?: readonly LockedPath[];
}

/** Plans a conversion down to every byte that it changes. The image is not changed. */
export async function planConversion(
  host: Host,
  file: string,
  { mode, ovmd, as }: Conversion,
  options: ChangeOptions = {},
): Promise<PlannedChange<Converted>> {
  let loader: BootLoader | undefined;
  if (mode !== "pvm" && (await isBare(file)))
    throw new TbuildError("usage", "is a file system without a partition table, which no firmware boots", {
      subject: file,
      hint: "Convert a copy, which gets a partition table: tbuild convert --out NEW.img.",
    });
  const work = async (guest: DraftedGuest): Promise<Converted> => {
    const { tree } = guest;
    if (as !== undefined) declareRelease(tree, as);
    const release = await readRelease(tree);
    await using disk = await readImageFile(file);
    const layout = await layoutOf(disk);
    const { volumes } = layout;
    const operations = convertOperations(mode, release, { volumes, ...(ovmd && { ovmd }) });
    const done = (await applyAll(tree, operations, options.watch?.progress)).filter(
      (one) => one.done.length > 0,
    );
    if (needsLoader(mode, await bootCodeOf(disk, layout))) {
      loader = await makeBootLoader(host, { tree, mounts: guest.mounts, disk, layout, release });
      done.push({ name: "boot-loader", done: loader.done });
    }
    await tree.commit();
    await checkDone(guest, operations);
    return {
      release,
      pending: done,
      ...(tree.overridden.length > 0 && { overridden: tree.overridden }),
    };
  };
  return planChange(host, file, work, { ...options, outside: async (disk) => loader?.write(disk) });
}

// A paravirtual machine is started by pygrub and needs no boot loader on the disk; an existing GRUB does no harm. A guest
// that boots by UEFI still does so on KVM. Oracle VM's machines have only a BIOS: there, GRUB is added beside the EFI boot loader.
function needsLoader(mode: GuestMode, code: BootCode): boolean {
  return mode !== "pvm" && (code === "none" || (code === "efi" && mode !== "kvm"));
}

// Reads the result again, instead of trusting the operation.
async function checkDone(
  { tree, via }: DraftedGuest,
  operations: ReturnType<typeof convertOperations>,
): Promise<void> {
  const left = await auditAll(tree, operations);
  if (left.length > 0)
    throw new TbuildError("integrity", "the converted image has changes pending", {
      subject: via,
      lines: left.flatMap(({ name, done }) => done.map((one) => `${name}: ${one}`)).slice(0, 20),
      hint: "The image was not changed. This is a bug in tbuild; please report it.",
    });
}
