import type { GuestTree } from "../../image/tree.ts";
import type { Operation } from "../operation.ts";
import { editsAll, kernelArguments } from "./edit.ts";

/**
 * Network cards are named by their slot in the machine (ens3, enp0s4), which differs between hypervisors: a card is eth0 under
 * Xen and ens3 on KVM. A guest whose configuration names such a card gets numbered names (eth0), which are the same everywhere.
 */
export const networkNames: Operation = {
  name: "network-names",
  summary: "Name network cards eth0, eth1 …, if the configuration names them by their slot",
  needs: "files",
  async pending(tree) {
    const renames = await renamesOf(tree);
    if (renames.size === 0) return [];
    const files = (await configured(tree)).filter(({ path, text }) => isChanged(path, text, renames));
    return [...files.map(({ path }) => path), ...(await counting.pending(tree))];
  },
  async apply(tree) {
    const renames = await renamesOf(tree);
    if (renames.size === 0) return;
    for (const { path, text } of await configured(tree)) {
      if (!isChanged(path, text, renames)) continue;
      const { mode, uid, gid, label } = (await tree.stat(path)) ?? { mode: 0o600, uid: 0, gid: 0 };
      const to = renamed(path, renames);
      await tree.write(to, renamed(text, renames), { mode, uid, gid, ...(label !== undefined && { label }) });
      if (to !== path) await tree.remove(path);
    }
    await counting.apply(tree);
  },
};

const counting = editsAll({
  name: "network-names",
  summary: "",
  changes: kernelArguments((line) =>
    ["net.ifnames=0", "biosdevname=0"].reduce(
      (all, word) => (all.split(/\s+/).includes(word) ? all : `${all.trimEnd()} ${word}`),
      line,
    ),
  ),
});

// systemd.net-naming-scheme(7), and biosdevname's em1 and p4p1.
const byPlace = /^(?:en[ospx]\w+|em\d+|p\d+p\d+)$/;

async function configured(tree: GuestTree): Promise<{ readonly path: string; readonly text: string }[]> {
  const found: { path: string; text: string }[] = [];
  for (const pattern of [
    "/etc/sysconfig/network-scripts/ifcfg-*",
    "/etc/sysconfig/network-scripts/route-*",
    "/etc/NetworkManager/system-connections/*.nmconnection",
  ])
    for (const path of await tree.glob(pattern)) {
      const text = (await tree.stat(path))?.kind === "file" ? await tree.text(path) : undefined;
      if (text !== undefined) found.push({ path, text });
    }
  return found;
}

async function renamesOf(tree: GuestTree): Promise<ReadonlyMap<string, string>> {
  const names = new Set<string>();
  const taken = new Set<string>();
  for (const { text } of await configured(tree)) {
    // A card that is identified by its MAC address keeps its name.
    if (/^\s*(?:HWADDR|mac-address)=\S/m.test(text)) continue;
    for (const [, name = ""] of text.matchAll(/^\s*(?:DEVICE|interface-name)=["']?([^\s"']+?)["']?\s*$/gm))
      if (byPlace.test(name)) names.add(name);
      else taken.add(name);
  }
  const free = Array.from({ length: names.size + taken.size }, (_, index) => `eth${index}`).filter(
    (name) => !taken.has(name),
  );
  return new Map([...names].sort(byNumbers).map((name, index) => [name, free[index] ?? name]));
}

// enp0s3 before enp0s10: the kernel numbers cards by slot, too.
function byNumbers(one: string, other: string): number {
  return one.localeCompare(other, "en", { numeric: true });
}

function renamed(text: string, renames: ReadonlyMap<string, string>): string {
  return text.replaceAll(/(?<![\w.])[a-z]\w+(?![\w])/g, (word) => renames.get(word) ?? word);
}

function isChanged(path: string, text: string, renames: ReadonlyMap<string, string>): boolean {
  return renamed(text, renames) !== text || renamed(path, renames) !== path;
}
