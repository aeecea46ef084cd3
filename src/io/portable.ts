import { join } from "node:path";

/** Named base folders. A path is stored relative to the first folder that contains it. */
export type Places = Readonly<Record<string, string>>;

// How a path is written in JSON. No step returns any other value of this form.
const key = "path in";

/** JSON in which every string that is a path below one of `places` is relative to that place. */
export function toPortable(value: unknown, places: Places): string {
  return JSON.stringify(value, (_, one) => (typeof one === "string" ? placed(one, places) : one), 2);
}

/** Reads what `toPortable` wrote, and resolves its paths against the current `places`. */
export function fromPortable(text: string, places: Places): unknown {
  return JSON.parse(text, (_, one) => {
    const place: unknown = typeof one === "object" && one !== null ? one[key] : undefined;
    const folder = typeof place === "string" ? places[place] : undefined;
    return folder === undefined ? one : join(folder, String(one.rest));
  });
}

function placed(text: string, places: Places): string | object {
  for (const [name, folder] of Object.entries(places))
    if (text === folder || text.startsWith(`${folder}/`))
      return { [key]: name, rest: text.slice(folder.length + 1) };
  return text;
}
