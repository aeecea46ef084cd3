import type { Host } from "../host/host.ts";
import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import type { SecretFinder } from "../io/secret-source.ts";
import type { Site } from "../recipe/site.ts";
import type { Records } from "../store/records/records.ts";
import type { Store } from "../store/store.ts";
import type { BuildEvent } from "./event.ts";
import type { Home } from "./home.ts";
import type { Inputs } from "./inputs.ts";

/** Everything that a build may use. It never changes during a build. */
export interface BuildContext {
  /** Also the prefix of its machines' names. */
  readonly id: string;
  /** The recipe's name, with the suffix `-rehearsal` for a rehearsal. */
  readonly name: string;
  readonly rehearsal: boolean;
  /** The folder with files for people: log, console, pictures, report, bundles. */
  readonly folder: string;
  readonly home: Home;
  readonly host: Host;
  readonly hypervisor: Hypervisor;
  readonly site: Site;
  readonly store: Store;
  /** Access to the secrets that a recipe refers to. */
  readonly environment: SecretFinder;
  /** The records of the recipe's repo. */
  readonly records: Records;
  readonly report: (event: BuildEvent) => void;
  readonly signal: AbortSignal;
  /** The version of tbuild. */
  readonly tbuild: string;
}

/** The machine that tbuild ran on, and the hypervisor: names and versions. */
export type Hosts = Readonly<Record<string, string>>;

/** The context of a running step. */
export interface StepContext extends BuildContext {
  /** The folder for the step's output files. The runner stores it under the step's key. */
  readonly out: string;
  /** Milliseconds of the previous steps, including cached ones. */
  readonly timings: Readonly<Record<string, number>>;
  /**
   * The total time in which the previous steps worked, in milliseconds, including cached ones. Parallel work
   * counts once.
   */
  readonly took: number;
  /** The version of tbuild that made each previous step, including cached ones. */
  readonly makers: Readonly<Record<string, string>>;
  /** Where each previous step was made, including cached ones. */
  readonly hosts: Readonly<Record<string, Hosts>>;
  readonly progress: (text: string, done?: number, total?: number) => void;
}

/** The context that machines need, from a build or another command. `folder` stores the login data. */
export type MachineContext = Pick<
  StepContext,
  "id" | "folder" | "host" | "hypervisor" | "report" | "signal" | "progress"
>;

// `run`, `inputs` and `outdated` are properties instead of methods, because only then does the compiler check
// Needs.
export interface Step<Needs extends object = object, Gives extends object = object> {
  readonly name: string;
  /** The step's module, `import.meta.url`. Its code and everything that it imports also shape the result. */
  readonly module: string;
  describe(): string;
  /** True if the step runs the guest's disk in a machine of the hypervisor. */
  readonly runsMachine?: boolean;
  /** True if the step changes the guest's image at the place that the site names. */
  readonly changesImage?: true;
  /** Pure. Together with the previous results, identifies the result. */
  readonly inputs: (state: Needs) => Inputs;
  readonly run: (context: StepContext, state: Needs) => Promise<Gives>;
  /** Why the inputs do not identify the result on another machine. */
  readonly unshared?: string;
  /**
   * Why a cached result cannot be used although its inputs are the same: a file outside its folder is
   * missing, or a password changed. No input may contain a password.
   */
  readonly outdated?: (context: BuildContext, gives: Gives) => Promise<string | undefined>;
  /** Removes everything that `run` may have left outside its folder, by name, even after a crash. */
  cleanup?(context: BuildContext): Promise<void>;
}
