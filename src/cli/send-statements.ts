import type { OpenedSite } from "../build/opened-site.ts";
import { exitCodes, TbuildError } from "../errors.ts";
import { parseReference } from "../store/exchange/oci/reference.ts";
import type { Registry } from "../store/exchange/oci/registry.ts";
import { judgeBy, pushStatements, statementsIn } from "../store/exchange/oci/statements.ts";
import { knownPlaces } from "../store/exchange/places.ts";
import type { Records } from "../store/records/records.ts";
import { interruptible, stays } from "./interrupt.ts";
import { registryOf } from "./open-registry.ts";

/** A registry, and how many statements were sent to it, or why none were. */
export type Sent =
  | { readonly place: string; readonly statements: number }
  | { readonly place: string; readonly error: string };

/** Sends all statements about a template. Returns how many were new there. */
export async function sendTo(registry: Registry, records: Records, name: string): Promise<number> {
  const statements = await statementsIn(records, name);
  return pushStatements(registry, statements, (text) => records.signStatement(text), judgeBy(records));
}

/**
 * Sends the statements about a template to all registries that it was pushed to or pulled from here. If the
 * user did not ask for this, prints how to do it.
 */
export async function sendOut(
  { home, host, records }: Pick<OpenedSite, "home" | "host" | "records">,
  name: string,
  isWanted: boolean,
): Promise<Sent[]> {
  const places = (await knownPlaces(home.store)).filter((one) => one.name === name);
  const tell = (words: string) => process.stderr.write(`${words}\n`);
  if (!isWanted) {
    const [first] = places;
    if (first)
      tell(
        `not sent to ${places.map(({ place }) => place).join(", ")}; to send it, add --push, or run: ` +
          `tbuild template push ${name} ${first.place} --statements${first.plainHttp ? " --plain-http" : ""}`,
      );
    return [];
  }
  if (places.length === 0) {
    process.exitCode = exitCodes.environment;
    tell(
      `warning: not sent: ${name} was not pushed or pulled here, so no registry is known; to send it: tbuild template push ${name} PLACE --statements`,
    );
  }
  return await interruptible(stays.sent, async (signal) => {
    const sent: Sent[] = [];
    for (const { place, plainHttp } of places)
      try {
        const registry = registryOf(host, parseReference(place), { signal, plainHttp });
        const statements = await sendTo(registry, records, name);
        sent.push({ place, statements });
        tell(`${place}: ${statements === 0 ? "has it already" : "sent"}`);
      } catch (error) {
        if (!(error instanceof TbuildError)) throw error;
        process.exitCode = exitCodes[error.fault];
        sent.push({ place, error: error.message });
        tell(`warning: not sent to ${place}: ${[error.message, ...error.lines].join("; ")}`);
      }
    return sent;
  });
}
