import { printable } from "../io/escape.ts";
import type { Registry } from "../store/exchange/oci/registry.ts";
import {
  type Heard,
  judgeBy,
  readStatements,
  statementWords,
  takeStatements,
} from "../store/exchange/oci/statements.ts";
import type { Records } from "../store/records/records.ts";

/** A registry's statements about the versions in a repository, of any template. */
export function hear(registry: Registry, records: Records): Promise<Heard> {
  return readStatements(registry, judgeBy(records));
}

/** Adopts a registry's statements about one template, and reports what is new, what does not count, and what is unknown. */
export async function take(heard: Heard, records: Records, name: string, place: string): Promise<void> {
  const { statements, doubted, lacking } = heard;
  const tell = (words: string) => process.stderr.write(`${printable(words)}\n`);
  const ours = statements.filter((one) => one.name === name);
  for (const words of await takeStatements(records, ours)) tell(words);
  for (const { statement, why } of doubted)
    if (statement.name === name) tell(`warning: ${place} says "${statementWords(statement)}"; ${why}`);
  if (lacking !== undefined)
    tell(
      `warning: ${place} did not list all of its tags (${lacking}); what it says of revocations, channels and tags is not known`,
    );
}
