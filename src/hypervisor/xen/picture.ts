import { Buffer } from "node:buffer";
import { deflateSync } from "node:zlib";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";

/** The screen of a domain as a PNG. Its device model writes it: qemu before 7.1 knows PPM only. */
export async function takePicture(host: Runner, domain: number): Promise<Uint8Array> {
  const { bytes } = await host.run(["sh", "-c", pictureScript, String(domain)]);
  const png = pngOfPpm(bytes);
  if (png) return png;
  throw new TbuildError("environment", "its device model returned no picture", {
    subject: `domain ${domain}`,
  });
}

/** Converts a PPM (P6, 8 bits) to PNG; `undefined` if it is not a PPM. */
export function pngOfPpm(bytes: Uint8Array): Buffer | undefined {
  const head = /^P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s/.exec(
    Buffer.from(bytes.subarray(0, 64)).toString("latin1"),
  );
  if (!head) return undefined;
  const [start = "", width, height] = head;
  const row = Number(width) * 3;
  const lines: Uint8Array[] = [];
  if (row === 0 || bytes.length < start.length + row * Number(height)) return undefined;
  for (let line = 0; line < Number(height); line++) {
    const at = start.length + line * row;
    // Each line begins with its filter: none.
    lines.push(Buffer.of(0), bytes.subarray(at, at + row));
  }
  const size = Buffer.alloc(13);
  size.writeUInt32BE(Number(width), 0);
  size.writeUInt32BE(Number(height), 4);
  // 8 bits, red, green and blue.
  size.set([8, 2], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    chunk("IHDR", size),
    chunk("IDAT", deflateSync(Buffer.concat(lines))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(kind: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length, 0);
  sum.writeUInt32BE(crc32(body), 0);
  return Buffer.concat([length, body, sum]);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

// The file name has no character with a special meaning in qemu's monitor. qemu writes the file before it
// answers.
const pictureScript = `
umask 077
place=$(mktemp -d /tmp/tbuild-picture.XXXXXX) || exit
trap 'rm -rf "$place"' EXIT
xl qemu-monitor-command "$0" "screendump $place/screen" >&2 || exit
cat "$place/screen"`;
