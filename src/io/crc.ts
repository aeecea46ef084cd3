/** CRC-32C, as in ext4: without inversion at either end, so sums can be continued. */
export function crc32c(start: number, data: Uint8Array): number {
  let sum = start;
  for (const byte of data) sum = (castagnoli[(sum ^ byte) & 0xff] ?? 0) ^ (sum >>> 8);
  return sum >>> 0;
}

/** CRC-16 of ext4's older group checksums. */
export function crc16(start: number, data: Uint8Array): number {
  let sum = start;
  for (const byte of data) sum = (arc[(sum ^ byte) & 0xff] ?? 0) ^ (sum >>> 8);
  return sum;
}

const castagnoli = tableOf(0x82f63b78);
const arc = tableOf(0xa001);

function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value >>> 0;
  });
}
