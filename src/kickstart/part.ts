/** What the installer of a release would say of a line. */
export interface KickstartFault {
  /** Counted from 1. */
  readonly line: number;
  /** An error stops the installer; a warning it only prints. */
  readonly severity: "error" | "warning";
  readonly text: string;
}

/** A command, or a section with its lines. */
export interface KickstartPart {
  readonly kind: "command" | "section";
  readonly name: string;
  readonly line: number;
  readonly text: string;
  /** Of a section: the lines between its first and its `%end`. */
  readonly body: readonly string[];
}
