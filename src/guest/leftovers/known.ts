import type { GuestTree } from "../../image/tree.ts";
import { keyfileEntries } from "../config/keyfile.ts";
import { shellAssignments } from "../config/shell.ts";
import { textIn, withHomes } from "../operation.ts";
import { type Agent, agents, peoplesSecrets } from "../seal/agents.ts";
import { connectionFiles, connectionsNamed, interfaceFiles } from "../seal/network.ts";
import { freeIfcfg, freeKeyfile } from "../seal/network-files.ts";
import { judgeIfcfgKey, judgeUnknownKey } from "../seal/network-keys.ts";
import { isMadeAgain } from "../seal/services.ts";
import { ofNetwork, otherNetworkIdentities } from "./other-networks.ts";
import type { Leftover } from "./search.ts";

/** Known items that no operation removes: secrets of agents and people, and unclear network keys. */
export async function knownLeftovers(tree: GuestTree): Promise<Leftover[]> {
  return [
    ...(await reported(tree, agents, (path) => [path])),
    ...(await reported(tree, peoplesSecrets, (path) => [`/root/${path}`, `~/${path}`])),
    ...(await notMadeAgain(tree)),
    ...(await unclearKeys(tree)),
    ...(await idsOfBootEntries(tree)),
    ...(await namedSecrets(tree)),
  ];
}

/** The accounts, including root, that can log in with a password of the build (shadow(5), gshadow(5)). */
export async function accountPasswords(tree: GuestTree): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const path of ["/etc/shadow", "/etc/gshadow", "/etc/passwd"]) {
    const rows = ((await textIn(tree, path)) ?? "").split("\n").map((line) => line.split(":"));
    const names = rows.flatMap(([name = "", word = ""]) => (isPassword(word) ? [name] : []));
    if (names.length > 0) found.push({ path, what: `the password of ${names.join(", ")}`, of: "passwords" });
  }
  return found;
}

// A locked account has a leading `!`, and cannot log in until somebody removes it.
function isPassword(word: string): boolean {
  return /^(?:\$[\da-z]+\$|_[./\dA-Za-z]{19}$|[./\dA-Za-z]{13}$)/.test(word);
}

async function reported(
  tree: GuestTree,
  table: readonly Agent[],
  placesOf: (path: string) => readonly string[],
): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const { name, reports = [], looks } of table)
    for (const pattern of await withHomes(tree, reports.flatMap(placesOf)))
      for (const path of await tree.glob(pattern))
        if (await isThere(tree, path, looks)) found.push({ path, what: `a secret or an id of ${name}` });
  return found;
}

const mostLookedAt = 1024 * 1024;

async function isThere(tree: GuestTree, path: string, looks: RegExp | undefined): Promise<boolean> {
  const stat = await tree.stat(path);
  if (stat?.kind === "dir") return (await tree.list(path)).length > 0;
  const text = await textIn(tree, path);
  if (text === undefined || text.trim() === "") return false;
  // `^\s*` would scan a run of empty lines once for each of its lines.
  const lines = (looks ? text.slice(0, mostLookedAt).split("\n") : []).filter((line) => line.trim() !== "");
  return looks?.test(lines.join("\n")) ?? true;
}

// A key that only its package makes, such as mod_ssl's before OL8: all clones have the same.
async function notMadeAgain(tree: GuestTree): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const { name, resets = [], madeBy } of agents)
    for (const path of madeBy === undefined ? [] : resets)
      if (
        /\.(?:key|pem|crt)$/.test(path) &&
        (await tree.stat(path))?.kind === "file" &&
        !(await isMadeAgain(tree, path))
      )
        found.push({
          path,
          what: `a ${path.endsWith(".crt") ? "certificate" : "key"} of ${name}, which nothing in the guest would recreate`,
        });
  return found;
}

async function unclearKeys(tree: GuestTree): Promise<Leftover[]> {
  const named = await connectionsNamed(tree);
  const found: Leftover[] = [];
  const kinds = [
    [[...interfaceFiles, "/etc/sysconfig/network-scripts/keys-*"], freeIfcfg],
    [connectionFiles, freeKeyfile],
  ] as const;
  for (const [patterns, free] of kinds)
    for (const pattern of patterns)
      for (const path of await tree.glob(pattern)) {
        const text = path.endsWith("/ifcfg-lo") ? undefined : await textIn(tree, path);
        for (const { key, class: kind } of text === undefined ? [] : free(text, named).unclear)
          found.push(kind === "secret" ? { path, what: `a secret (${key})` } : ofNetwork(path, kind, key));
      }
  for (const pattern of ["/etc/NetworkManager/*.conf", "/etc/NetworkManager/conf.d/*.conf"])
    for (const path of await tree.glob(pattern))
      for (const { group, key, value } of keyfileEntries((await textIn(tree, path)) ?? "")) {
        const verdict = judgeUnknownKey(key, value);
        if (verdict.fate === "unclear" && verdict.class !== "address")
          found.push(ofNetwork(path, verdict.class, `${group}.${key}`));
      }
  return [...found, ...(await unclearWords(tree, named)), ...(await otherNetworkIdentities(tree))];
}

// /etc/sysconfig/network, except values that a seal resets.
async function unclearWords(tree: GuestTree, named: ReadonlySet<string>): Promise<Leftover[]> {
  const found: Leftover[] = [];
  const global = "/etc/sysconfig/network";
  for (const { name, value } of shellAssignments((await textIn(tree, global)) ?? "")) {
    const verdict = judgeIfcfgKey(name, value.trim(), named);
    if (verdict.fate !== "stays" && !/^localhost(?:\.|$)/.test(value.trim()))
      found.push(ofNetwork(global, verdict.class, name));
  }
  return found;
}

// Those that must keep their names, because something refers to them that cannot be changed here.
async function idsOfBootEntries(tree: GuestTree): Promise<Leftover[]> {
  const entries = await tree.glob("/boot/loader/entries/*.conf");
  return entries
    .filter((path) => /\/(?!f{32})[\da-f]{32}-[^/]+$/.test(path))
    .map((path) => ({ path, what: "a machine id in a name", of: "machine id" }));
}

// Files with passwords that crypttab(5) and fstab(5) name.
async function namedSecrets(tree: GuestTree): Promise<Leftover[]> {
  const crypttab = ((await textIn(tree, "/etc/crypttab")) ?? "").matchAll(/^\s*[^#\s]\S*\s+\S+\s+(\/\S+)/gm);
  const fstab = ((await textIn(tree, "/etc/fstab")) ?? "").matchAll(
    /^\s*[^#\s].*?\bcred(?:entials)?=(\/[^\s,]+)/gm,
  );
  const named = [
    ...[...crypttab].map(([, path = ""]) => ({ path, what: "the key of an encrypted volume" })),
    ...[...fstab].map(([, path = ""]) => ({ path, what: "the password of a share" })),
  ];
  const found: Leftover[] = [];
  for (const one of named)
    if (!one.path.startsWith("/dev/") && (await isThere(tree, one.path, undefined))) found.push(one);
  return found;
}
