import { TbuildError } from "../../../errors.ts";
import type { ManagerApi } from "../../../manager/api.ts";
import { type Mark, markLine } from "../../place.ts";

/*
 * Our machines and disks have the mark in their description. A machine's description also names its system
 * disks, which the clone made: deleting a machine leaves them behind. A clone has a temporary name until it
 * is complete, so a machine with its final name is complete.
 */

const wantedBytes = /tbuild size (\d+)\. /;

/** The requested size, if the Manager rounded it to whole GiB. */
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

/** The final name of an incomplete clone; `undefined` if it does not belong to this deployment. */
export function finalNameOf(name: string, mark: Mark): string | undefined {
  const ending = `.tbuild-${mark.id}`;
  return name.endsWith(ending) ? name.slice(0, -ending.length) : undefined;
}

/** The name of an incomplete clone. */
export function unfinishedName(name: string, mark: Mark): string {
  return `${name}.tbuild-${mark.id}`;
}

/** The customizer for the clone of this name. It belongs to the template. */
export function customizerName(name: string, mark: Mark): string {
  return `tbuild-${mark.id}-${name}`;
}

/** An anti-affinity group belongs to the pool. */
export function groupName(name: string, mark: Mark): string {
  return `tbuild-${mark.id}-${name}`;
}

export function blind(api: ManagerApi, what: string): TbuildError {
  return new TbuildError("environment", `does not show the description of the ${what}`, {
    subject: api.name,
    hint: `tbuild recognizes its objects by a mark in their descriptions. Remove the ${what} in the Manager, and set via: rest in the site.`,
  });
}
