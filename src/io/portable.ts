import { join } from "node:path";

/** The folders that paths are kept relative to, by name; the first that holds a path is the one. */
export type Places = Readonly<Record<string, string>>;

// What stands for a path in JSON. No step gives anything else of this form.
const key = "path in";

/** JSON in which every text that is a path below one of `places` is kept relative to it. */
export function toPortable(value: unknown, places: Places): string {
  return JSON.stringify(value, (_, one) => (typeof one === "string" ? placed(one, places) : one), 2);
}

/** What `toPortable` has written, with its paths where `places` are now. */
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
