import { Buffer } from "node:buffer";

/**
 * How first-boot messages are stored in xenstore, for tbuild's guest additions (`additions/README.md`). Oracle's additions use their own scheme, which is not documented.
 *
 * All paths are below the domain's own folder `/local/domain/DOMID`, in its part `data`: xl creates it and gives it to
 * the guest, so both sides may write there.
 *
 *     data/tbuild/version      ovmd writes its version when it starts: from then on it reads messages
 *     data/tbuild/in/KEY       a message to the guest; ovmd deletes it once it has read it
 *     data/tbuild/out/KEY      what the guest reports; the last value of each key
 *
 * A key is written in the characters that xenstore allows in a node's name (`A-Za-z0-9-_@`): `.` becomes `_`, and each byte of
 * UTF-8 that is not a letter, a digit, `-` or `.` becomes `@` and two hexadecimal digits in capitals.
 *
 * One packet of xenstore holds 4096 bytes, the path and a zero byte included. A value above `mostPart` bytes is cut into parts:
 * first the second and further parts are written as `…/in/KEY/1`, `…/2` and so on, and then the first as the value of `…/in/KEY`
 * itself. So a node that has children and no value is not complete yet, and a node that has a value is.
 */
export const xenstoreNodes = {
  folder: "data/tbuild",
  version: "data/tbuild/version",
  in: "data/tbuild/in",
  out: "data/tbuild/out",
} as const;

/** The maximum bytes of one part of a value. */
export const mostPart = 3000;

/** A node to write, relative to the domain's folder. */
export interface XenstoreWrite {
  readonly node: string;
  readonly value: Buffer;
}

/** A key as the name of a node. */
export function nodeOfKey(key: string): string {
  return [...Buffer.from(key)].map(encodedByte).join("");
}

/** The key that a node's name encodes; `undefined` if it does not encode one. */
export function keyOfNode(name: string): string | undefined {
  if (!/^(?:[A-Za-z0-9_-]|@[0-9A-F]{2})+$/.test(name)) return undefined;
  const bytes = [...name.matchAll(/@(..)|./g)].map(([one, code]) =>
    code === undefined ? (one === "_" ? "." : one).charCodeAt(0) : Number.parseInt(code, 16),
  );
  const key = Buffer.from(bytes).toString();
  // Each key has one name only: `@41` is not a name of `A`.
  return nodeOfKey(key) === name ? key : undefined;
}

/**
 * The nodes to write for a message, in this order. First delete the node of the message if an earlier one
 * with the same key may still exist.
 */
export function messageWrites(key: string, value: string): XenstoreWrite[] {
  const node = `${xenstoreNodes.in}/${nodeOfKey(key)}`;
  const bytes = Buffer.from(value);
  const parts: Buffer[] = [];
  for (let at = mostPart; at < bytes.length; at += mostPart) parts.push(bytes.subarray(at, at + mostPart));
  return [
    ...parts.map((part, at) => ({ node: `${node}/${at + 1}`, value: part })),
    { node, value: bytes.subarray(0, mostPart) },
  ];
}

function encodedByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === ".") return "_";
  return /[A-Za-z0-9-]/.test(character) ? character : `@${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}
