import { posix } from "node:path";
import type { GuestTree } from "../../image/tree.ts";
import { shellAssignments } from "../config/shell.ts";
import { textIn } from "../operation.ts";
import type { Leftover } from "./search.ts";

const home = "/etc/ssh";
const deepest = 4;

/**
 * Host keys of sshd outside the places where the guest makes new ones: those that sshd_config(5) names, and
 * others below /etc/ssh. A seal does not remove them, since sshd would not start without a key that its
 * configuration names.
 */
export async function otherHostKeys(tree: GuestTree): Promise<Leftover[]> {
  const { named, unread } = await namedByServer(tree);
  const found = new Map<string, Leftover>();
  const add = (path: string, what: string) => found.set(path, { path, what, of: "SSH keys" });
  for (const path of named)
    for (const one of [path, `${path}.pub`, `${path}-cert.pub`])
      if (!isMadeAgain(one) && ((await textIn(tree, one)) ?? "").trim() !== "")
        add(one, "an SSH host key, which nothing in the guest would recreate");
  for (const path of await filesBelow(tree, home))
    if (!isMadeAgain(path) && !found.has(path) && isPrivateKey((await textIn(tree, path)) ?? ""))
      add(path, "a private key");
  for (const path of unread) add(path, "maybe SSH host keys, because this file does not exist");
  return [...found.values()];
}

// sshd-keygen of OL7 and later, and the start script of sshd before.
function isMadeAgain(path: string): boolean {
  return /^\/etc\/(?:ssh\/)?ssh_host_[^/]*$/.test(path);
}

function isPrivateKey(text: string): boolean {
  return /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(text);
}

interface Named {
  readonly named: readonly string[];
  /** Missing files that the configuration includes by name. */
  readonly unread: readonly string[];
}

async function namedByServer(tree: GuestTree): Promise<Named> {
  const named = new Set<string>();
  const unread = new Set<string>();
  const seen = new Set<string>();
  const read = async (path: string, depth: number) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [keyword = "", ...words] of directives((await textIn(tree, path)) ?? "")) {
      if (/^host(?:key|certificate)$/i.test(keyword))
        for (const word of words) if (word !== "none") named.add(posix.resolve("/", word));
      if (/^include$/i.test(keyword) && depth < deepest)
        for (const word of words) {
          const pattern = posix.resolve(home, word);
          const files = await tree.glob(pattern);
          if (files.length === 0 && !/[*?[]|^\/etc\/crypto-policies\//.test(pattern)) unread.add(pattern);
          for (const file of files) await read(file, depth + 1);
        }
    }
  };
  const { configs, keys } = await startOptions(tree);
  for (const key of keys) named.add(key);
  for (const path of configs) await read(path, 0);
  return { named: [...named], unread: [...unread] };
}

// sshd(8): -f and -h, as the start script and the unit take them from /etc/sysconfig/sshd.
async function startOptions(
  tree: GuestTree,
): Promise<{ readonly configs: readonly string[]; readonly keys: readonly string[] }> {
  const configs = [`${home}/sshd_config`, ...(await tree.glob(`${home}/sshd_config.d/*.conf`))];
  const keys: string[] = [];
  for (const { name, value } of shellAssignments((await textIn(tree, "/etc/sysconfig/sshd")) ?? ""))
    if (name === "OPTIONS")
      for (const [, option, path = ""] of value.matchAll(/(?:^|\s)-([fh])\s*(\/\S+)/g))
        (option === "f" ? configs : keys).push(path);
  return { configs, keys };
}

/** The keyword and the arguments of each line of an sshd_config(5). */
function directives(text: string): string[][] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [, keyword, rest = ""] = /^\s*([A-Za-z]\w*)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
    if (keyword === undefined) return [];
    const words = [...rest.matchAll(/"([^"]*)"|(#.*)|([^\s"]+)/g)];
    return [[keyword, ...words.flatMap(([, quoted, , bare]) => quoted ?? bare ?? [])]];
  });
}

async function filesBelow(tree: GuestTree, folder: string, depth = 0): Promise<string[]> {
  const found: string[] = [];
  for (const name of await tree.list(folder)) {
    const path = `${folder}/${name}`;
    const stat = await tree.stat(path);
    if (stat?.kind === "file" && stat.size < 65_536) found.push(path);
    if (stat?.kind === "dir" && depth < deepest) found.push(...(await filesBelow(tree, path, depth + 1)));
  }
  return found;
}
