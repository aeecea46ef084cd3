import { posix } from "node:path";
import type { GuestTree } from "../../image/tree.ts";
import { shellAssignments, shellCommands, shellSources, testedBy } from "../config/shell.ts";
import { textIn } from "../operation.ts";
import { connectionsNamed, interfaceFiles, routeFiles } from "../seal/network.ts";
import { judgeIfcfgKey } from "../seal/network-keys.ts";
import type { Leftover } from "./search.ts";

// The scripts of initscripts work in this folder.
const home = "/etc/sysconfig/network-scripts";
const deepest = 8;

/**
 * The identities in files that an interface's configuration reads with `.` or `source`. A seal changes only
 * the configuration itself, so they are reported, and so is a file whose name only a shell can compute.
 */
export async function sourcedIdentities(tree: GuestTree): Promise<Leftover[]> {
  const named = await connectionsNamed(tree);
  const found: Leftover[] = [];
  const seen = new Set<string>();
  // /etc/sysconfig/network is checked separately.
  const add = (path: string, what: string) => found.push({ path, what, of: "network" });
  const isKnown = (path: string) => path === "/etc/sysconfig/network" || /\/(?:ifcfg|keys)-[^/]*$/.test(path);
  const follow = async (path: string, depth: number) => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = (await textIn(tree, path)) ?? "";
    if (depth > 0 && !isKnown(path))
      for (const { name, value } of shellAssignments(text)) {
        const verdict = judgeIfcfgKey(name, value.trim(), named);
        // A computed value differs in every clone.
        if (verdict.fate !== "stays" && !/[$`]/.test(value))
          found.push({ path, what: `its ${verdict.class} (${name})`, of: "network" });
      }
    const tested = new Set(shellCommands(text).flatMap((words) => testedBy(words)));
    for (const { file, isPlain } of shellSources(text)) {
      const where = posix.resolve(home, file);
      if (!isPlain || depth === deepest)
        add(path, `maybe its address, because it reads another file (${file})`);
      else if ((await textIn(tree, where)) !== undefined) await follow(where, depth + 1);
      else if (!tested.has(file))
        add(path, `maybe its address, because it reads ${file}, which does not exist`);
    }
  };
  for (const pattern of [...interfaceFiles, ...routeFiles])
    for (const path of await tree.glob(pattern)) await follow(path, 0);
  return found;
}
