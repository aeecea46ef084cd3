import { randomBytes } from "node:crypto";
import type { Backing } from "./backing/backing.ts";
import type { ManagerObject } from "./manager-object.ts";
import { Refusal } from "./refusal.ts";
import type { InjectedFault, SimulatorSettings } from "./settings.ts";

export type { ManagerObject } from "./manager-object.ts";
export { Refusal } from "./refusal.ts";

export type JobState = "RUNNING" | "SUCCESS" | "FAILURE" | "ABORTED";

/** Jobs and their states: Concepts Guide 3.3, 8.1. */
export interface Job {
  readonly id: string;
  readonly name: string;
  state: JobState;
  result?: string;
  error?: string;
  abort(): void;
  readonly ended: Promise<void>;
}

// The digits after 0004fb0000 by type, as seen in vm.cfg files and logs; only hints.
const prefixes: Readonly<Record<string, string>> = {
  ServerPool: "02",
  Repository: "03",
  Vm: "06",
  Vnic: "07",
  VirtualDisk: "12",
  VmDiskMapping: "13",
  VirtualCdrom: "15",
  PhysicalDisk: "18",
};

export class World {
  readonly objects = new Map<string, ManagerObject>();
  readonly jobs = new Map<string, Job>();
  readonly faults: InjectedFault[] = [];
  readonly locked = new Set<string>();
  /** For each machine, by id. */
  readonly sent = new Map<string, { key: string; value: string; log: boolean }[]>();
  readonly received = new Map<string, { key: string; value: string }[]>();
  readonly startedAt = new Map<string, number>();
  settings: SimulatorSettings;
  readonly backing: Backing | undefined;
  #jobs = 0;

  constructor(settings: SimulatorSettings, backing?: Backing) {
    this.settings = settings;
    this.backing = backing;
  }

  add(type: string, name: string, is: ManagerObject["is"] = {}, description = ""): ManagerObject {
    const tail = randomBytes(10).toString("hex");
    const ending = type === "VirtualDisk" ? ".img" : type === "VirtualCdrom" ? ".iso" : "";
    const id = `0004fb0000${prefixes[type] ?? "99"}${tail}${ending}`;
    const object = { id, type, name, description, is };
    this.objects.set(id, object);
    return object;
  }

  all(type: string): ManagerObject[] {
    return [...this.objects.values()].filter((one) => one.type.toLowerCase() === type.toLowerCase());
  }

  /** An object by its id, or by its name if that is unique. */
  get(
    type: string,
    by: { readonly id?: string | undefined; readonly name?: string | undefined },
  ): ManagerObject {
    const found = this.all(type).filter((one) =>
      by.id !== undefined ? one.id === by.id : one.name === by.name,
    );
    const [one] = found;
    if (found.length > 1)
      throw new Refusal(`OVMAPI_9999E Several objects of type ${type} are named ${by.name}.`);
    if (one) return one;
    throw new Refusal(`OVMAPI_9999E No object of type ${type} was found for ${by.id ?? by.name}.`);
  }

  fault(at: string): InjectedFault | undefined {
    const index = this.faults.findIndex((one) => one.at.test(at) && one.times > 0);
    const found = this.faults[index];
    if (found) this.faults[index] = { ...found, times: found.times - 1 };
    return found;
  }

  /**
   * Starts an operation as a job, and locks its objects. `work` returns the id of the object that it made.
   */
  begin(
    name: string,
    on: readonly string[],
    work: () => Promise<string | undefined> | string | undefined,
  ): Job {
    // A JobId is milliseconds since 1970 in the public log.
    const id = String(Date.now() * 1000 + this.#jobs++);
    const isLocked = on.some((one) => this.locked.has(one));
    const injected = isLocked ? undefined : this.fault(name);
    let abort: () => void = () => {};
    const aborted = new Promise<"aborted">((done) => {
      abort = () => done("aborted");
    });
    const run = async (job: Job): Promise<void> => {
      if (isLocked || injected?.kind === "locked") {
        job.state = "FAILURE";
        job.error = `OVMAPI_9999E ${name}: an object is locked by another job.`;
        return;
      }
      for (const one of on) this.locked.add(one);
      try {
        if (injected?.kind === "never-ends") await aborted;
        const waited = await Promise.race([aborted, wait(this.settings.jobMs)]);
        if (waited === "aborted" || injected?.kind === "never-ends") {
          job.state = "ABORTED";
          job.error = "The job was aborted.";
          return;
        }
        if (injected?.kind === "fails") throw new Refusal(injected.text ?? `OVMAPI_4010E ${name}: failed.`);
        const result = await work();
        if (result !== undefined) job.result = result;
        if (injected?.kind === "fails-half-way")
          throw new Refusal(injected.text ?? `OVMAPI_4010E ${name}: a child operation failed.`);
        job.state = "SUCCESS";
      } catch (error) {
        job.state = "FAILURE";
        job.error = error instanceof Error ? error.message : String(error);
      } finally {
        for (const one of on) this.locked.delete(one);
      }
    };
    const job: Job = { id, name, state: "RUNNING", abort: () => abort(), ended: Promise.resolve() };
    Object.assign(job, { ended: run(job) });
    this.jobs.set(id, job);
    return job;
  }

  /** All objects, for comparisons: without the ids, which are random. */
  inventory(): string[] {
    return [...this.objects.values()]
      .map(({ type, name, description, is }) => {
        const said = Object.entries(is)
          .filter(([, value]) => value !== undefined)
          .map(([key, value]) => `${key}=${this.objects.get(String(value))?.name ?? value}`);
        return [type, name, description, ...said].join(" | ");
      })
      .sort();
  }
}

function wait(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((done) => setTimeout(done, ms));
}
