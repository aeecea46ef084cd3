import { shellAssignments, shellCommands } from "../config/shell.ts";
import { identityIn } from "../seal/network-keys.ts";

/** An identity that a command sets, and the class of the report that it belongs to. */
interface CommandIdentity {
  readonly what: string;
  readonly of: string;
}

/**
 * The addresses, link addresses and host names that the commands in a text for a shell set, if the text
 * contains them: `hostname vm17`, `ip addr add 10.3.3.3/24 dev eth0`. A computed value differs in every
 * clone.
 */
export function commandIdentities(script: string, depth = 0): CommandIdentity[] {
  const found = new Map<string, CommandIdentity>();
  const values = new Map<string, string>();
  for (const { name, value } of shellAssignments(script))
    if (!/[$`]/.test(value)) values.set(name, value.trim());
  const inserted = (word: string) =>
    word.replaceAll(
      /\$(?:(\w+)|\{(\w+)(?::?[-=]([^}]*))?\})/g,
      (whole, bare, braced, instead) => values.get(bare ?? braced) ?? instead ?? whole,
    );
  for (const raw of shellCommands(script)) {
    const words = withoutWrappers(raw.map(inserted));
    for (const one of [...identitiesOf(words), ...inner(words, depth)])
      found.set(`${one.of} ${one.what}`, one);
  }
  return [...found.values()];
}

/** Whether a text contains a link address that is not a placeholder. */
export function linkAddressIn(text: string): boolean {
  const all =
    text.match(/(?<![\da-f:.-])[\da-f]{2}(?:([:-])[\da-f]{2})(?:\1[\da-f]{2}){4}(?![\da-f:.-])/gi) ?? [];
  return all.some((one) => !/^(?:(?:00[:-]){5}00|(?:ff[:-]){5}ff)$/i.test(one));
}

const wrapper =
  /^(?:\{|!|if|elif|then|else|do|while|until|exec|command|builtin|env|sudo|nohup|setsid|time|eval|nice|ionice|timeout|chroot|-\S*|\d+[smh]?|[A-Za-z_]\w*=.*)$/;

// `then sudo LANG=C /sbin/ip …` as `ip …`.
function withoutWrappers(words: readonly string[]): string[] {
  let at = 0;
  while (at < words.length && wrapper.test(words[at] ?? "")) at++;
  const [command, ...rest] = words.slice(at);
  return command === undefined ? [] : [command.replace(/^.*\//, ""), ...rest];
}

// `sh -c "…"` and `echo … | at now`: a text for a shell inside a word.
function inner(words: readonly string[], depth: number): CommandIdentity[] {
  if (depth > 2 || !/^(?:ba|k|da)?sh$|^su$|^runuser$|^nsenter$|^ssh$/.test(words[0] ?? "")) return [];
  return words.filter((word) => /\s/.test(word)).flatMap((word) => commandIdentities(word, depth + 1));
}

function identitiesOf([command = "", ...words]: readonly string[]): CommandIdentity[] {
  const found: CommandIdentity[] = [];
  const name = nameSetBy(command, words);
  if (name !== undefined) found.push({ what: `a host name (${command})`, of: "host name" });
  const hidden = command === "mount" ? mountedOver(words) : undefined;
  if (hidden !== undefined)
    found.push({
      what: `maybe more, because it mounts ${hidden}, which is not in fstab (mount)`,
      of: "network",
    });
  if (!configures.test(command)) return found;
  const seen = new Set(words.flatMap((word) => networkIdentities(word)));
  for (const what of seen) found.push({ what: `${what} (${command})`, of: "network" });
  return found;
}

// Commands that set an interface, a route or a neighbour to values among their words.
const configures =
  /^(?:ip|ifconfig|route|arp|arping|nmcli|teamnl|bridge|brctl|ovs-vsctl|macchanger|nameif|ipmaddr|iptunnel|vconfig|ethtool|dhclient|dhcpcd|tc|ifenslave|ifrename|busybox|networkctl|wicked|netconfig|ipconfig)$/;

function networkIdentities(word: string): string[] {
  if (linkAddressIn(word)) return ["a link address"];
  return identityIn(word) === "address" ? ["an address"] : [];
}

// mount(8): operations then inspect another folder. Other volumes of the disk are accounted for by
// themselves.
function mountedOver(words: readonly string[]): string | undefined {
  const options = words.join(" ");
  if (!/(?:^|\s)(?:--r?bind|--move|-[BMR])(?:\s|$)|\b(?:r?bind|upperdir=|loop)\b|\boverlay\b/.test(options))
    return undefined;
  if (/\bremount\b/.test(options)) return undefined;
  const places = words.filter((word) => word.startsWith("/"));
  const place = places.at(-1);
  return place === undefined || /^\/(?:proc|sys|dev|run|tmp)(?:\/|$)/.test(place) ? undefined : place;
}

function nameSetBy(command: string, words: readonly string[]): string | undefined {
  const isName = (word: string | undefined) =>
    word !== undefined && /^[A-Za-z\d][\w.-]*$/.test(word) && !/^localhost(?:\.|$)/i.test(word);
  const first = (list: readonly (string | undefined)[]) => list.find(isName);
  const plain = words.filter((word) => !word.startsWith("-"));
  switch (command) {
    case "hostname":
      // -F reads a file; -s, -f and their like show.
      return words.some((word) => /^-/.test(word)) ? undefined : first(words.slice(0, 1));
    case "domainname":
    case "nisdomainname":
    case "ypdomainname":
      return words.some((word) => /^-/.test(word)) ? undefined : first(words.slice(0, 1));
    case "hostnamectl":
      return /^(?:set-hostname|hostname)$/.test(plain[0] ?? "") ? first(plain.slice(1, 2)) : undefined;
    case "nmcli": {
      const at = plain.indexOf("hostname");
      return at >= 0 && /^g/.test(plain[0] ?? "") ? first([plain[at + 1]]) : undefined;
    }
    case "sysctl":
      return first(words.map((word) => /^kernel[./](?:hostname|domainname)=(.+)$/.exec(word)?.[1]));
    case "echo":
    case "printf": {
      const to = words.indexOf(">");
      const target = words.slice(to).find((word) => word.startsWith("/"));
      return to > 0 && /^\/(?:etc|proc\/sys\/kernel)\/hostname$/.test(target ?? "")
        ? first(plain.slice(0, to).map((word) => word.replace(/\\n$/, "")))
        : undefined;
    }
    default:
      return undefined;
  }
}
