import { TbuildError } from "../../../errors.ts";
import type { ManagerApi } from "../../../manager/api.ts";
import { type Mark, markLine } from "../../place.ts";

/*
 * Our machines and disks carry the mark in their description. A machine's description also names its system disks, which the clone made:
 * deleting a machine leaves them behind. A clone has a name of its own until it is complete, so a machine with its final name is complete.
 */

const wantedBytes = /tbuild size (\d+)\. /;

/** The size that was wanted, where the Manager made whole GiB of it. */
export function bytesOf(made: number, text: string): number {
  const wanted = Number(wantedBytes.exec(text)?.[1] ?? made);
  return made >= wanted && made - wanted < 2 ** 30 ? wanted : made;
}

const systemDisks = /tbuild system disks ([\w.,-]*)\. /;

/** `vnics`: those of the template that an incomplete clone has, or had. */
export function machineDescription(
  disks: readonly string[],
  mark: Mark,
  vnics: readonly string[] = [],
): string {
  const clone = vnics.length === 0 ? "" : `tbuild vnics ${vnics.join(",")}. `;
  return `tbuild system disks ${disks.join(",")}. ${clone}${markLine(mark)}`;
}

const cloneVnics = /tbuild vnics ([\w,-]+)\. /;

export function vnicsIn(text: string): string[] {
  return (cloneVnics.exec(text)?.[1] ?? "").split(",").filter(Boolean);
}

export function systemDisksIn(text: string): string[] {
  return (systemDisks.exec(text)?.[1] ?? "").split(",").filter(Boolean);
}

/** The final name of a clone that is not complete; `undefined`: it is none of this deployment. */
export function finalNameOf(name: string, mark: Mark): string | undefined {
  const ending = `.tbuild-${mark.id}`;
  return name.endsWith(ending) ? name.slice(0, -ending.length) : undefined;
}

/** The name of a clone that is not complete. */
export function unfinishedName(name: string, mark: Mark): string {
  return `${name}.tbuild-${mark.id}`;
}

/** The customizer for the clone of this name; it hangs on the template. */
export function customizerName(name: string, mark: Mark): string {
  return `tbuild-${mark.id}-${name}`;
}

/** An anti-affinity group hangs on the pool. */
export function groupName(name: string, mark: Mark): string {
  return `tbuild-${mark.id}-${name}`;
}

export function blind(api: ManagerApi, what: string): TbuildError {
  return new TbuildError("environment", `does not show the description of the ${what}`, {
    subject: api.name,
    hint: "tbuild marks what it makes there, and would not find it again. Remove it, and set via: rest in the site.",
  });
}
