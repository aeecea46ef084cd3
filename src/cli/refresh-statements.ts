import type { Registry } from "../store/exchange/oci/registry.ts";
import {
  countsFor,
  readStatements,
  type Statement,
  takeStatements,
} from "../store/exchange/oci/statements.ts";
import type { Records } from "../store/records/records.ts";

/** Takes over what a registry says of a template's versions, tells what is new, and gives all that counts. */
export async function refreshStatements(
  registry: Registry,
  records: Records,
  name: string,
): Promise<readonly Statement[]> {
  const statements = await readStatements(registry, name, countsFor(records));
  for (const words of await takeStatements(records, statements)) process.stderr.write(`${words}\n`);
  return statements;
}
