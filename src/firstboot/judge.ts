import { amount } from "../io/units.ts";
import type { Parameter } from "../model/manifest.ts";
import { suggestion } from "../recipe/suggestion.ts";
import { isIpv4, isIpv6, isNetmask, toNumber } from "./addresses.ts";
import type { Fault, Reference } from "./fault.ts";
import { judgeTogether } from "./judge-together.ts";
import { bytesOf, mostBytes } from "./message-limits.ts";
import { isPattern } from "./pattern.ts";
import { rootPasswordKey, shippedKey } from "./shipped.ts";
import { faultOf } from "./value-types.ts";

// This file also runs in the browser, in the pages of the catalog.

export type { Fault, Reference } from "./fault.ts";

export const plainSecret = "is a secret in plain text; write {env: NAME}, {file: PATH} or {prompt: true}";

/**
 * Checks values against a contract: keys, types, related values, and missing ones. A reference counts as a
 * value, but its target is not checked. If the contract may lack parameters (`isWhole` is false), an unknown
 * key is a warning.
 */
export function judge(
  contract: readonly Parameter[],
  given: ReadonlyMap<string, string | Reference>,
  isWhole = true,
): Fault[] {
  const own = [...given].flatMap(([key, value]) => judgeOne(contract, key, value, isWhole));
  return [
    ...own,
    ...missing(contract, given),
    ...judgeInterfaces(given),
    ...judgeUsers(contract, given),
    ...judgeTogether(given),
  ];
}

function judgeOne(
  contract: readonly Parameter[],
  key: string,
  value: string | Reference,
  isWhole: boolean,
): Fault[] {
  const parameter = parameterOf(contract, key);
  const error = (text: string): Fault => ({ key, text, weight: "error" });
  const keys = contract.map((one) => one.key);
  const alike = keys.find((one) => one === `${key}.0`) ?? keys.find((one) => lastWord(one) === lastWord(key));
  const meant = alike === undefined ? suggestion(key, keys) : `; did you mean "${alike}"?`;
  if (!parameter && isWhole) return [error(`the template has no such parameter${meant}`)];
  const found: Fault[] = [];
  if (!parameter)
    found.push({
      key,
      text: `is not among the known parameters${meant}`,
      weight: "warning",
    });
  const keyBytes = bytesOf(key);
  if (keyBytes > mostBytes.key)
    found.push(error(`the key has ${keyBytes} bytes; the limit is ${mostBytes.key}`));
  if (typeof value !== "string") return found;
  if (value === "") return [...found, error("is empty; give a value, or leave the key out")];
  if (/[\0\r\n]/.test(value))
    return [...found, error("has several lines or a zero byte, but a message has one line")];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
  if (/[\x01-\x08\x0b-\x1f\x7f]/.test(value))
    return [...found, error("contains a control character; remove it")];
  if (parameter?.password)
    found.push({
      key,
      text: plainSecret,
      weight: "warning",
    });
  if (parameter?.pattern !== undefined && !isPattern(parameter.pattern))
    found.push({
      key,
      text: `is not checked against its module's pattern, which RE2 cannot read: ${shortened(parameter.pattern)}`,
      weight: "warning",
    });
  const fault = faultOf(parameter ?? unknownParameter(key), value);
  if (fault !== undefined)
    found.push(error(parameter?.password ? `is not ${fault}` : `"${shortened(value)}" is not ${fault}`));
  if (key === `${network}hostname` && fault === undefined && value.length > mostHostName)
    found.push(error(`has ${amount(value.length, "character")}; the kernel takes at most ${mostHostName}`));
  if (key === `${network}hostname` && /^localhost(?:\.localdomain)?$/i.test(value))
    found.push({
      key,
      text: `${value} means this machine on every machine; give it a name of its own`,
      weight: "warning",
    });
  if (/\.ssh\.(?:private-key|host-\w+-key)(?:\.\d+)?$/.test(key) && /^(?:ssh|ecdsa|sk)-\S+ AAAA/.test(value))
    found.push(error("is a public key; the private one begins with -----BEGIN"));
  const bytes = bytesOf(value);
  if (bytes > mostBytes.unlogged)
    found.push(error(`has ${bytes} bytes; the limit of a message is ${mostBytes.unlogged}`));
  return found;
}

/** The last word of a key in its name space, which is what people remember of it. */
function lastWord(key: string): string {
  const [word = key] = /[^.]+$/.exec(key.replace(numbered, "")) ?? [];
  const space = key.split(".").slice(0, 2).join(".");
  return `${space} ${word}`;
}

/** HOST_NAME_MAX of Linux. */
const mostHostName = 64;

function unknownParameter(key: string): Parameter {
  return { key, description: "", module: "", required: false, hidden: false, password: false };
}

/** The parameter of a key. Keys that end with a number repeat: `…device.1` is like `…device.0`. */
export function parameterOf(contract: readonly Parameter[], key: string): Parameter | undefined {
  const exact = contract.find((one) => one.key === key);
  if (exact || !numbered.test(key)) return exact;
  const stem = key.replace(numbered, "");
  return contract.find((one) => numbered.test(one.key) && one.key.replace(numbered, "") === stem);
}

// The guest counts without leading zeros, so it never looks for 00.
const numbered = /\.(?:0|[1-9]\d*)$/;

function missing(contract: readonly Parameter[], given: ReadonlyMap<string, string | Reference>): Fault[] {
  const found = contract
    .filter(({ key, required }) => required && !given.has(key))
    .map(
      ({ key, description }): Fault => ({
        key,
        text: `is required${description ? `: ${description}` : ""}`,
        weight: "error",
      }),
    );
  const isAsked = contract.some(({ key }) => key === rootPasswordKey);
  if (isAsked && !given.has(rootPasswordKey) && !found.some(({ key }) => key === rootPasswordKey))
    found.push({
      key: rootPasswordKey,
      text: "is missing: the guest waits for it, and configures itself only when it arrives",
      weight: "warning",
    });
  return found;
}

const network = "com.oracle.linux.network.";

// Checks the related values of one network interface.
function judgeInterfaces(given: ReadonlyMap<string, string | Reference>): Fault[] {
  const byIndex = new Map<number, Map<string, string | Reference>>();
  for (const [key, value] of given) {
    const [, name, index] = /^com\.oracle\.linux\.network\.([a-z-]+)\.(\d+)$/.exec(key) ?? [];
    if (name === undefined || name === "host" || shippedKey(key) === undefined) continue;
    const own = byIndex.get(Number(index)) ?? new Map<string, string | Reference>();
    byIndex.set(Number(index), own.set(name, value));
  }
  const found = [...byIndex].flatMap(([index, own]) => judgeInterface(index, own));
  const gateways = [...byIndex]
    .filter(([, own]) => own.has("gateway"))
    .map(([index]) => `${network}gateway.${index}`);
  for (const key of gateways.slice(1))
    found.push({
      key,
      text: `is a second default gateway, besides ${gateways[0]}; the guest keeps one of them`,
      weight: "warning",
    });
  for (const name of ["device", "ipaddr", "hwaddr"]) found.push(...twice(given, `${network}${name}.`));
  return found;
}

const users = "com.oracle.linux.user.";

// Checks the related values of one user: tbuild's module refuses values without a name.
function judgeUsers(contract: readonly Parameter[], given: ReadonlyMap<string, string | Reference>): Fault[] {
  if (parameterOf(contract, `${users}name.0`) === undefined) return [];
  const alone = [...given.keys()].flatMap((key): Fault[] => {
    const [, index] = /^com\.oracle\.linux\.user\.(?:uid|group|password)\.(\d+)$/.exec(key) ?? [];
    const name = `${users}name.${index}`;
    if (index === undefined || given.has(name)) return [];
    return [{ key: name, by: key, text: `is missing: it names the user of ${key}`, weight: "error" }];
  });
  const ofRoot = [...given].flatMap(([key, value]): Fault[] => {
    const isRoot =
      value === "root" ? key.startsWith(`${users}name.`) : value === "0" && key.startsWith(`${users}uid.`);
    if (!isRoot) return [];
    return [{ key, text: `${value} is root, who exists already; name a new user`, weight: "error" }];
  });
  return [...alone, ...ofRoot, ...twice(given, `${users}name.`), ...twice(given, `${users}uid.`)];
}

function judgeInterface(index: number, own: ReadonlyMap<string, string | Reference>): Fault[] {
  const found: Fault[] = [];
  const text = (name: string) => {
    const value = own.get(name);
    return typeof value === "string" ? value : undefined;
  };
  const add = (name: string, what: string) =>
    found.push({
      key: `${network}${name}.${index}`,
      ...(!own.has(name) && { by: `${network}${[...own.keys()][0]}.${index}` }),
      text: what,
      weight: "error",
    });
  if (!own.has("device")) add("device", `is missing: it names the interface for the values with .${index}`);
  const protocol = text("bootproto");
  const isSix = isIpv6(text("ipaddr") ?? "");
  if (protocol === "static" && isSix && !own.has("netmask"))
    add("ipaddr", "is an IPv6 address; the guest additions set static addresses of IPv4 only");
  else if (protocol === "static" || protocol === "none")
    for (const name of ["ipaddr", "netmask"])
      if (
        !own.has(name) &&
        (protocol === "static" || own.has("ipaddr") || own.has("netmask") || own.has("gateway"))
      )
        add(name, "is missing: the interface is static");
  if (protocol === "dhcp")
    for (const name of ["ipaddr", "netmask", "gateway"])
      if (own.has(name)) add(name, "has no effect: bootproto is dhcp");
  const lonely = own.has("ipaddr") ? "ipaddr" : own.has("netmask") ? "netmask" : "gateway";
  if (!own.has("bootproto") && own.has("device") && own.has(lonely))
    found.push({
      key: `${network}${lonely}.${index}`,
      text: `is given without bootproto.${index}: static; the guest may take its address by DHCP then`,
      weight: "warning",
    });
  for (const server of (text("dns-servers") ?? "").split(",").map((one) => one.trim())) {
    const serverFault =
      isIpv4(server) && !server.startsWith("127.") ? addressFault(server, undefined) : undefined;
    if (serverFault !== undefined) add("dns-servers", `${server} ${serverFault}`);
  }
  const [address, mask, gateway] = [text("ipaddr"), text("netmask"), text("gateway")];
  const fault = address === undefined ? undefined : addressFault(address, mask);
  if (address !== undefined && fault !== undefined) add("ipaddr", `${address} ${fault}`);
  if (address === undefined || gateway === undefined) return found;
  if (gateway === address) add("gateway", "is the interface's own address");
  else if (isIpv6(address) !== isIpv6(gateway) && isIpv4(address) !== isIpv4(gateway))
    add("gateway", `${gateway} and ${address} are addresses of different kinds: IPv4 and IPv6`);
  else if (mask !== undefined && isNetmask(mask) && isIpv4(address) && isIpv4(gateway)) {
    const size = 2 ** 32 - toNumber(mask);
    if (Math.floor(toNumber(address) / size) !== Math.floor(toNumber(gateway) / size))
      add("gateway", `${gateway} is not in the network of ${address}/${mask}`);
    else {
      const gatewayFault = addressFault(gateway, mask);
      if (gatewayFault !== undefined) add("gateway", `${gateway} ${gatewayFault}`);
    }
  }
  return found;
}

/** Why no interface can have this address. */
function addressFault(address: string, mask: string | undefined): string | undefined {
  if (isIpv6(address) && mask !== undefined) return "is an IPv6 address, which has no netmask";
  if (!isIpv4(address)) return undefined;
  const [first = 0] = address.split(".").map(Number);
  if (first === 127) return "is an address of the loopback";
  if (first === 0 || first >= 224) return "is not the address of a machine";
  if (mask === undefined || !isNetmask(mask)) return undefined;
  const size = 2 ** 32 - toNumber(mask);
  // Networks with one or two addresses have neither.
  if (size < 4) return undefined;
  const rest = toNumber(address) % size;
  if (rest === 0) return `is the network ${address}/${mask} itself`;
  return rest === size - 1 ? `is the broadcast address of its network` : undefined;
}

function twice(given: ReadonlyMap<string, string | Reference>, prefix: string): Fault[] {
  const found: Fault[] = [];
  const seen = new Map<string, string>();
  for (const [key, value] of given) {
    if (!key.startsWith(prefix) || typeof value !== "string") continue;
    const other = seen.get(value.toLowerCase());
    if (other !== undefined) found.push({ key, text: `${value} is also ${other}`, weight: "error" });
    seen.set(value.toLowerCase(), key);
  }
  return found;
}

function shortened(value: string): string {
  return value.length <= 100 ? value : `${value.slice(0, 97)}...`;
}
