import { rm } from "node:fs/promises";
import type { GuestMode } from "../choices.ts";
import type { Host } from "../host/host.ts";
import type { ChangeOptions } from "../image/change/drafted-guest.ts";
import type { PlannedChange } from "../image/change/planned-change.ts";
import { settle, undoRecords } from "../image/change/undo.ts";
import { planConversion } from "./convert/plan.ts";
import { type Outcome, planJob } from "./offline.ts";
import type { Done } from "./operation.ts";
import { sealOperations } from "./seal/index.ts";

export interface TemplateImage {
  readonly via: string;
  readonly converted: readonly Done[];
  readonly sealed: Outcome;
}

/**
 * Converts and seals a machine's image. It must be a copy, because no undo record is kept. With `isPlanned`, it finds what
 * would be done, and changes nothing.
 */
export async function makeTemplateImage(
  host: Host,
  file: string,
  { mode, isPlanned }: { readonly mode: GuestMode | undefined; readonly isPlanned: boolean },
  options: ChangeOptions,
): Promise<TemplateImage> {
  const made = async <Result>(what: string, planned: PlannedChange<Result>) => {
    await using change = planned;
    if (!isPlanned && change.pieces.length > 0) await change.apply(what);
    return { via: change.via, result: change.result };
  };
  const converted =
    mode === undefined
      ? []
      : (await made("convert", await planConversion(host, file, { mode }, options))).result.pending;
  const { signal } = options.watch ?? {};
  const job = { operations: sealOperations(), swap: true, search: { keep: [], ...(signal && { signal }) } };
  const { via, result: sealed } = await made("seal", await planJob(host, file, job, options));
  if (!isPlanned) await forgetChanges(file);
  return { via, converted, sealed };
}

/** Finishes an interrupted change of an image, and removes the undo records beside it. */
export async function forgetChanges(file: string): Promise<void> {
  await settle(file);
  for (const record of await undoRecords(file)) await rm(record.file);
}
