import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { replaceFile } from "../../host/partial-file.ts";
import { namesIn, textOf } from "../../io/durable.ts";

/** A registry's repository that this machine pushed a template to or pulled it from. */
const Place = z.object({
  /** `registry.example:5000/templates/ol6-grid`. */
  place: z.string().max(512),
  name: z.string(),
  plainHttp: z.boolean(),
});
export type Place = z.infer<typeof Place>;

const folderOf = (store: string) => join(store, "registries");

/**
 * Records where a template is exchanged. Each place has its own file, so concurrent commands lose nothing.
 */
export async function rememberPlace(store: string, place: Place): Promise<void> {
  const text = `${JSON.stringify(place)}\n`;
  const key = createHash("sha256").update(place.place).digest("hex").slice(0, 16);
  const file = join(folderOf(store), `${key}.json`);
  if ((await textOf(file)) !== text) await replaceFile(file, text);
}

export async function knownPlaces(store: string): Promise<Place[]> {
  const found: Place[] = [];
  for (const name of await namesIn(folderOf(store))) {
    if (!name.endsWith(".json")) continue;
    try {
      found.push(Place.parse(JSON.parse((await textOf(join(folderOf(store), name))) ?? "")));
    } catch (error) {
      // A file that is no longer valid is ignored; a system error is not.
      if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error;
    }
  }
  return found.sort((a, b) => (a.place < b.place ? -1 : 1));
}
