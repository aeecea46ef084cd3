/** What the installer of a release would report about a line. */
export interface KickstartFault {
  /** From 1. */
  readonly line: number;
  /** An error stops the installer; it only prints a warning. */
  readonly severity: "error" | "warning";
  readonly text: string;
}

/** A command, or a section with its lines. */
export interface KickstartPart {
  readonly kind: "command" | "section";
  readonly name: string;
  readonly line: number;
  readonly text: string;
  /** For a section: the lines between its header and its `%end`. */
  readonly body: readonly string[];
}
