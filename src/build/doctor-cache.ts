import { TbuildError } from "../errors.ts";
import type { Examined } from "../hypervisor/hypervisor.ts";
import { entryPlace } from "./cache/places.ts";
import type { OpenedSite } from "./opened-site.ts";

const waitMs = 20_000;

/**
 * Checks whether the registries of the site's cache answer, and whether this builder can verify their
 * entries.
 */
export async function examineCache(
  { site, openRegistry, records }: Pick<OpenedSite, "site" | "openRegistry" | "records">,
  signal: AbortSignal,
): Promise<Examined[]> {
  const { cache } = site;
  if (!cache) return [];
  const { from, to, plainHttp = false } = cache;
  const places = [...new Set([...from, ...(to === undefined ? [] : [to])])];
  const examined = await Promise.all(
    places.map((place) => placeExamined(openRegistry, place, plainHttp, signal)),
  );
  if (from.length === 0 || (await records.hasSigners())) return examined;
  const untrusted = {
    what: "cache",
    ok: false,
    text: "nothing is taken from it: there is no allowed_signers file, which lists who may sign",
    mend: "add the builders' public keys to allowed_signers in the recipe repo",
  };
  return [...examined, untrusted];
}

async function placeExamined(
  openRegistry: OpenedSite["openRegistry"],
  place: string,
  plainHttp: boolean,
  signal: AbortSignal,
): Promise<Examined> {
  const what = `cache ${place}`;
  const limit = AbortSignal.timeout(waitMs);
  try {
    const reference = entryPlace(place, "doctor");
    const registry = await openRegistry(reference, { plainHttp, signal: AbortSignal.any([signal, limit]) });
    // The registry must answer, but need not have this manifest.
    await registry.getManifest("doctor");
    return { what, ok: true, text: "answers" };
  } catch (error) {
    if (signal.aborted || !(error instanceof TbuildError || limit.aborted)) throw error;
    const text =
      error instanceof TbuildError && !limit.aborted ? error.message : `no answer within ${waitMs / 1000} s`;
    return {
      what,
      ok: false,
      text,
      mend: "check its address in the site file, the network and the login; until then, builds go on without it",
    };
  }
}
