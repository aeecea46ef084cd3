import { withCoding } from "./document.ts";
import { type Dialect, literal, type Value } from "./value.ts";

/** A whole configuration: comments first, then one assignment a line. What the dialect cannot express becomes a comment. */
export function writtenCfg(
  comments: readonly string[],
  values: ReadonlyMap<string, Value>,
  dialect: Dialect,
): Buffer {
  const lines = comments.map((line) => `# ${line.replaceAll(/\p{Cc}+/gu, " ")}`);
  for (const [key, value] of values) {
    const text = literal(value, dialect);
    lines.push(text === undefined ? `# ${notFor(dialect, key, value)}` : `${key} = ${text}`);
  }
  const bytes = Buffer.from(`${lines.join("\n")}\n`).toString("latin1");
  return Buffer.from(withCoding(bytes, dialect), "latin1");
}

/** A comment about a value that this dialect cannot express. */
export function notFor(dialect: Dialect, key: string, value: Value): string {
  return `not in ${dialect === "xl" ? "xl's" : "Oracle VM's"} syntax: ${key} = ${literal(value, "oracle-vm")}`;
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
