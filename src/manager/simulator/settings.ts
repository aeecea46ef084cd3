/*
 * The simulator's behaviour where Oracle's documents say nothing, or where Managers differ. Each switch is
 * one open question. Tests run the client against every value.
 */
export interface SimulatorSettings {
  /** As in `showversion` and REST. Its first two numbers choose the dialect. */
  readonly version: string;
  readonly user: string;
  readonly password: string;
  /** Public keys in the OpenSSH format that may log in. */
  readonly authorizedKeys: readonly string[];
  /**
   * How the password is requested after a key: as a second step of the login, or in the session. The guides
   * say only that it is requested at the first login of a client's address, and again after a restart (CLI
   * User's Guide 3.3, vmcli-ssh-key).
   */
  readonly passwordAfterKey: "login" | "session" | "never";
  /** Whether the server offers `password` or `keyboard-interactive`. */
  readonly passwordMethod: "password" | "keyboard-interactive";
  /**
   * Whether one connection accepts several commands, one after the other. Not documented; clients open one
   * for each.
   */
  readonly commandsPerConnection: number;
  /** A client library of Oracle's HCL Testkit expects `\n\r`. */
  readonly lineEnd: "\n" | "\r\n" | "\n\r";
  /**
   * Whether `;` separates the commands of a call: a client of one site relies on it, but no guide documents
   * it.
   */
  readonly separatesCommands: boolean;
  /** The effect of a failed command on the commands after it in the same call. Not documented. */
  readonly afterFailure: "goes-on" | "stops";
  /** Scripts differ: some say 15 minutes, some 30. */
  readonly idleMs: number;
  /** What the CLI shows as the status of a template: not seen in any public output. */
  readonly templateStatus: "Template" | "Stopped";
  /** Whether a slash outside quotes is an escape, too. */
  readonly unquotedSlash: "plain" | "escape";
  /** Whether objects show their description in the CLI. */
  readonly showsDescription: boolean;
  /** Whether an anti-affinity group shows its machines. */
  readonly showsMembers: boolean;
  /** True if a group with machines, and a machine in a group, cannot be deleted. */
  readonly refusesMembers: boolean;
  /** The result of a message to a guest without running additions. The guides say only that they must run. */
  readonly messageBeforeGuest: "refused" | "lost";
  /** Milliseconds from a start until the guest's additions receive messages. */
  readonly guestDelayMs: number;
  /**
   * Whether `stop Vm` finishes when the guest has shut down, or right after the request. Only with real
   * machines.
   */
  readonly stopWaits: boolean;
  /** Milliseconds to wait for a guest to shut down. */
  readonly stopMs: number;
  /** Milliseconds that a job takes. */
  readonly jobMs: number;
  /** Milliseconds that a clone copies disks, beside `jobMs`. */
  readonly cloneMs: number;
  /** Whether a clone is listed while its disks are still being copied. Not documented. */
  readonly listsUnfinishedClones: boolean;
  /** Whether the CLI lists jobs and shows them: public scripts for 3.3 and 3.4 do that, no guide does. */
  readonly showsJobs: boolean;
  /**
   * The form of imports that REST accepts: `?url=` (Web Services Guide 3.3), or `{"urls": […]}` (clients of
   * 3.4).
   */
  readonly restImports: "query" | "body";
  /** Whether a clone's disks have the names of those that they are copies of, and it and they have their descriptions. Not documented. */
  readonly clonesKeepTexts: boolean;
  /** Whether deleting a machine leaves its virtual disks: scripts delete them one by one, so it seems so. */
  readonly deleteKeepsDisks: boolean;
}

export const usualSettings: SimulatorSettings = {
  version: "3.4.6.2105",
  user: "admin",
  password: "Welcome1",
  authorizedKeys: [],
  passwordAfterKey: "never",
  passwordMethod: "password",
  commandsPerConnection: 1_000_000,
  lineEnd: "\n",
  separatesCommands: true,
  afterFailure: "goes-on",
  idleMs: 15 * 60_000,
  templateStatus: "Template",
  unquotedSlash: "plain",
  showsDescription: true,
  showsMembers: true,
  refusesMembers: false,
  messageBeforeGuest: "refused",
  guestDelayMs: 0,
  stopWaits: false,
  stopMs: 120_000,
  jobMs: 0,
  cloneMs: 0,
  listsUnfinishedClones: false,
  showsJobs: true,
  restImports: "body",
  clonesKeepTexts: false,
  deleteKeepsDisks: true,
};

/** Injected failures, for tests: they affect the next operations whose name matches. */
export interface InjectedFault {
  /** Matches an operation such as `create Vm`, `start Vm`, `list Vm`. */
  readonly at: RegExp;
  readonly kind:
    | "fails"
    /** The operation fails after its parent object was made: since 3.3.1 operations are not all-or-nothing (Release Notes 3.3, 6.11). */
    | "fails-half-way"
    /** The connection ends before the operation starts. */
    | "disconnects-before"
    /** The operation is done; the connection ends before the answer is sent. */
    | "disconnects-after"
    /** A job stays In Progress, as the start of a PVM guest with a wrong network-install URL does (Concepts Guide 3.3, 8.1). */
    | "never-ends"
    /** An object is locked by another job. */
    | "locked"
    /** Of the CLI: the operation is done, and its answer breaks off; the connection ends. */
    | "breaks-off"
    /** The same, but the connection stays. */
    | "ends-early"
    /** Of the CLI: `text` comes on the standard error, in the middle of the answer. */
    | "warns"
    /** `text`, or what a proxy says, comes instead of an answer, and nothing is done. */
    | "garbage"
    /** The answer has no id. */
    | "no-id";
  /** How often. */
  readonly times: number;
  /** What the Manager says, for `fails`, `warns` and `garbage`. */
  readonly text?: string;
}
