import { TbuildError } from "../../errors.ts";
import { finder } from "../../store/records/finder.ts";
import type { OpenedSite } from "../opened-site.ts";
import type { Base, Refusal, Wanted } from "./base.ts";
import { revokedError } from "./refusals.ts";
import { rehearsalName } from "./rehearsal-name.ts";

/** A version in the store. A rehearsal starts from the rehearsal of the template. */
export async function storeBase(
  { store, records }: OpenedSite,
  { from, rehearse }: Wanted,
  refusal: Refusal,
): Promise<Base> {
  const [name = "", ...which] = from.split("@");
  const ref = rehearse ? [rehearsalName(name), ...which].join("@") : from;
  const { digest, manifest, here, revoked } = await finder(store, records)
    .find(ref)
    .catch((error) => {
      if (!(error instanceof TbuildError)) throw error;
      throw refusal(
        error.about(ref),
        `Build it first (tbuild recipe ${name}${rehearse ? " --rehearse" : ""}), or fetch it: tbuild template import, tbuild template pull.`,
      ).with({ code: error.code });
    });
  if (revoked) throw revokedError(refusal, revoked.reason);
  if (!here) throw refusal("its disk is not in this store", "Fetch it: tbuild template pull.");
  const words = `${manifest.name}@${manifest.version}`;
  return { words, digest, manifest, bring: async () => manifest };
}
