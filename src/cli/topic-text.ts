import { table } from "./table.ts";
import type { Topic } from "./topics.ts";

/** A topic as `tbuild help` prints it. */
export function topicText({ title, rows, note }: Topic): string {
  const width = Math.max(...rows.map(([term]) => (/^\d+$/.test(term) ? 3 : 0)));
  const lines = table(rows.map(([term, meaning]) => [term.padStart(width), meaning]));
  return `${title}:\n\n${lines}\n${note === undefined ? "" : `\n${note}\n`}`;
}
