import { createPrivateKey } from "node:crypto";
import { openPgpSecret } from "./open-pgp.ts";

/**
 * The kind of private key in a file: as PEM in any quoting, as DER, in base64, or as an OpenPGP packet.
 * `forms` is the decoded text (`readableForms`).
 */
export function privateKeyIn(data: Buffer, text: string, forms: string): string | undefined {
  return pemKey(text) ?? pemKey(forms) ?? derKey(data) ?? base64Key(text) ?? openPgpSecret(data);
}

// RFC 7468 and its kin: a line that names it, followed by base64. A program that only contains the line has
// no base64 after it.
function pemKey(text: string): string | undefined {
  if (text.includes("-----BEGIN ")) {
    for (const { 0: line, 1: kind = "", index } of text.matchAll(beginLine))
      if (isBase64Behind(text.slice(index + line.length, index + line.length + mostBehind)))
        return kind.includes("ENCRYPTED") ? "an encrypted private key" : "a private key";
    if (/-----BEGIN OpenVPN Static key V\d-----[\r\n]+[\da-f]{30,}/.test(text))
      return "a static key of OpenVPN";
  }
  if (/^PuTTY-User-Key-File-\d: /m.test(text)) return "a private key of PuTTY";
  if (text.includes('"kty"') && /"kty"\s*:/.test(text) && /"d"\s*:\s*"[\w-]{8}/.test(text))
    return "a private key";
  if (/^Private-key-format: v\d/m.test(text)) return "a private key of DNSSEC";
  if (/^(?:Created: .*\n)?(?:Key: )?\((?:\d+:)?(?:protected-)?private-key/.test(text))
    return "a private key of GnuPG";
  return undefined;
}

const beginLine = /-----BEGIN ([A-Z0-9 ]{0,40})PRIVATE KEY(?: BLOCK)?-----/g;
const mostBehind = 1024;

// Text between the lines: line ends, also written as `\n` or `\u000a`, indentation, quotes, comment signs.
const between = /(?:\\+(?:[rnt]|u000[ad])|\\+\r?\n|[\s>|#*"'`,;])+/;

function isBase64Behind(text: string): boolean {
  const lines = text.replace(/^(?:\\+[rnt]|\s)*(?:[A-Za-z-]+: [^\r\n\\]{0,200}(?:\\+[rn]|[\r\n])+){1,6}/, "");
  const [first = "", second = "", third = ""] = lines.split(between).filter((word) => word !== "");
  if (!/^[A-Za-z0-9+/]{16,}=*$/.test(first)) return false;
  return first.length >= 30 || /^[A-Za-z0-9+/=]{14,}$/.test(second.startsWith("-----") ? third : second);
}

const mostDerBytes = 16 * 1024;
const derTypes = ["pkcs8", "pkcs1", "sec1"] as const;

/** PKCS#1, PKCS#8 or SEC 1 in DER, from the first byte to the last. */
function derKey(data: Buffer): string | undefined {
  const bytes = sequenceBytes(data);
  if (bytes === undefined || data.length < bytes || data.length > bytes + 2) return undefined;
  if (encryptedHead.test(data.toString("hex", 0, 40))) return "an encrypted private key";
  for (const type of derTypes)
    try {
      createPrivateKey({ key: data.subarray(0, bytes), format: "der", type });
      return "a private key";
    } catch {
      // Not a key of this type.
    }
  return undefined;
}

/**
 * PKCS#8's EncryptedPrivateKeyInfo in hexadecimal (RFC 5958, section 3): two sequences, and the identifier of an encryption
 * by password, of PKCS#5 or PKCS#12.
 */
const encryptedHead = /^30(?:[0-7].|81..|82.{4})30(?:[0-7].|81..|82.{4})06..2a864886f70d01(?:05|0c01)/;

/** The length of an ASN.1 SEQUENCE with its head (X.690, 8.1), if it may be that of a key. */
function sequenceBytes(data: Buffer): number | undefined {
  if (data[0] !== 0x30 || data.length < 40 || data.length > mostDerBytes) return undefined;
  const [length = 0] = [data[1]];
  if (length < 0x80) return length + 2;
  if (length === 0x81) return data.readUInt8(2) + 3;
  return length === 0x82 ? data.readUInt16BE(2) + 4 : undefined;
}

// A SEQUENCE of this size starts with these letters.
const base64Der = /(?<![\w+/])M[A-P][\w+/-]{46,22000}={0,2}/g;

function base64Key(text: string): string | undefined {
  if (text.includes("\0") || text.length > 1024 * 1024) return undefined;
  const whole = text.length < 24_000 ? text.replaceAll(/\s+/g, "") : "";
  const words = [...text.matchAll(base64Der)].map(([word]) => word);
  if (/^M[A-P][A-Za-z0-9+/]+={0,2}$/.test(whole)) words.push(whole);
  for (const word of words) {
    const key = derKey(Buffer.from(word, "base64"));
    if (key !== undefined) return key;
  }
  return undefined;
}
