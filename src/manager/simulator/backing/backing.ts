import type { ManagerObject } from "../manager-object.ts";

/** The parameters for starting a machine. */
export interface BackedMachine {
  readonly vm: ManagerObject;
  /** By slot. Discs have slots as well. */
  readonly disks: readonly {
    readonly slot: number;
    readonly disk: ManagerObject;
    readonly isShared: boolean;
  }[];
  readonly discs: readonly ManagerObject[];
  readonly nics: readonly { readonly network: string; readonly mac: string }[];
}

/** A disk of an imported template, still outside the repository. */
export interface FetchedDisk {
  readonly name: string;
  readonly bytes: number;
  /** Moves it to the place for the data of `disk`. */
  keepAs(disk: ManagerObject): Promise<void>;
}

/** A template from an import. */
export interface FetchedTemplate extends AsyncDisposable {
  readonly domainType?: string | undefined;
  readonly memoryMib?: number | undefined;
  readonly vcpus?: number | undefined;
  /** In the order of their slots, from 0. */
  readonly disks: readonly FetchedDisk[];
}

/** The machines and disks behind the simulated ones. Without it, a started machine is only marked as running. */
export interface Backing extends AsyncDisposable {
  makeDisk(disk: ManagerObject): Promise<void>;
  copyDisk(from: ManagerObject, to: ManagerObject): Promise<void>;
  /** A disk or a disc. Absent is fine. */
  removeDisk(disk: ManagerObject): Promise<void>;
  fetchTemplate(urls: readonly string[]): Promise<FetchedTemplate>;
  fetchDisc(url: string, disc: ManagerObject): Promise<void>;

  /**
   * `stopped` is called once, when the machine has stopped for any reason. A guest that reboots is started
   * again.
   */
  start(machine: BackedMachine, stopped: () => void): Promise<void>;
  /** Asks the guest to shut down; resolves when it has stopped, or at the deadline. */
  shutDown(vm: ManagerObject, graceMs: number): Promise<void>;
  cutPower(vm: ManagerObject): Promise<void>;
  /** Whether the guest's additions have reported since the start. */
  isHeard(vm: ManagerObject): boolean;
  send(vm: ManagerObject, key: string, value: string): Promise<void>;
  received(vm: ManagerObject): readonly { readonly key: string; readonly value: string }[];
}
