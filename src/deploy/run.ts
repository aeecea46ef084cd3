import type { Answer } from "../firstboot/messages.ts";
import type { Place, PlacedTemplate } from "./place.ts";
import type { StateKeeper } from "./state.ts";
import type { TemplateChosen } from "./wanted.ts";

/** A progress report of a run. `about`: a machine, a disk or a template. */
export interface DeployEvent {
  readonly about: string;
  readonly text: string;
  /** It says what is being done, not what was done. */
  readonly isPassing?: true;
}

export interface ApplyOptions {
  readonly place: Place;
  readonly keeper: StateKeeper;
  /** The messages to send to a machine, with secrets resolved. */
  readonly answers: (machine: string) => readonly Answer[];
  /** Digest of a machine's values that are not secret. */
  readonly valuesDigest: (machine: string) => string;
  readonly firstBoot: {
    readonly confirm: (machine: string) => "report" | "none";
    readonly waitMs: number;
    readonly timeoutMs: number;
  };
  /** Copies a template to the place. */
  readonly bring: (template: TemplateChosen) => Promise<PlacedTemplate>;
  readonly signal: AbortSignal;
  readonly report: (event: DeployEvent) => void;
  /** Called when nothing more is reported about a part. */
  readonly ended?: (about: string) => void;
  /** How often a guest's reports are polled. */
  readonly pollMs?: number;
  /** How long a guest may take to shut down before its power is cut. */
  readonly stopGraceMs?: number;
}

/** A run in progress. */
export interface Run {
  readonly options: ApplyOptions;
  /** Reports what was done. */
  readonly say: (about: string, text: string) => void;
  /** Reports what is being done. */
  readonly doing: (about: string, text: string) => void;
  /** Nothing more is reported about it. */
  readonly ended: (about: string) => void;
  /** Ids at the place, by the names of machines and disks. */
  readonly ids: Map<string, string>;
}
