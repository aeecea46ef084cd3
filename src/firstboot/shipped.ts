import { rootPasswordKey } from "../model/root-password.ts";
import type { Target } from "./targets.ts";

/** The form of a value. `text` is anything. */
export const valueTypes = [
  "text",
  "boolean",
  "yes-no",
  "integer",
  "ip",
  "netmask",
  "ip-list",
  "hostname",
  "domain-list",
  "hosts-line",
  "bootproto",
  "device",
  "mac",
  "path",
  "timezone",
  "datetime",
  "selinux",
] as const;
export type ValueType = (typeof valueTypes)[number];

/** A module that Oracle ships as `ovm-template-config-NAME`. */
export interface ShippedModule {
  readonly priorities: Readonly<Partial<Record<Target, number>>>;
}

/**
 * The modules of Oracle's guest additions with their priorities, as `ovm-chkconfig --list` of OL6 prints them
 * (Oracle VM Utilities Guide, "Oracle VM Guest Additions"). A guest's own list decides; this one is for
 * modules that are not installed yet.
 */
export const shippedModules: Readonly<Record<string, ShippedModule>> = {
  selinux: { priorities: { configure: 30 } },
  firewall: { priorities: { configure: 41 } },
  datetime: { priorities: { configure: 50, cleanup: 50 } },
  network: { priorities: { configure: 50, cleanup: 50 } },
  system: { priorities: { configure: 60, cleanup: 60 } },
  user: { priorities: { configure: 60, cleanup: 40 } },
  ssh: { priorities: { configure: 70, cleanup: 30 } },
  authentication: { priorities: { configure: 90, cleanup: 10 } },
};

/** Other modules of Oracle's. Only their names and keys are known. Oracle's templates of clusters and of Exalogic have them. */
const furtherModules = ["etchosts", "exalogic", "vmsshkey"];

/** Whether a module of Oracle's has this name. */
export function isOracles(module: string): boolean {
  return Object.hasOwn(shippedModules, module) || furtherModules.includes(module);
}

/** The key whose message starts the configuration. It is sent last. */
export { rootPasswordKey };

const oracle = "com.oracle.linux.";

interface ShippedKey {
  readonly module: string;
  readonly type: ValueType;
}

/**
 * The keys that Oracle documents, with the type of their values (Oracle VM Utilities Guide, "Key-Value Pairs for
 * Template Configuration"; for the network's also Oracle's own OVF descriptors). `N` is an index from 0.
 */
const keys: Readonly<Record<string, ShippedKey>> = {
  "root-password": { module: "authentication", type: "text" },
  "network.hostname": { module: "network", type: "hostname" },
  "network.host.N": { module: "network", type: "hosts-line" },
  "network.device.N": { module: "network", type: "device" },
  "network.hwaddr.N": { module: "network", type: "mac" },
  "network.onboot.N": { module: "network", type: "yes-no" },
  "network.bootproto.N": { module: "network", type: "bootproto" },
  "network.ipaddr.N": { module: "network", type: "ip" },
  "network.netmask.N": { module: "network", type: "netmask" },
  "network.gateway.N": { module: "network", type: "ip" },
  "network.dns-servers.N": { module: "network", type: "ip-list" },
  "network.dns-search-domains.N": { module: "network", type: "domain-list" },
  "datetime.datetime": { module: "datetime", type: "datetime" },
  "datetime.timezone": { module: "datetime", type: "timezone" },
  "datetime.utc": { module: "datetime", type: "boolean" },
  "datetime.ntp": { module: "datetime", type: "boolean" },
  "selinux.mode": { module: "selinux", type: "selinux" },
};

/** Oracle's documentation of a key; `undefined` for others. The index of an interface has no meaning here. */
export function shippedKey(key: string): ShippedKey | undefined {
  if (!key.startsWith(oracle)) return undefined;
  const name = key.slice(oracle.length).replace(/\.\d+$/, ".N");
  return Object.hasOwn(keys, name) ? keys[name] : undefined;
}

/** The shipped module that owns a key, such as `network` of `com.oracle.linux.network.mtu.0`. */
export function shippedOwner(key: string): string | undefined {
  if (key === rootPasswordKey) return "authentication";
  if (!key.startsWith(oracle)) return undefined;
  const [space = ""] = key.slice(oracle.length).split(".");
  return isOracles(space) ? space : undefined;
}
