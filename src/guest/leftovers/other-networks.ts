import { parseAllDocuments } from "yaml";
import type { GuestTree } from "../../image/tree.ts";
import { keyfileEntries } from "../config/keyfile.ts";
import { textIn } from "../operation.ts";
import { judgeUnknownKey } from "../seal/network-keys.ts";
import { type OtherNetwork, otherNetworks } from "../seal/other-networks.ts";
import type { Leftover } from "./search.ts";
import { withoutXmlComments } from "./telling-keys.ts";

/** What the files of other network managers hold of this guest: of each class, the first key. */
export async function otherNetworkIdentities(tree: GuestTree): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const network of otherNetworks)
    for (const pattern of network.paths)
      for (const path of await tree.glob(pattern)) {
        const seen = new Set<string>();
        for (const [key, value] of pairsOf((await textIn(tree, path)) ?? "", network)) {
          const verdict = judgeUnknownKey(key.slice(key.lastIndexOf(".") + 1), value);
          if (verdict.fate !== "unclear" || seen.has(verdict.class)) continue;
          seen.add(verdict.class);
          found.push(ofNetwork(path, verdict.class, key));
        }
      }
  return found;
}

export function ofNetwork(path: string, kind: string, key: string): Leftover {
  return { path, what: `maybe its ${kind} (${key})`, of: kind === "host name" ? kind : "network" };
}

type Pairs = Iterable<readonly [key: string, value: string]>;

function pairsOf(text: string, { form, below }: OtherNetwork): Pairs {
  if (form === "keyfile")
    return keyfileEntries(text).map(({ group, key, value }) => [
      group === "" ? key : `${group}.${key}`,
      value,
    ]);
  return (form === "yaml" ? yamlPairs(text, below) : undefined) ?? wordPairs(text);
}

const mostCharacters = 256 * 1024;

/** Each value of a YAML file, with the key above it; `undefined` if it is no YAML. */
function yamlPairs(text: string, below: string | undefined): Pairs | undefined {
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

function* wordPairs(whole: string): Generator<readonly [string, string]> {
  const text = withoutXmlComments(whole.replaceAll(/^[ \t]*[#!].*$/gm, ""));
  for (const [, key = "", value = ""] of text.matchAll(
    /(?<![\w-])([A-Za-z][\w-]{0,80})["']?[ \t]*(?:[:=>]|[ \t])[ \t]*([^\n<]*)/g,
  ))
    yield [key, value];
}
