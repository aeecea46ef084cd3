/** The encodings of PEP 263 that are one letter a byte and contain Latin-1's letters. */
const latin = /^(?:latin[-_]?1|iso[-_]?8859[-_]?1(?:5)?|l1|cp1252|windows-1252)$/i;
const utf8 = /^(?:utf[-_]?8(?:-sig)?|u8|ascii|us-ascii)$/i;

/** The text of a Python program in the encoding that it declares (PEP 263), without a byte order mark. */
export function sourceText(data: Uint8Array): string {
  const text = Buffer.from(data).toString(isLatin(data) ? "latin1" : "utf8");
  return text.replace(/^\ufeff/, "");
}

/** Whether a Python program declares that it is written in Latin-1 or the like. */
export function isLatin(data: Uint8Array): boolean {
  return latin.test(encodingOf(data)?.name ?? "");
}

/** Whether a Python program declares that it is written in ASCII. */
export function isAscii(data: Uint8Array): boolean {
  return /^(?:us-)?ascii$/i.test(encodingOf(data)?.name ?? "");
}

/** The declared encoding, if it is unknown here. */
export function unknownEncoding(
  data: Uint8Array,
): { readonly name: string; readonly line: number } | undefined {
  const found = encodingOf(data);
  return found === undefined || latin.test(found.name) || utf8.test(found.name) ? undefined : found;
}

function encodingOf(data: Uint8Array): { readonly name: string; readonly line: number } | undefined {
  const head = Buffer.from(data.subarray(0, 1024)).toString("latin1").split("\n").slice(0, 2);
  for (const [index, line] of head.entries()) {
    const name = /^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)/.exec(line)?.[1];
    if (name !== undefined) return { name, line: index + 1 };
  }
  return undefined;
}
