import type { GuestTree } from "../../image/tree.ts";
import { keyfileEntries } from "../config/keyfile.ts";
import { textIn } from "../operation.ts";
import { judgeUnknownKey } from "../seal/network-keys.ts";
import { type OtherNetwork, otherNetworks } from "../seal/other-networks.ts";
import type { Leftover } from "./search.ts";
import { withoutXmlComments } from "./telling-keys.ts";

/** Identities in the files of other network managers: for each class, the first key. */
export async function otherNetworkIdentities(tree: GuestTree): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const network of otherNetworks)
    for (const pattern of network.paths)
      for (const path of await tree.glob(pattern)) {
        const seen = new Set<string>();
        for (const [key, value] of await pairsOf((await textIn(tree, path)) ?? "", network)) {
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

async function pairsOf(text: string, { form, below }: OtherNetwork): Promise<Pairs> {
  if (form === "keyfile")
    return keyfileEntries(text).map(({ group, key, value }) => [
      group === "" ? key : `${group}.${key}`,
      value,
    ]);
  if (form !== "yaml") return wordPairs(text);
  // Few guests have such a file, and the library for YAML is large.
  const { yamlPairs } = await import("./yaml-pairs.ts");
  return yamlPairs(text, below) ?? wordPairs(text);
}

function* wordPairs(whole: string): Generator<readonly [string, string]> {
  const text = withoutXmlComments(whole.replaceAll(/^[ \t]*[#!].*$/gm, ""));
  for (const [, key = "", value = ""] of text.matchAll(
    /(?<![\w-])([A-Za-z][\w-]{0,80})["']?[ \t]*(?:[:=>]|[ \t])[ \t]*([^\n<]*)/g,
  ))
    yield [key, value];
}
