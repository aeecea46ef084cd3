import { gunzipSync } from "node:zlib";
import { TbuildError } from "../../errors.ts";
import { localHost } from "../../host/local.ts";

/** The paths in an initramfs: one cpio archive after another, the last one usually compressed. */
export async function initramfsPaths(image: Uint8Array): Promise<string[]> {
  const paths: string[] = [];
  let rest = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  for (;;) {
    while (rest.length > 0 && rest[0] === 0) rest = rest.subarray(firstNonZero(rest));
    if (rest.length < 6) return paths;
    // An early archive with microcode stands uncompressed in front.
    if (/^07070[12]/.test(rest.toString("latin1", 0, 6))) rest = readCpio(rest, paths);
    else {
      const inner = await decompressed(rest);
      readCpio(inner, paths);
      return paths;
    }
  }
}

const decompressors: readonly { readonly magic: string; readonly argv: readonly string[] }[] = [
  { magic: "fd377a585a00", argv: ["xz", "-dc", "--quiet"] },
  { magic: "28b52ffd", argv: ["zstd", "-dc", "--quiet"] },
  { magic: "425a68", argv: ["bzip2", "-dc"] },
  { magic: "5d0000", argv: ["xz", "-dc", "--format=lzma"] },
  { magic: "02214c18", argv: ["lz4", "-dc"] },
  { magic: "04224d18", argv: ["lz4", "-dc"] },
];

async function decompressed(data: Buffer): Promise<Buffer> {
  const start = data.toString("hex", 0, 6);
  if (start.startsWith("1f8b")) return gunzipSync(data);
  const found = decompressors.find(({ magic }) => start.startsWith(magic));
  if (!found) throw new TbuildError("guest", `initramfs: unknown compression (${start})`);
  return Buffer.from((await localHost().run(found.argv, { input: data })).bytes);
}

// "newc": a header of 110 bytes, the name and the data, each filled up to four bytes.
function readCpio(archive: Buffer, paths: string[]): Buffer {
  let at = 0;
  while (at + 110 <= archive.length) {
    if (!/^07070[12]/.test(archive.toString("latin1", at, at + 6)))
      throw new TbuildError("guest", "initramfs: a damaged cpio archive");
    const number = (field: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + field * 8, at + 14 + field * 8), 16);
    const [size, nameLength] = [number(6), number(11)];
    const name = archive.toString("utf8", at + 110, at + 110 + nameLength - 1);
    at = filled(filled(at + 110 + nameLength) + size);
    if (name === "TRAILER!!!") break;
    paths.push(name);
  }
  return archive.subarray(at);
}

function filled(at: number): number {
  return Math.ceil(at / 4) * 4;
}

function firstNonZero(data: Buffer): number {
  const found = data.findIndex((byte) => byte !== 0);
  return found < 0 ? data.length : found;
}
