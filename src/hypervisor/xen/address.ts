import { xenstoreNodes } from "../../firstboot/xenstore-keys.ts";
import type { Runner } from "../../host/host.ts";

/** The IPv4 address of a running domain, by the MAC of its first card. */
export async function foundAddress(host: Runner, id: number, mac: string): Promise<string | undefined> {
  const home = `/local/domain/${id}`;
  const node = `${home}/${xenstoreNodes.out}/org_tbuild_addresses`;
  const { stdout } = await host.run(["sh", "-c", addressScript, node, `${home}/attr`]);
  const [neighbours = "", reported = "", attributes = ""] = stdout.split("\0");
  return addressOf(mac, { neighbours, reported, attributes });
}

/** The Xen host's facts about a machine that may contain its address. */
export interface KnownOf {
  /** What the guest reported under `org.tbuild.addresses`: JSON, interface to addresses. */
  readonly reported: string;
  /** `ip neigh` of the Xen host. */
  readonly neighbours: string;
  /** `xenstore-ls` of the domain's `attr`, where the agents of XenServer and XCP-ng report addresses. */
  readonly attributes: string;
}

/** The IPv4 address of the machine whose first card has this MAC, from the best source. */
export function addressOf(mac: string, known: KnownOf): string | undefined {
  return neighbour(mac, known.neighbours) ?? reported(known.reported) ?? attribute(known.attributes);
}

// `192.168.77.101 dev xenbr0 lladdr 00:21:f6:00:00:01 REACHABLE`; the newest that is not marked as failed.
function neighbour(mac: string, text: string): string | undefined {
  const lines = text.split("\n").filter((line) => {
    const words = line.toLowerCase().split(/\s+/);
    return words[words.indexOf("lladdr") + 1] === mac.toLowerCase() && !/FAILED|INCOMPLETE/.test(line);
  });
  const addresses = lines.sort((one, other) => rank(one) - rank(other)).map((line) => line.split(/\s/)[0]);
  return addresses.find(isUsable);
}

function rank(line: string): number {
  const at = ["REACHABLE", "DELAY", "PROBE", "STALE"].findIndex((state) => line.includes(state));
  return at === -1 ? 9 : at;
}

function reported(text: string): string | undefined {
  try {
    const all = Object.entries(JSON.parse(text) as object)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .flatMap(([, addresses]) => addresses as unknown);
    return all.flatMap((one) => (typeof one === "string" ? [one.replace(/\/\d+$/, "")] : [])).find(isUsable);
  } catch {
    return undefined;
  }
}

// `ip = "10.0.0.5"` of older agents, `0 = "10.0.0.5"` below `ipv4` of newer ones.
function attribute(text: string): string | undefined {
  return [...text.matchAll(/= "(\d+\.\d+\.\d+\.\d+)"/g)].map(([, one]) => one).find(isUsable);
}

function isUsable(text: string | undefined): text is string {
  return text !== undefined && /^\d+(\.\d+){3}$/.test(text) && !/^(?:127|169\.254|0)\./.test(text);
}

/** The n-th address after one. */
export function following(first: string, number: number): string {
  const value = first.split(".").reduce((sum, part) => sum * 256 + Number(part), 0) + number;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

const addressScript = `
ip -4 neigh show 2>/dev/null
printf '\\0'
xenstore-read "$0" 2>/dev/null
printf '\\0'
xenstore-ls "$1" 2>/dev/null
true`;
