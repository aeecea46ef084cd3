import { truncate } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import type { Host, RunOptions } from "../../host/host.ts";
import { printable } from "../../io/escape.ts";
import type { Volume } from "../access.ts";
import { type Layout, layoutOf, tableOf } from "../disk/disk.ts";
import type { Partition, PartitionTable } from "../disk/partitions.ts";
import { checkFileSystem, faultsOf } from "../ext/e2fsck.ts";
import type { Format } from "../file/format.ts";
import { readImageFile } from "../file/image-file.ts";
import { partView, type RawView, rawView } from "../file/raw-view.ts";
import { umlMachine } from "../ways/uml-machine.ts";
import type { Target } from "./target.ts";

/** A disk after its enlargement. */
export interface Grown {
  readonly partition?: Partition;
  readonly volume: Volume;
}

/** Enlarges a disk, its last partition, and the contents of that, with the system's own tools. `file` is our own copy. */
export async function grow(
  host: Host,
  { file, format, bytes }: { readonly file: string; readonly format: Format; readonly bytes: number },
  target: Target,
  { signal }: RunOptions = {},
): Promise<Grown> {
  const options = signal ? { signal } : {};
  if (format === "raw") await truncate(file, bytes);
  else await host.run(["qemu-img", "resize", "-q", "-f", format, file, String(bytes)], options);
  if (target.partition) {
    await using disk = await wholeView(host, file, format);
    await growPartition(host, disk.file, target.partition, options);
  }
  const partition = target.partition && (await partitionIn(file, target.partition.name));
  if (target.volume.fs.startsWith("ext") && target.group === undefined) {
    const { offset, bytes: all } = partition ?? { offset: 0, bytes };
    // resize2fs truncates a file after the last block.
    await using part = await partView(host, file, format, { offset, bytes: all - (all % 4096) });
    await growExt(host, part.file, options);
  } else {
    await using disk = await wholeView(host, file, format);
    await growInKernel(disk.file, target, options);
  }
  return { ...(partition && { partition }), volume: await volumeIn(file, target.volume.name) };
}

async function wholeView(host: Host, file: string, format: Format): Promise<RawView> {
  return format === "raw" ? { file, async [Symbol.asyncDispose]() {} } : rawView(host, file, false);
}

async function growPartition(
  host: Host,
  disk: string,
  { name }: Partition,
  options: RunOptions,
): Promise<void> {
  const sfdisk = (argv: readonly string[], input?: string) =>
    host.run(["sfdisk", "--no-reread", "--no-tell-kernel", "-q", ...argv, disk], {
      ...options,
      ...(input !== undefined && { input }),
    });
  const { table, partitions } = await tableIn(disk);
  // The second table of a GPT belongs at the end of the disk.
  if (table === "gpt") await sfdisk(["--relocate", "gpt-bak-std"]);
  const number = name.slice(1);
  const extended = table === "mbr" && Number(number) > 4 ? await extendedIn(host, disk) : undefined;
  if (extended !== undefined) await sfdisk(["-N", extended], ", +\n");
  await sfdisk(["-N", number], ", +\n");
  const { stdout, stderr, exitCode } = await host.run(["sfdisk", "--verify", disk], {
    ...options,
    allow: [1],
  });
  if (exitCode !== 0)
    throw new TbuildError("integrity", "sfdisk found errors in the partition table", {
      subject: disk,
      lines: `${stdout}${stderr}`.trim().split("\n").map(printable),
    });
  const others = (all: readonly Partition[]) =>
    all
      .filter((one) => one.name !== name)
      .map((one) => `${one.name} ${one.offset} ${one.bytes}`)
      .join(", ");
  if (others((await tableIn(disk)).partitions) !== others(partitions))
    throw new Error("sfdisk has moved another partition");
}

async function extendedIn(host: Host, disk: string): Promise<string | undefined> {
  const { stdout } = await host.run(["sfdisk", "--json", disk]);
  const { partitiontable } = JSON.parse(stdout) as {
    partitiontable: { partitions: readonly { node: string; type: string }[] };
  };
  const extended = partitiontable.partitions.find(({ type }) => /^(?:5|f|85)$/i.test(type));
  return extended && /(\d+)$/.exec(extended.node)?.[1];
}

async function growExt(host: Host, device: string, options: RunOptions): Promise<void> {
  // resize2fs refuses a file system that was not just checked.
  await checkFileSystem(host, device, options.signal && { signal: options.signal });
  await host.run(["resize2fs", device], options);
  const faults = await faultsOf(host, device, options.signal);
  if (faults.length > 0)
    throw new TbuildError("integrity", "e2fsck found errors after resize2fs", {
      subject: device,
      lines: faults,
    });
}

// Only a kernel can grow LVM and XFS. A separate kernel does it, with this machine's tools and no other disk.
async function growInKernel(
  disk: string,
  { partition, volume, group }: Target,
  { signal }: RunOptions,
): Promise<void> {
  const number = partition?.name.slice(1) ?? "";
  if (Number(number) > 15)
    throw new TbuildError("environment", `${partition?.name} has no device in User-mode Linux`, {
      subject: disk,
    });
  const physical = `/dev/ubda${number}`;
  const device = group === undefined ? physical : `/dev/mapper/${mapperName(volume.name)}`;
  const script = [
    "set -e; mount -t tmpfs tmpfs /run",
    ...(group === undefined
      ? []
      : [
          'insmod "/usr/lib/uml/modules/$(uname -r)/kernel/drivers/md/dm-mod.ko"',
          `lvm pvresize -q ${lvmOptions} ${physical}`,
          `lvm lvextend -q -l +100%FREE ${lvmOptions} ${volume.name}`,
          `lvm lvchange -q -ay -K ${lvmOptions} ${volume.name}`,
        ]),
    ...(volume.fs === "xfs"
      ? [
          "mkdir /mnt/grown",
          `mount -t xfs -o nouuid ${device} /mnt/grown; xfs_growfs /mnt/grown; umount /mnt/grown`,
          `xfs_repair -n ${device}`,
        ]
      : [`e2fsck -fp ${device} || test $? -eq 1`, `resize2fs ${device}`, `e2fsck -fn ${device}`]),
    ...(group === undefined ? [] : [`lvm vgchange -q -an ${lvmOptions} ${group}`]),
    "sync",
  ].join("\n");
  const machine = await umlMachine(disk, { readOnly: false, ...(signal && { signal }) });
  try {
    await machine.run(["sh", "-c", script], signal ? { signal } : {});
  } catch (error) {
    // Leave out the script, which is ours and would not help the user.
    if (!(error instanceof TbuildError)) throw error;
    throw error.with({ subject: "uml", what: `${volume.name} cannot be grown`, lines: error.said });
  } finally {
    await machine.end();
  }
}

// There is no udev and no LVM daemon, and nothing may be stored outside of the disk.
const lvmOptions = `--config '${[
  'devices { filter=["a|^/dev/ubd|", "r|.*|"] use_devicesfile=0 }',
  "activation { udev_sync=0 udev_rules=0 monitoring=0 }",
  "backup { backup=0 archive=0 }",
].join(" ")}'`;

// As device-mapper writes it: a hyphen in a name is doubled.
function mapperName(volume: string): string {
  return volume
    .split("/")
    .map((part) => part.replaceAll("-", "--"))
    .join("-");
}

async function partitionIn(disk: string, name: string): Promise<Partition> {
  const found = (await tableIn(disk)).partitions.find((one) => one.name === name);
  if (!found) throw new Error(`sfdisk has removed ${name}`);
  return found;
}

async function volumeIn(disk: string, name: string): Promise<Volume> {
  const { volumes } = await inDisk(disk, (reader): Promise<Layout> => layoutOf(reader));
  const found = volumes.find((one) => one.name === name);
  if (!found) throw new Error(`${name} is gone`);
  return found;
}

function tableIn(disk: string): Promise<PartitionTable> {
  return inDisk(disk, tableOf);
}

async function inDisk<Found>(
  disk: string,
  read: (reader: Awaited<ReturnType<typeof readImageFile>>) => Promise<Found>,
): Promise<Found> {
  await using reader = await readImageFile(disk);
  return await read(reader);
}
