import { isList, type Value } from "./value.ts";

/** An error or a note, and its position in bytes. */
export class Wrong extends Error {
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/** A text whose characters are bytes, and a position in it. */
export interface Cursor {
  readonly text: string;
  at: number;
  /** How many bytes of calculated values there are so far. */
  made: number;
}

// A limit for hostile files. No real vm.cfg comes near it.
const mostMade = 1 << 20;

/** Counts calculated bytes, so that a few lines cannot produce gigabytes. */
export function spend(cursor: Cursor, bytes: number, at: number): void {
  cursor.made += bytes;
  if (cursor.made > mostMade) throw new Wrong(at, "its values are larger than those of any vm.cfg");
}

/** About how many bytes a value takes. */
export function weightOf(value: Value): number {
  if (typeof value === "string") return value.length + 8;
  if (isList(value)) return value.reduce<number>((sum, one) => sum + weightOf(one), 8);
  if (typeof value === "object" && value !== null)
    return Object.entries(value).reduce((sum, [key, one]) => sum + key.length + weightOf(one), 8);
  return 8;
}

/** Reads the match of the sticky pattern; `undefined` if it does not match. */
export function take(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const [word] = pattern.exec(cursor.text) ?? [];
  cursor.at += word?.length ?? 0;
  return word;
}
