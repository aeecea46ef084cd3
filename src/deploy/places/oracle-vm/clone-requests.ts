import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../../errors.ts";
import { sleep } from "../../../host/wait-for.ts";
import { atMost } from "../../../io/parallel.ts";
import type { CloneWanted, ManagerApi, Named, VmSeen } from "../../../manager/api.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import { type Mark, markIn } from "../../place.ts";
import { recordsIn } from "../place-records.ts";
import { finalNameOf } from "./marks.ts";

/** Requests for clones. They are on disk until the Manager has answered: its job goes on when tbuild is gone. */
export interface CloneRequests {
  /** Requests a clone, and returns its id. */
  create(wanted: CloneWanted, mark: Mark): Promise<string>;
  /**
   * Waits for the clones that interrupted calls requested. One that the Manager named itself is renamed, so that it is found by its
   * name.
   */
  recover(mark: Mark): Promise<void>;
  /** Whether a clone of an interrupted call is known to be complete. */
  isWhole(id: string): boolean;
  /** Whether an interrupted call requested a clone of this name that is not there; its job may still make it. */
  mayAppear(name: string): boolean;
}

export interface CloneContext {
  /** Keeps the requests. */
  readonly folder: string;
  readonly signal: AbortSignal;
  readonly note?: (text: string) => void;
}

/** A requested clone. */
const Pending = z.object({
  mark: z.object({ id: z.string(), deployment: z.string() }),
  template: z.string(),
  /** The ids of all machines and templates before. */
  before: z.array(z.string()),
});
type Pending = z.infer<typeof Pending>;

export function cloneRequests(
  api: ManagerApi,
  options: ManagerOptions,
  { folder, signal, note = () => {} }: CloneContext,
): CloneRequests {
  const pending = recordsIn(join(folder, "clones"), Pending);
  // A clone of this process that has no name yet must not be mistaken for an interrupted one.
  const inTurn = atMost(1);
  /** Requests of this process, which waits for them itself. */
  const own = new Set<string>();
  const whole = new Set<string>();
  const awaited = new Set<string>();

  return {
    create,
    recover: (mark) => inTurn(() => recovered(mark)),
    isWhole: (id) => whole.has(id),
    mayAppear: (name) => awaited.has(name),
  };

  async function create(wanted: CloneWanted, mark: Mark): Promise<string> {
    if (!api.renamesClones) {
      own.add(wanted.name);
      await pending.write(wanted.name, { mark, template: wanted.from, before: [] });
      const id = await api.cloneVm(wanted).catch(async (error) => {
        if (error instanceof TbuildError && error.code !== "outcome-unknown")
          await pending.remove(wanted.name);
        throw error;
      });
      await pending.remove(wanted.name);
      return id;
    }
    return inTurn(async () => {
      await recovered(mark);
      const before = (await api.list("Vm")).map(({ id }) => id);
      await pending.write(wanted.name, { mark, template: wanted.from, before });
      const id = await api.cloneVm(wanted);
      await pending.remove(wanted.name);
      return id;
    });
  }

  async function recovered(mark: Mark): Promise<void> {
    for (const [name, record] of await pending.list()) {
      if (record.mark.id !== mark.id || own.has(name)) continue;
      const hasSucceeded = await cloned(api, options, signal, () =>
        note(`${api.name}: waiting for the clone ${name}, which an interrupted run requested`),
      );
      const one = await found(name, record, mark);
      if (one === undefined) awaited.add(name);
      else if (hasSucceeded && (await isLike(api, one, record.template))) whole.add(one.id);
      await pending.remove(name);
    }
  }

  /** The clone of a request, under its name. */
  async function found(name: string, record: Pending, mark: Mark): Promise<Named | undefined> {
    if (!api.renamesClones) return (await api.list("Vm")).find((one) => one.name === name);
    const all = await candidates(api, record, mark);
    const [one] = all;
    if (all.length > 1)
      throw new TbuildError("environment", `has several new clones, and one of them is ${name}`, {
        subject: api.name,
        lines: all.map((vm) => `${vm.name} (${vm.id})`),
        hint: "An interrupted run cloned a template, and could not name the clone. Remove or rename the clones that you know, and run it again.",
      });
    if (one) await api.editVm(one.id, { name });
    return one;
  }
}

/**
 * Waits until no clone is being made, because the job of an interrupted call continues. True if there was one, and all ended
 * well.
 */
async function cloned(
  api: ManagerApi,
  { copyMinutes }: ManagerOptions,
  signal: AbortSignal,
  onWait: () => void,
): Promise<boolean> {
  const until = Date.now() + copyMinutes * 60_000;
  const seen = new Set<string>();
  for (;;) {
    const active = await api.jobs.active(/clone/i);
    if (active.length > 0 && seen.size === 0) onWait();
    for (const { id } of active) seen.add(id);
    if (active.length === 0 || Date.now() >= until || signal.aborted) break;
    await sleep(500, signal);
  }
  const ends = await Promise.all([...seen].map((id) => api.jobs.hasSucceeded(id)));
  return ends.length > 0 && ends.every(Boolean);
}

/** Whether a clone stands still, and has as many disks as its template. */
async function isLike(api: ManagerApi, { id }: Named, template: string): Promise<boolean> {
  const [clone, from] = await Promise.all([api.vm(id), api.vm(template)]);
  return clone.state === "stopped" && clone.mappings.length === from.mappings.length;
}

/**
 * Machines that can only be the clone: new since the request, never started, with the template's size and
 * description, and a name that the Manager derived from the template's.
 */
async function candidates(api: ManagerApi, { template, before }: Pending, mark: Mark): Promise<VmSeen[]> {
  const known = new Set(before);
  const fresh = (await api.list("Vm")).filter(
    ({ id, name }) => !known.has(id) && finalNameOf(name, mark) === undefined,
  );
  if (fresh.length === 0) return [];
  const from = await api.vm(template);
  const seen = await Promise.all(fresh.map(({ id }) => api.vm(id)));
  return seen.filter(
    (vm) =>
      vm.state === "stopped" &&
      vm.name.startsWith(from.name) &&
      markIn(vm.description ?? "") === undefined &&
      (vm.description ?? "") === ((vm.description ?? "") === "" ? "" : (from.description ?? "")) &&
      vm.memoryMib === from.memoryMib &&
      vm.vcpus === from.vcpus &&
      vm.mappings.length === from.mappings.length,
  );
}
