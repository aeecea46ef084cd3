/** The reason why a value is not completely known, and its line. */
export interface Doubt {
  readonly reason: string;
  readonly line: number;
  /** What is wrong with the module, if it is not only unknown here. */
  readonly fault?: DoubtFault;
}

export type DoubtFault = "no-key" | "not-json" | "no-list" | "endless" | "unparsed";
