import { TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import { manifestDigest } from "../../model/manifest.ts";
import { manifestIn, meantVersion, takeVersion } from "../../store/exchange/oci/pull.ts";
import { parseReference, type Reference, referenceText } from "../../store/exchange/oci/reference.ts";
import { knownPlaces } from "../../store/exchange/places.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import type { OpenedSite } from "../opened-site.ts";
import type { Base, Refusal, Wanted } from "./base.ts";
import { revokedError } from "./refusals.ts";
import { rehearsalName } from "./rehearsal-name.ts";

/** A version in a registry, in its current state. It is pulled when the build needs it. */
export async function registryBase(
  { openRegistry, home, records }: OpenedSite,
  { from, rehearse }: Wanted,
  refusal: Refusal,
): Promise<Base> {
  const reference = rehearse ? rehearsalOf(parseReference(from)) : parseReference(from);
  const { which: _, ...repository } = reference;
  const place = referenceText(repository);
  // Whether an earlier pull or push used no TLS.
  const plainHttp = (await knownPlaces(home.store)).some((one) => one.plainHttp && one.place === place);
  const registry = await openRegistry(reference, { plainHttp });
  const meant = await meantVersion(reference, registry, records);
  const { manifest, revoked } = await manifestIn(meant, registry, records);
  if (revoked !== undefined) throw revokedError(refusal, printable(revoked));
  const digest = manifestDigest(manifest);
  return {
    words: `${manifest.name}@${manifest.version} of ${referenceText(reference)}`,
    digest,
    manifest,
    async bring({ store, records, signal, progress, report }) {
      const there = await store.get(digest);
      if (there) return there;
      const onWait = (words: string) => progress(words);
      const taken = await takeVersion(
        meant,
        await openRegistry(reference, { plainHttp, signal, onWait }),
        { store: storeFolder(home.store), records },
        {
          plainHttp,
          tell: (text) => report({ type: "note", text: printable(text) }),
          progress: (moved, total) => progress("fetching it from the registry", moved, total),
        },
      );
      if (taken.digest === digest) return taken.manifest;
      throw new TbuildError("integrity", "has changed since the build began", {
        subject: referenceText(meant.reference),
        hint: "Start the build again.",
      });
    },
  };
}

// A push names the repository after the template.
function rehearsalOf({ repository, ...rest }: Reference): Reference {
  return { ...rest, repository: repository.replace(/[^/]+$/, rehearsalName) };
}
