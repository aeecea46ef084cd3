import { withCoding } from "./document.ts";
import { type Dialect, literal, type Value } from "./value.ts";

/** A whole configuration: comments first, then one assignment a line. What the dialect cannot express is left out. */
export function writtenCfg(
  comments: readonly string[],
  values: ReadonlyMap<string, Value>,
  dialect: Dialect,
): Buffer {
  const lines = comments.map((line) => `# ${line.replaceAll(/\p{Cc}+/gu, " ")}`);
  for (const [key, value] of values) {
    const text = literal(value, dialect);
    if (text !== undefined) lines.push(`${key} = ${text}`);
  }
  const bytes = Buffer.from(`${lines.join("\n")}\n`).toString("latin1");
  return Buffer.from(withCoding(bytes, dialect), "latin1");
}

/** A disk in xl's syntax, with the keywords of xl-disk-configuration(5). `path` is last, as it may contain commas. */
export function xlDisk(
  path: string,
  vdev: string,
  access: "ro" | "rw",
  more: readonly string[] = [],
): string {
  return ["format=raw", `vdev=${vdev}`, `access=${access}`, ...more, `target=${path}`].join(", ");
}
