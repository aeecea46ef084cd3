import { amount } from "../io/units.ts";
import { isIpv4, isIpv6 } from "./addresses.ts";
import type { Fault, Reference } from "./fault.ts";

// This file also runs in the browser, in the pages of the catalog.

type Given = ReadonlyMap<string, string | Reference>;

/** Checks Oracle's numbered keys, name servers and lines of hosts as a whole. All faults are warnings. */
export function judgeTogether(given: Given): Fault[] {
  return [
    ...groups.flatMap((group) => gaps(given, group)),
    ...resolvers(given),
    ...hosts(given),
    ...unreachable(given),
  ];
}

// What is counted together: the cards, the lines of hosts, the users, and the keys of ssh.
const groups: readonly RegExp[] = [
  /^com\.oracle\.linux\.network\.(?!host\.)[a-z-]+\.(0|[1-9]\d*)$/,
  /^com\.oracle\.linux\.network\.host\.(0|[1-9]\d*)$/,
  /^com\.oracle\.linux\.user\.[a-z-]+\.(0|[1-9]\d*)$/,
  /^com\.oracle\.linux\.ssh\.[a-z-]+\.(0|[1-9]\d*)$/,
];

// A file may set one card alone. What a module does behind a number that is missing is not documented.
function gaps(given: Given, group: RegExp): Fault[] {
  const first = new Map<number, string>();
  for (const key of given.keys()) {
    const number = group.exec(key)?.[1];
    if (number !== undefined && !first.has(Number(number))) first.set(Number(number), key);
  }
  const numbers = [...first.keys()].sort((a, b) => a - b);
  const at = numbers.findIndex((number, index) => index > 0 && number !== (numbers[index - 1] ?? 0) + 1);
  const [before = 0, behind] = [numbers[at - 1], numbers[at]];
  const key = behind === undefined ? undefined : first.get(behind);
  if (key === undefined) return [];
  return [
    {
      key,
      text: `is numbered, and nothing has the number ${before + 1}: a guest may look no further than the first that is missing`,
      weight: "warning",
    },
  ];
}

/** The resolver of Linux asks no more. */
const mostServers = 3;
/** resolv.conf(5): glibc before 2.26, OL8's is 2.28. */
const mostDomains = 6;

function resolvers(given: Given): Fault[] {
  const found: Fault[] = [];
  const all: string[] = [];
  for (const [key, value] of given) {
    const isServers = /^com\.oracle\.linux\.network\.dns-servers\.\d+$/.test(key);
    if (typeof value !== "string" || !(isServers || /\.network\.dns-search-domains\.\d+$/.test(key)))
      continue;
    const words = value.split(",").map((word) => word.trim().toLowerCase());
    const twice = words.find((word, index) => words.indexOf(word) < index);
    if (twice !== undefined && twice !== "")
      found.push({ key, text: `has ${twice} twice`, weight: "warning" });
    if (!isServers && words.length > mostDomains)
      found.push({
        key,
        text: `has ${amount(words.length, "domain")}; up to OL7, a guest searches the first ${mostDomains} only`,
        weight: "warning",
      });
    if (!isServers) continue;
    const before = all.length;
    for (const word of words) if (!all.includes(word)) all.push(word);
    if (before <= mostServers && all.length > mostServers)
      found.push({
        key,
        text: `makes ${all.length} name servers; a guest asks the first ${mostServers} only`,
        weight: "warning",
      });
  }
  return found;
}

// One name with two addresses of a kind: the first line of /etc/hosts counts.
function hosts(given: Given): Fault[] {
  const found: Fault[] = [];
  const known = new Map<string, string>();
  for (const [key, value] of given) {
    if (typeof value !== "string" || !/^com\.oracle\.linux\.network\.host\.\d+$/.test(key)) continue;
    const [address = "", ...names] = value.trim().split(/\s+/);
    const kind = isIpv4(address) ? 4 : isIpv6(address) ? 6 : undefined;
    if (kind === undefined) continue;
    for (const name of names) {
      const place = `${kind} ${name.toLowerCase()}`;
      const other = known.get(place);
      known.set(place, other ?? address);
      if (other !== undefined && other !== address)
        found.push({ key, text: `${name} is also ${other}; the first line counts`, weight: "warning" });
    }
  }
  return found;
}

function unreachable(given: Given): Fault[] {
  const onboot = [...given].filter(([key]) => /^com\.oracle\.linux\.network\.onboot\.\d+$/.test(key));
  const cards = [...given.keys()].filter((key) => /^com\.oracle\.linux\.network\.device\.\d+$/.test(key));
  const [first] = onboot;
  if (!first || onboot.length < cards.length) return [];
  if (!onboot.every(([, value]) => typeof value === "string" && value.toLowerCase() === "no")) return [];
  return [
    {
      key: first[0],
      text: "is no for every network card, so the machine is not reachable over the network",
      weight: "warning",
    },
  ];
}
