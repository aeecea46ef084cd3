/** The events of a build. The core reports them; only the command line prints them. */
export type BuildEvent =
  | {
      readonly type: "build-started";
      readonly build: string;
      /** The steps that will run. */
      readonly steps: readonly string[];
      /** Groups of steps that run side by side. */
      readonly sideBySide?: readonly (readonly string[])[];
      /** Recent durations of each step in ms, if known. */
      readonly expected: Readonly<Record<string, number>>;
    }
  | {
      readonly type: "step-started";
      readonly step: string;
      readonly index: number;
      readonly of: number;
      readonly text: string;
    }
  /** A cached step, from a checkpoint. */
  | { readonly type: "step-kept"; readonly step: string; readonly index: number; readonly of: number }
  /** The current action of a step, with `done`/`total` if it can be counted. */
  | {
      readonly type: "progress";
      readonly step: string;
      readonly text: string;
      readonly done?: number;
      readonly total?: number;
    }
  | { readonly type: "step-finished"; readonly step: string; readonly ms: number }
  | { readonly type: "step-failed"; readonly step: string; readonly error: string }
  | { readonly type: "cleanup-failed"; readonly step: string; readonly error: string }
  | { readonly type: "note"; readonly text: string }
  | { readonly type: "picture"; readonly step: string; readonly file: string; readonly text: string }
  | { readonly type: "command"; readonly host: string; readonly argv: readonly string[] }
  | { readonly type: "output"; readonly step?: string; readonly from: string; readonly line: string }
  | { readonly type: "build-finished"; readonly build: string; readonly ms: number }
  | { readonly type: "build-failed"; readonly build: string; readonly error: string };
