/**
 * Decodes the encoded parts of a file: certificates and other base64, percent encoding, and UTF-16. `text`
 * has a character for each byte. So has the result, with one part on each line.
 */
export function readableForms(text: string): string {
  return [...certificates(text), ...base64Words(text), ...percentEncoded(text), ...wide(text)].join("\n");
}

const mostBytes = 1024 * 1024;

function certificates(text: string): string[] {
  if (!text.includes("-----BEGIN CERTIFICATE-----")) return [];
  const blocks = text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,65536})-----END/g);
  return [...blocks].map(([, body = ""]) => Buffer.from(body, "base64").toString("latin1"));
}

// Base64 of the bytes up to 0x7f, three in four characters: their highest bits are zero. A word of a language, or
// random base64, hardly ever looks so. The last group may be incomplete, and the second alphabet has `-` and `_`.
const asciiInBase64 =
  /(?<![\w+/-])(?=[\w+/-]{8})(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][\w+/-])+[\w+/-]{0,3}(?![\w+/-])={0,2}/g;

// Only for data without zero bytes, because compressed data and programs contain such words by chance.
function base64Words(text: string): string[] {
  if (text.length > mostBytes || text.includes("\0")) return [];
  return [...text.matchAll(asciiInBase64)]
    .filter(([word]) => word.length % 4 === 0 || !word.endsWith("="))
    .map(([word]) => Buffer.from(word, "base64").toString("latin1"))
    .filter((decoded) => /^[\s\x20-\x7e]+$/.test(decoded));
}

function percentEncoded(text: string): string[] {
  if (text.length > mostBytes || text.includes("\0") || !/%[\dA-Fa-f]{2}/.test(text)) return [];
  return [
    text.replaceAll(/%([\dA-Fa-f]{2})/g, (_all, code) => String.fromCharCode(Number.parseInt(code, 16))),
  ];
}

// Also for big endian, with zero bytes one place earlier.
function wide(text: string): string[] {
  if (!text.includes("\0")) return [];
  return [...text.matchAll(/(?:[\x20-\x7e]\0){4,}[\x20-\x7e]?/g)].map(([run]) => run.replaceAll("\0", ""));
}
