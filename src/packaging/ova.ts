import { createHash } from "node:crypto";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { localHost } from "../host/local.ts";
import { tarEnd, tarHeader, tarPadding } from "../tar.ts";
import type { Format } from "./format.ts";
import { ovfDescriptor } from "./ovf.ts";
import { fileParts, writePacked } from "./packed-file.ts";

/** An OVF package in a tar, in the order that OVF wants and Oracle keeps: descriptor, checksums, disks. */
export const ova: Format = {
  name: "ova",
  extension: ".ova",
  needs: ["qemu-img"],
  async pack(template, store, folder, options) {
    const id = `${template.name}-${template.version}`;
    const work = await mkdtemp(join(folder, ".ova-"));
    try {
      const files: { readonly name: string; readonly path: string; readonly bytes: number }[] = [];
      for (const disk of template.disks) {
        const path = join(work, `${disk.name}.vmdk`);
        const argv = [
          "qemu-img",
          "convert",
          ...["-m", "1"],
          "-f",
          "raw",
          "-O",
          "vmdk",
          "-o",
          "subformat=streamOptimized",
          await store.openDisk(disk),
          path,
        ];
        await localHost().run(argv, options.signal ? { signal: options.signal } : {});
        await fixContentId(path, disk.digest);
        files.push({ name: `${disk.name}.vmdk`, path, bytes: (await stat(path)).size });
      }
      const ovf = Buffer.from(
        ovfDescriptor(
          template,
          files.map((file) => ({ href: file.name, bytes: file.bytes })),
        ),
      );
      const sums = [`SHA1(${id}.ovf)= ${createHash("sha1").update(ovf).digest("hex")}`];
      for (const file of files) sums.push(`SHA1(${file.name})= ${await sha1(file.path)}`);
      const checks = Buffer.from(`${sums.join("\n")}\n`);
      const total = files.reduce((sum, file) => sum + file.bytes, 0);
      let done = 0;
      async function* parts(): AsyncIterable<Uint8Array> {
        for (const [name, data] of [
          [`${id}.ovf`, ovf],
          [`${id}.mf`, checks],
        ] as const) {
          yield await tarHeader(name, data.length);
          yield data;
          yield tarPadding(data.length);
        }
        for (const file of files) {
          yield await tarHeader(file.name, file.bytes);
          yield* fileParts(file.path, (bytes) => {
            done += bytes;
            options.progress?.(done, total);
          });
          yield tarPadding(file.bytes);
        }
        yield tarEnd;
      }
      return await writePacked(join(folder, `${id}.ova`), parts(), options);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  },
};

// qemu-img writes a random content id of one to eight digits into the descriptor, a text in an area filled up
// with zeros; from the disk's digest it is the same each time.
async function fixContentId(vmdk: string, digest: string): Promise<void> {
  const handle = await open(vmdk, "r+");
  try {
    const header = Buffer.alloc(512);
    await handle.read(header, 0, header.length, 0);
    const at = Number(header.readBigUInt64LE(28)) * 512;
    const area = Buffer.alloc(Number(header.readBigUInt64LE(36)) * 512);
    await handle.read(area, 0, area.length, at);
    const id = digest.slice("sha256:".length).slice(0, 8);
    const text = area
      .toString("latin1")
      .replace(/\0.*$/s, "")
      .replace(/^CID=.*$/m, `CID=${id}`);
    area.fill(0);
    area.write(text, "latin1");
    await handle.write(area, 0, area.length, at);
  } finally {
    await handle.close();
  }
}

async function sha1(file: string): Promise<string> {
  const hash = createHash("sha1");
  for await (const part of fileParts(file)) hash.update(part);
  return hash.digest("hex");
}
