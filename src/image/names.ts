import { isUtf8 } from "node:buffer";

/**
 * Names, link targets and texts of a guest are bytes in any encoding. As strings they are decoded as UTF-8, and each
 * invalid byte becomes a lone surrogate, U+DC80 to U+DCFF, as in Python's PEP 383. So every name has its own string, and
 * converts back byte for byte.
 */
export function stringOf(bytes: Uint8Array): string {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(data)) return data.toString("utf8");
  const units = new Uint16Array(data.length);
  let length = 0;
  for (let at = 0; at < data.length; ) {
    const first = data[at] ?? 0;
    const bytes = first < 0x80 ? 1 : characterBytes(data, at);
    const code = bytes === 0 ? 0xdc00 + first : codeOf(data, at, bytes);
    at += bytes || 1;
    if (code > 0xffff) {
      units[length++] = 0xd7c0 + (code >> 10);
      units[length++] = 0xdc00 + (code & 0x3ff);
    } else units[length++] = code;
  }
  let text = "";
  for (let from = 0; from < length; from += chunk)
    text += String.fromCharCode(...units.subarray(from, Math.min(from + chunk, length)));
  return text;
}

// A function takes no more arguments than fit on the stack.
const chunk = 8192;

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

// The length of the character of several bytes that starts at `at`; 0 if none does (Unicode 15, table 3-7).
function characterBytes(data: Buffer, at: number): number {
  const first = data[at] ?? 0;
  const bytes = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  const second = data[at + 1] ?? 0;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let next = at + 2; next < at + bytes; next++) if (((data[next] ?? 0) & 0xc0) !== 0x80) return 0;
  return bytes;
}

function codeOf(data: Buffer, at: number, bytes: number): number {
  const first = data[at] ?? 0;
  if (bytes === 1) return first;
  let code = first & (0x7f >> bytes);
  for (let next = at + 1; next < at + bytes; next++) code = (code << 6) | ((data[next] ?? 0) & 0x3f);
  return code;
}
