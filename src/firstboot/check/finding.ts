/** A definite or possible error in a first-boot module. */
export interface ModuleFinding {
  /** `error`: it fails or does harm at first boot. `warning`: it may. */
  readonly level: "error" | "warning";
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly text: string;
  readonly remedy: string;
}

/** `file:line: error: what. remedy`, as compilers print it. */
export function findingLine({ level, file, line, text, remedy }: ModuleFinding): string {
  return `${file}:${line}: ${level}: ${text}${text.endsWith("?") ? "" : "."} ${remedy}`;
}

/** Adds a finding of the module's program. */
export type Add = (level: ModuleFinding["level"], line: number, text: string, remedy: string) => void;
