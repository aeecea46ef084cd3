import { createHash } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { fetchImage, sendImage } from "../../host/transfer.ts";
import { dataRanges } from "../../image/file/holes.ts";
import { reasonOf } from "../../io/file-fault.ts";
import { imageFormat, type VirtualDisk } from "../hypervisor.ts";
import { imagesIn, type XenDisk } from "./machine.ts";

/** The disks of machines on a Xen host. All are raw files there: pygrub and all of Xen's backends read them. */
export interface FarDisks {
  /** Makes a disk as `file` on the Xen host. */
  make(disk: VirtualDisk, file: string): Promise<XenDisk>;
  /** Copies a disc to the Xen host, and returns its path there. */
  disc(local: string): Promise<string>;
  clone(disk: XenDisk, file: string): Promise<XenDisk>;
  fetch(disk: XenDisk, to: string): Promise<void>;
}

/** `here` is tbuild's machine, and `far` the Xen host; they may be one. */
export function farDisks(here: Host, far: Host, folder: string): FarDisks {
  /** Running transfers, so that two clones of one image wait for the same one. */
  const arriving = new Map<string, Promise<string>>();

  async function send(local: string, to: string): Promise<void> {
    const format = imageFormat(local);
    if (format === "raw") return sendImage(far, local, to, await dataRanges(here, local));
    // In a qcow2 file, the guest's bytes are not in order.
    const raw = join(dirname(local), `.${createHash("sha256").update(to).digest("hex").slice(0, 12)}.raw`);
    try {
      await here.run(["qemu-img", "convert", "-f", format, "-O", "raw", local, raw]);
      await sendImage(far, raw, to, await dataRanges(here, raw));
    } finally {
      await rm(raw, { force: true });
    }
  }

  /** An image on the Xen host that several machines are made from. It is sent once. */
  async function image(local: string): Promise<string> {
    const { size, mtimeMs, ino } = await stat(local).catch((cause: NodeJS.ErrnoException) => {
      throw new TbuildError("environment", `cannot be read: ${reasonOf(cause)}`, { subject: local, cause });
    });
    const name = createHash("sha256").update(`${local} ${size} ${mtimeMs} ${ino}`).digest("hex").slice(0, 16);
    const to = join(imagesIn(folder), `${name}.img`);
    const known = arriving.get(to);
    if (known !== undefined) return known;
    const coming = (async () => {
      const { exitCode } = await far.run(["test", "-e", to], { allow: [1] });
      if (exitCode !== 0) await send(local, to);
      return to;
    })();
    arriving.set(to, coming);
    return coming.finally(() => arriving.delete(to));
  }

  const copy = (from: string, to: string) => far.run(["cp", "--sparse=always", "--reflink=auto", from, to]);

  return {
    disc: image,
    async make({ slot, mode, content }, file) {
      if ("existing" in content) return { slot, mode, file: content.existing, isOwn: false };
      if (mode === "shared")
        throw new Error(`disk ${slot}: only a disk that exists apart from the machine can be shared`);
      const own = { slot, mode, file, isOwn: true };
      if ("blank" in content) {
        await far.run(["truncate", "-s", String(content.blank), file]);
        return own;
      }
      if ("copyOf" in content) {
        await send(content.copyOf, file);
        return own;
      }
      await copy(await image(content.grownFrom), file);
      return { ...own, grownFrom: content.grownFrom };
    },
    async clone(disk, file) {
      if (!disk.isOwn) return disk;
      await copy(disk.file, file);
      return { ...disk, file };
    },
    async fetch({ file, grownFrom }, to) {
      if (grownFrom === undefined) return fetchImage(far, file, to);
      const raw = `${to}.raw`;
      try {
        await fetchImage(far, file, raw);
        await growFrom(here, raw, grownFrom, to);
      } finally {
        await rm(raw, { force: true });
      }
    },
  };
}

// The new image contains only the differences. Its backing file has a relative path, so that both can be
// moved together.
async function growFrom(here: Host, raw: string, base: string, to: string): Promise<void> {
  const format = imageFormat(base);
  const rebase = ["qemu-img", "rebase", "-f", "qcow2", "-F", format];
  await here.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", to]);
  await here.run([...rebase, "-b", base, to]);
  await here.run([...rebase, "-u", "-b", relative(dirname(to), base), to]);
}
