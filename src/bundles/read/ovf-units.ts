import { childText, type Element } from "../../io/read-xml.ts";
import { shown } from "./tar-entries.ts";

/** A size of an OVF, or a note on why it is not understood; neither if the descriptor has none. */
export interface Quantity {
  readonly value?: number;
  readonly note?: string;
}

// No machine has 16 TiB of memory.
const mostMib = 2 ** 24;

/** The memory in MiB. Without a unit, the amount is in MiB, unless it can only be bytes. */
export function memoryOf(item: Element | undefined): Quantity {
  const said = childText(item, "VirtualQuantity");
  if (said === undefined) return {};
  const unit = childText(item, "AllocationUnits");
  const amount = wholeNumber(said);
  const isBytes = unit === undefined && amount !== undefined && amount >= mostMib;
  const factor = isBytes ? 1 : unitBytes(unit ?? "byte * 2^20");
  const mib = amount === undefined || factor === undefined ? 0 : Math.round((amount * factor) / 2 ** 20);
  if (mib < 1)
    return {
      note: `its memory is not understood: ${shown(said)}${unit === undefined ? "" : ` in units of ${shown(unit)}`}`,
    };
  return isBytes
    ? { value: mib, note: `its memory has no unit; ${amount} was read as bytes` }
    : { value: mib };
}

export function vcpusOf(item: Element | undefined): Quantity {
  const said = childText(item, "VirtualQuantity");
  if (said === undefined) return {};
  const value = wholeNumber(said) ?? 0;
  return value > 0 ? { value } : { note: `its number of CPUs is not understood: ${shown(said)}` };
}

/** `byte`, `byte * 2^30`, `byte * 1024 * 1024`, and the notations used before programmatic units (DSP0004, annex C). */
export function unitBytes(unit: string): number | undefined {
  const word = unit.trim().toLowerCase();
  if (/^bytes?(?:\s*\*\s*\d{1,7}(?:\s*\^\s*\d\d?)?){1,6}$/.test(word))
    return word
      .split("*")
      .slice(1)
      .map((factor) => factor.split("^").map(Number))
      .reduce((product, [base = 1, power = 1]) => product * base ** power, 1);
  if (["", "b", "byte", "bytes"].includes(word)) return 1;
  const [, prefix = ""] = /^(k|m|g|t)(?:i?b|(?:ilo|ega|iga|era|ibi|ebi)bytes?)$/.exec(word) ?? [];
  return { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }[prefix];
}

export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : undefined;
}
