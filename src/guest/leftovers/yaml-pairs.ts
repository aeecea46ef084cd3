import { parseAllDocuments } from "yaml";

const mostCharacters = 256 * 1024;

/** Each value of a YAML file, with the key above it; `undefined` if it is not YAML. */
export function yamlPairs(
  text: string,
  below: string | undefined,
): Iterable<readonly [key: string, value: string]> | undefined {
  if (text.length > mostCharacters) return undefined;
  try {
    const documents = parseAllDocuments(text, { uniqueKeys: false, logLevel: "silent" });
    if (documents.some(({ errors }) => errors.length > 0)) return undefined;
    return documents.flatMap((document) => {
      const whole = document.toJS({ maxAliasCount: 100 }) as unknown;
      return [...valuesIn("", below === undefined ? whole : (whole as Tree | undefined)?.[below])];
    });
  } catch {
    return undefined;
  }
}

type Tree = Readonly<Record<string, unknown>>;

function* valuesIn(key: string, value: unknown): Generator<readonly [string, string]> {
  if (Array.isArray(value)) for (const one of value) yield* valuesIn(key, one);
  else if (typeof value === "object" && value !== null)
    for (const [name, inside] of Object.entries(value)) {
      // An address with options is a key: `- "192.0.2.7/24": {label: x}`.
      yield [key, name];
      yield* valuesIn(name, inside);
    }
  else yield [key, String(value ?? "")];
}
