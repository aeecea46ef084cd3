import type { Host } from "../host/host.ts";
import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import type { SecretFinder } from "../io/secret-source.ts";
import type { Site } from "../recipe/site.ts";
import type { Records } from "../store/records/records.ts";
import type { Store } from "../store/store.ts";
import type { BuildEvent } from "./event.ts";
import type { Home } from "./home.ts";

/** Everything a build may touch. Never changes during a build. */
export interface BuildContext {
  /** Also the first part of the names of its machines. */
  readonly id: string;
  /** The recipe's name, with `-rehearsal` where it is one. */
  readonly name: string;
  readonly rehearsal: boolean;
  /** What people look at: log, console, pictures, report, bundles. */
  readonly folder: string;
  readonly home: Home;
  readonly host: Host;
  readonly hypervisor: Hypervisor;
  readonly site: Site;
  readonly store: Store;
  /** Where secrets that a recipe refers to may be found. */
  readonly environment: SecretFinder;
  /** Of the recipe repo that the recipe stands in. */
  readonly records: Records;
  readonly report: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
  /** The version of tbuild. */
  readonly tbuild: string;
}

/** What a step gets while it runs. */
export interface StepContext extends BuildContext {
  /** Files that the step leaves go here; the runner keeps the folder under the step's key. */
  readonly out: string;
  /** Milliseconds of the steps before it, kept ones too. */
  readonly timings: Readonly<Record<string, number>>;
  /** Which tbuild made each step before it, kept ones too. */
  readonly makers: Readonly<Record<string, string>>;
  readonly progress: (text: string, done?: number, total?: number) => void;
}

/** What shapes a result, by name: digests, or short values. */
export type Inputs = Readonly<Record<string, string>>;

// `run`, `inputs` and `valid` are properties, not methods: only then does the compiler check Needs.
export interface Step<Needs extends object = object, Gives extends object = object> {
  readonly name: string;
  /** The module that the step stands in, `import.meta.url`: its code and all that it imports shape the result, too. */
  readonly module: string;
  describe(): string;
  /** Pure. With the results before it, this is the identity of the result. */
  readonly inputs: (state: Needs) => Inputs;
  readonly run: (context: StepContext, state: Needs) => Promise<Gives>;
  /** False when what a checkpoint speaks of is no longer there, outside its folder. */
  readonly valid?: (context: BuildContext, gives: Gives) => Promise<boolean>;
  /** Undoes what `run` may have left outside its folder, by name, even after a crash. */
  cleanup?(context: BuildContext): Promise<void>;
}
