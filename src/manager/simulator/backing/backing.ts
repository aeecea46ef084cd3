import type { Thing } from "../thing.ts";

/** What a machine is started with. */
export interface BackedMachine {
  readonly vm: Thing;
  /** By slot. Discs have slots as well. */
  readonly disks: readonly { readonly slot: number; readonly disk: Thing; readonly isShared: boolean }[];
  readonly discs: readonly Thing[];
  readonly nics: readonly { readonly network: string; readonly mac: string }[];
}

/** A disk of an imported template, still outside of the repository. */
export interface FetchedDisk {
  readonly name: string;
  readonly bytes: number;
  /** Moves it to where the data of `disk` is kept. */
  keepAs(disk: Thing): Promise<void>;
}

/** A template as an import brings it. */
export interface FetchedTemplate extends AsyncDisposable {
  readonly domainType?: string | undefined;
  readonly memoryMib?: number | undefined;
  readonly vcpus?: number | undefined;
  /** In the order of their slots, from 0. */
  readonly disks: readonly FetchedDisk[];
}

/** The machines and disks behind the simulated ones. Without it, a started machine is only marked as running. */
export interface Backing extends AsyncDisposable {
  makeDisk(disk: Thing): Promise<void>;
  copyDisk(from: Thing, to: Thing): Promise<void>;
  /** A disk or a disc. Absent is fine. */
  removeDisk(disk: Thing): Promise<void>;
  fetchTemplate(urls: readonly string[]): Promise<FetchedTemplate>;
  fetchDisc(url: string, disc: Thing): Promise<void>;

  /** `stopped` is called once, when the machine stands still for whatever reason. A guest that reboots is started again. */
  start(machine: BackedMachine, stopped: () => void): Promise<void>;
  /** Asks the guest to shut down; resolves when it stands still, or the time is over. */
  shutDown(vm: Thing, graceMs: number): Promise<void>;
  cutPower(vm: Thing): Promise<void>;
  /** Whether the guest's additions have been heard since the start. */
  isHeard(vm: Thing): boolean;
  send(vm: Thing, key: string, value: string): Promise<void>;
  received(vm: Thing): readonly { readonly key: string; readonly value: string }[];
}
