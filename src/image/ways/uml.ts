import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { shellQuoted } from "../../host/local.ts";
import type { Watch } from "../../host/long-work.ts";
import type { ImageAccess, Mount, Volume } from "../access.ts";
import { notWritten } from "../file/sync-image.ts";
import type { GuestTree } from "../tree.ts";
import { mountedTree } from "./mounted-tree.ts";
import { byDepth, guestsFault, kernelFileSystems, linearTable, mountOptions, noFolder } from "./mounting.ts";
import { type UmlMachine, umlMachine } from "./uml-machine.ts";
import { programsMemoryMiB, umlPrograms } from "./uml-programs.ts";

/**
 * User-mode Linux: a kernel as an ordinary process, with this machine's programs, and the image as its disk. It opens
 * whatever its kernel supports, without root: XFS, btrfs, logical volumes in pieces.
 */
export function umlAccess(host: Runner): ImageAccess {
  return {
    name: "uml",
    joinsPieces: true,
    runsPrograms: true,
    filesystems: kernelFileSystems,
    async check() {
      await host.run(["linux.uml", "--version"]).catch((cause) => {
        throw new TbuildError("environment", "Debian's package user-mode-linux is not installed", {
          subject: "uml",
          cause,
        });
      });
    },
    async open(image, mounts, { readOnly = false, programs, watch = {} } = {}) {
      const machine = await umlMachine(image, {
        readOnly,
        ...(programs && { ...programs, memoryMiB: programsMemoryMiB }),
        ...(watch.signal && { signal: watch.signal }),
      });
      try {
        return await mountAll(machine, mounts, { readOnly, runs: programs !== undefined }, watch);
      } catch (error) {
        await machine.end();
        throw error;
      }
    },
  };
}

const root = "/mnt/guest";

async function mountAll(
  machine: UmlMachine,
  mounts: readonly Mount[],
  { readOnly, runs }: { readonly readOnly: boolean; readonly runs: boolean },
  watch: Watch,
): Promise<GuestTree> {
  const script = ["set -e", kernelsReason];
  const wants = mounts.some(({ volume }) => deviceOf(volume) === undefined);
  // Debian's kernel has device-mapper as a module only.
  if (wants) script.push('insmod "/usr/lib/uml/modules/$(uname -r)/kernel/drivers/md/dm-mod.ko"');
  for (const [index, { at, volume }] of byDepth(mounts).entries()) {
    const device = deviceOf(volume) ?? `/dev/mapper/v${index}`;
    if (deviceOf(volume) === undefined) script.push(mapping(volume, index));
    const place = `${root}${at === "/" ? "" : at}`;
    // mount(8) would follow a link in the guest out of the guest.
    const word = shellQuoted([place]);
    script.push(`test -d ${word} && test "$(readlink -f ${word})" = ${word} || ${linked(at)}`);
    const mount = ["mount", "-t", volume.fs, "-o", mountOptions(volume, readOnly), device, place];
    script.push(`said=$(${shellQuoted(mount)} 2>&1) || failed ${shellQuoted([device])}`);
  }
  await machine.run(["sh", "-c", script.join("\n")]).catch((cause) => {
    if (!(cause instanceof TbuildError)) throw cause;
    const what = mounts.map(({ volume }) => `${volume.name} (${volume.fs})`).join(", ");
    // Leave out the command, which is our script and would not help the user.
    throw guestsFault(cause.with({ subject: "uml", what: `cannot mount ${what}`, lines: cause.said }));
  });
  return mountedTree(machine, root, {
    watch,
    ...(runs && { programs: umlPrograms(machine, root) }),
    async close() {
      try {
        if (!readOnly) await written(machine);
      } finally {
        await machine.end();
      }
    },
  });
}

// A program ends before its data is on the disk, and does not hear that this machine had no room for it. syncfs(2) does.
async function written(machine: UmlMachine): Promise<void> {
  const script = `grep " ${root}[/ ]" /proc/mounts | while read -r _ at _; do sync -f "$(printf %b "$at")" || exit 1; done`;
  await machine.run(["sh", "-c", script]).catch((cause) => {
    if (!(cause instanceof TbuildError)) throw cause;
    throw notWritten("uml", { lines: cause.said, cause });
  });
}

// Shell: prints the kernel's message about a device that it did not mount, then that of mount(8).
const kernelsReason = `failed() {
  name=$(basename "$(readlink -f "$1")")
  dmesg -t | grep -F "($name)" | tail -n 1 >&2
  echo "$said" >&2
  exit 1
}`;

function linked(at: string): string {
  const what = `${at}: the guest mounts a volume there, and it is not a folder`;
  return `{ ${shellQuoted(["echo", what])} >&2; exit ${noFolder}; }`;
}

// Partitions have devices, up to the fifteenth.
function deviceOf({ name, pieces, isOffTable }: Volume): string | undefined {
  if (name === "disk") return "/dev/ubda";
  if (isOffTable) return undefined;
  const number = Number(/^p(\d+)$/.exec(name)?.[1] ?? 16);
  return number <= 15 && !pieces ? `/dev/ubda${number}` : undefined;
}

function mapping(volume: Volume, index: number): string {
  // There is no udev to create the device node.
  const create = ["env", "DM_DISABLE_UDEV=1", "dmsetup", "create", `v${index}`];
  return `printf '%s\\n' ${shellQuoted([linearTable(volume, "/dev/ubda")])} | ${shellQuoted(create)}`;
}
