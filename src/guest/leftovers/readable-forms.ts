/**
 * What of a file is written in another form, as it reads without it: certificates and other base64, percent encoding,
 * and UTF-16. `text` has a character for each byte; so has the result, a form a line.
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

// Of data without zero bytes; what is packed or a program is full of such words by chance.
function base64Words(text: string): string[] {
  if (text.length > mostBytes || text.includes("\0")) return [];
  return [...text.matchAll(/(?<![\w+/])[\w+/-]{8,65536}={0,2}/g)]
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

// Of big endian too, whose zero bytes stand one place before.
function wide(text: string): string[] {
  if (!text.includes("\0")) return [];
  return [...text.matchAll(/(?:[\x20-\x7e]\0){4,}[\x20-\x7e]?/g)].map(([run]) => run.replaceAll("\0", ""));
}
