import { text } from "../html.ts";
import { isUntried } from "../model/manifest.ts";
import type { CatalogEntry } from "../store/records/catalog.ts";

/** Badges for the statements about a version. */
export function badges({ manifest, channels, tags, revoked }: CatalogEntry): string {
  const badge = (kind: string, word: string) => `<span class="badge ${kind}">${text(word)}</span>`;
  return [
    ...channels.map((channel) => badge(channel, channel)),
    ...tags.map((tag) => badge("tag", tag)),
    ...(revoked ? [badge("revoked", "revoked")] : []),
    ...(manifest.rehearsal ? [badge("rehearsal", "rehearsal")] : []),
    ...(isUntried(manifest) ? [badge("untried", "untried")] : []),
  ].join("");
}
