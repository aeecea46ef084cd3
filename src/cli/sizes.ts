import { TbuildError } from "../errors.ts";

// No file system of a guest or a host takes more, and a larger number of bytes is not exact in JavaScript.
const mostBytes = 1024 * 2 ** 40;

/** Reads a size such as 500M or 200G, in bytes. */
export function readSize(option: string, text: string): number {
  const [, amount, unit = ""] = /^([1-9]\d{0,5})([MGT])$/.exec(text) ?? [];
  if (amount === undefined)
    throw new TbuildError("usage", `${option} "${text}": not a size such as 500M or 200G`);
  const bytes = Number(amount) * ({ M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }[unit] ?? 1);
  if (bytes > mostBytes) throw new TbuildError("usage", `${option} "${text}": more than 1024T`);
  return bytes;
}
