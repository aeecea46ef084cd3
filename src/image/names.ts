import { isUtf8 } from "node:buffer";

/**
 * Names, link targets and texts of a guest are bytes in any encoding. As strings they are decoded as UTF-8, and each
 * invalid byte becomes a lone surrogate, U+DC80 to U+DCFF, as in Python's PEP 383. So every name has its own string, and
 * converts back byte for byte.
 */
export function stringOf(bytes: Uint8Array): string {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(data)) return data.toString("utf8");
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < data.length; ) {
    const length = (data[at] ?? 0) < 0x80 ? 1 : characterLength(data, at);
    if (length > 0) {
      at += length;
      continue;
    }
    parts.push(data.toString("utf8", from, at), String.fromCharCode(0xdc00 + (data[at] ?? 0)));
    at += 1;
    from = at;
  }
  parts.push(data.toString("utf8", from));
  return parts.join("");
}

/** The bytes for which `stringOf` returns `text`. */
export function bytesOf(text: string): Buffer {
  if (!loneByte.test(text)) return Buffer.from(text);
  const parts: Buffer[] = [];
  let from = 0;
  for (const { index, 0: one } of text.matchAll(loneBytes)) {
    parts.push(Buffer.from(text.slice(from, index)), Buffer.from([one.charCodeAt(0) & 0xff]));
    from = index + 1;
  }
  parts.push(Buffer.from(text.slice(from)));
  return Buffer.concat(parts);
}

const loneByte = /[\udc80-\udcff]/u;
const loneBytes = /[\udc80-\udcff]/gu;

// Of the character of several bytes that starts at `at`; 0 when none does.
function characterLength(data: Buffer, at: number): number {
  const first = data[at] ?? 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  return at + length <= data.length && isUtf8(data.subarray(at, at + length)) ? length : 0;
}
