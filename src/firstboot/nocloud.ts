import { stringify } from "yaml";
import type { Answer } from "./messages.ts";
import { rootPasswordKey } from "./shipped.ts";

/** The files of a seed for cloud-init's data source NoCloud. The disc's label is `cidata`. */
export interface NoCloudSeed {
  readonly files: Readonly<Record<"meta-data" | "user-data" | "network-config", string>>;
  /** Keys that are unknown, or for which cloud-init has no setting. */
  readonly left: readonly string[];
}

/** The version of a seed's network configuration; 0 is the format before version 1. */
export type NetworkVersion = 0 | 1 | 2;

const oracle = "com.oracle.linux.";

/**
 * The same values for a guest with cloud-init. A seed is on a disc, so it contains no passwords: `hashes` has a crypt(3)
 * hash for the value of each password key. Every cloud-init from 0.7.7 on reads network version 1. Version 2 is netplan's;
 * a cloud-init that reads it has NETWORK_CONFIG_V2 among its features (`cloud-init features`). Version 0 is for cloud-init
 * before 0.7.7, such as OL6's 0.7.5: it reads the network from the meta-data, accepts hashes for new users only, and
 * ignores uids (ChangeLog of cloud-init, 0.7.7 and 0.7.8).
 */
export function noCloudSeed(
  answers: readonly Answer[],
  machine: string,
  hashes: ReadonlyMap<string, string>,
  networkVersion: NetworkVersion = 1,
): NoCloudSeed {
  const values = valuesOf(answers, hashes);
  const hostname = values.take("network.hostname");
  const config = {
    ...(hostname !== undefined && {
      hostname: hostname.split(".")[0],
      fqdn: hostname,
      manage_etc_hosts: true,
    }),
    ...(networkVersion === 0 ? oldSettings(values) : settings(values)),
  };
  const interfaces = interfacesOf(values, networkVersion);
  const network = networkVersion === 2 ? versionTwo(interfaces) : versionOne(interfaces);
  const isOld = networkVersion === 0;
  return {
    files: {
      "meta-data": yaml({
        "instance-id": machine,
        ...given("local-hostname", hostname),
        ...(isOld && interfaces.length > 0 && { "network-interfaces": versionZero(interfaces) }),
      }),
      "user-data": `#cloud-config\n${yaml(config)}`,
      "network-config": interfaces.length === 0 || isOld ? "" : yaml(network),
    },
    left: values.left(),
  };
}

/** The values of a seed, by their keys without Oracle's prefix. */
interface Values {
  /** A value, without taking it. */
  look(name: string): string | undefined;
  take(name: string): string | undefined;
  /** Takes a password, and returns its hash. */
  hash(name: string): string | undefined;
  /** The numbers at the end of keys, in order. */
  readonly numbers: readonly number[];
  /** The keys that were not taken. */
  left(): string[];
}

function valuesOf(answers: readonly Answer[], hashes: ReadonlyMap<string, string>): Values {
  const taken = new Set<string>();
  const values = new Map(answers.filter(({ value }) => value !== "").map(({ key, value }) => [key, value]));
  const look = (name: string) => values.get(`${oracle}${name}`);
  const take = (name: string) => {
    const value = look(name);
    if (value !== undefined) taken.add(`${oracle}${name}`);
    return value;
  };
  return {
    look,
    take,
    hash: (name) => (take(name) === undefined ? undefined : hashes.get(`${oracle}${name}`)),
    numbers: [...new Set(answers.map(({ key }) => /\.(\d+)$/.exec(key)?.[1] ?? ""))]
      .filter((text) => text !== "")
      .map(Number)
      .sort((one, other) => one - other),
    left: () => [...values.keys()].filter((key) => !taken.has(key)),
  };
}

/** Everything except host name and network, for cloud-init 0.7.7 and later. */
function settings(values: Values): Record<string, unknown> {
  const root = values.hash("root-password");
  const ntp = values.take("datetime.ntp");
  const { users, groups } = usersOf(values, false);
  return {
    ...given("timezone", values.take("datetime.timezone")),
    ...(ntp !== undefined && { ntp: { enabled: /^true$/i.test(ntp) } }),
    ...hostKeys(values, ["rsa", "ecdsa", "ed25519", "dsa"]),
    ...accounts(users, groups),
    // cloud-init recognizes a hash by its $. `list` is deprecated since 22.2, but EL7's and EL8's cloud-init know only this.
    ...(root !== undefined && { chpasswd: { expire: false, list: [`root:${root}`] } }),
  };
}

/** The same for older ones: they know no ntp and no ed25519, and would take a hash in `chpasswd` for the password itself. */
function oldSettings(values: Values): Record<string, unknown> {
  const root = values.hash("root-password");
  const { users, groups } = usersOf(values, true);
  const rootUser = users.get("root");
  if (rootUser) rootUser.lock_passwd = false;
  return {
    ...given("timezone", values.take("datetime.timezone")),
    ...hostKeys(values, ["rsa", "ecdsa", "dsa"]),
    ...accounts(users, groups),
    ...(root !== undefined && {
      runcmd: [["sh", "-c", `printf '%s\\n' 'root:${root}' | chpasswd -e`]],
    }),
  };
}

function hostKeys({ take }: Values, kinds: readonly string[]) {
  const keys = kinds.flatMap((kind) => {
    const key = take(`ssh.host-${kind}-key`);
    return key === undefined ? [] : [[`${kind}_private`, `${key.replaceAll("\\n", "\n").trim()}\n`]];
  });
  return keys.length > 0 && { ssh_keys: Object.fromEntries(keys) };
}

function accounts(users: ReadonlyMap<string, object>, groups: ReadonlySet<string>) {
  return {
    ...(groups.size > 0 && { groups: [...groups] }),
    ...(users.size > 0 && { users: [...users.values()] }),
    ...(users.has("root") && { disable_root: false }),
  };
}

function interfacesOf({ look, take, numbers }: Values, networkVersion: NetworkVersion): Interface[] {
  return numbers.flatMap((number) => {
    // The old ones translate no IPv6 for EL.
    if (networkVersion === 0 && look(`network.ipaddr.${number}`)?.includes(":")) return [];
    const name = take(`network.device.${number}`);
    if (name === undefined) return [];
    const stays = /^no$/i.test(look(`network.onboot.${number}`) ?? "");
    // cloud-init's version 2 cannot describe an interface that stays down, so the key is left over.
    if (networkVersion !== 2 || !stays) take(`network.onboot.${number}`);
    return [
      {
        name,
        mac: take(`network.hwaddr.${number}`)?.toLowerCase(),
        dhcp: (take(`network.bootproto.${number}`) ?? "dhcp") === "dhcp",
        stays,
        address: take(`network.ipaddr.${number}`),
        netmask: take(`network.netmask.${number}`),
        gateway: take(`network.gateway.${number}`),
        servers: words(take(`network.dns-servers.${number}`)),
        search: words(take(`network.dns-search-domains.${number}`)),
      },
    ];
  });
}

/** The users of a seed, and the groups that they need: cloud-init does not make a user's first group by itself. */
function usersOf({ numbers, take, hash }: Values, isOld: boolean) {
  const users = new Map<string, Record<string, unknown>>();
  const groups = new Set<string>();
  const user = (name: string) => {
    const found = users.get(name) ?? { name };
    users.set(name, found);
    return found;
  };
  for (const number of numbers) {
    const name = take(`user.name.${number}`);
    if (name === undefined) continue;
    const password = hash(`user.password.${number}`);
    const group = take(`user.group.${number}`);
    if (group !== undefined && !/^\d+$/.test(group)) groups.add(group);
    Object.assign(user(name), {
      // As text: older ones ignore a number.
      ...(!isOld && given("uid", take(`user.uid.${number}`))),
      ...given("primary_group", group),
      ...(password !== undefined && { passwd: password, lock_passwd: false }),
    });
  }
  for (const number of numbers) {
    const key = take(`ssh.authorized-keys.${number}`);
    if (key === undefined) continue;
    const whose = user(take(`ssh.user.${number}`) ?? "root");
    whose.ssh_authorized_keys = [...((whose.ssh_authorized_keys as string[] | undefined) ?? []), key];
  }
  return { users, groups };
}

interface Interface {
  readonly name: string;
  readonly mac: string | undefined;
  readonly dhcp: boolean;
  /** It is not started at boot. */
  readonly stays: boolean;
  readonly address: string | undefined;
  readonly netmask: string | undefined;
  readonly gateway: string | undefined;
  readonly servers: readonly string[] | undefined;
  readonly search: readonly string[] | undefined;
}

// As /etc/network/interfaces, which cloud-init translates for EL.
function versionZero(interfaces: readonly Interface[]): string {
  const lines = interfaces.map(({ name, mac, dhcp, stays, address, netmask, gateway, servers, search }) => {
    const settings = [
      ["address", address],
      ["netmask", netmask],
      ["gateway", gateway],
      ["hwaddress", mac && `ether ${mac}`],
      ["dns-nameservers", servers?.join(" ")],
      ["dns-search", search?.join(" ")],
    ];
    const said = settings.flatMap(([key, value]) => (value === undefined ? [] : [`    ${key} ${value}\n`]));
    return `${stays ? "" : `auto ${name}\n`}iface ${name} inet ${dhcp ? "dhcp" : "static"}\n${said.join("")}`;
  });
  return lines.join("");
}

function versionOne(interfaces: readonly Interface[]) {
  const config = interfaces.map(({ name, mac, dhcp, stays, address, netmask, gateway, servers, search }) => {
    const subnet = {
      type: dhcp ? "dhcp4" : "static",
      ...(stays && { control: "manual" }),
      ...given("address", address),
      ...given("netmask", netmask),
      ...given("gateway", gateway),
      ...given("dns_nameservers", servers),
      ...given("dns_search", search),
    };
    return { type: "physical", name, ...given("mac_address", mac), subnets: [subnet] };
  });
  return { version: 1, config };
}

function versionTwo(interfaces: readonly Interface[]) {
  const ethernets = interfaces.map(({ name, mac, dhcp, address, netmask, gateway, servers, search }) => {
    const nameservers = { ...given("addresses", servers), ...given("search", search) };
    const settings = {
      ...(mac !== undefined && { match: { macaddress: mac }, "set-name": name }),
      dhcp4: dhcp,
      ...(address !== undefined && { addresses: [`${address}${prefixOf(netmask)}`] }),
      // Older versions do not know the netplan keys that replace these two.
      ...(gateway !== undefined && { [gateway.includes(":") ? "gateway6" : "gateway4"]: gateway }),
      ...(Object.keys(nameservers).length > 0 && { nameservers }),
    };
    return [name, settings];
  });
  return { version: 2, ethernets: Object.fromEntries(ethernets) };
}

/** `/25`, of a prefix or of a netmask such as 255.255.255.128. */
function prefixOf(netmask: string | undefined): string {
  if (netmask === undefined) return "";
  if (/^\d+$/.test(netmask)) return `/${netmask}`;
  const bits = netmask.split(".").map((byte) => Number(byte).toString(2).replaceAll("0", "").length);
  return `/${bits.reduce((sum, one) => sum + one, 0)}`;
}

/** The keys whose values have to be hashed for a seed. */
export function passwordKeys(answers: readonly Answer[]): string[] {
  return answers
    .filter(
      ({ key, value }) => value !== "" && (key === rootPasswordKey || /\.user\.password\.\d+$/.test(key)),
    )
    .map(({ key }) => key);
}

// cloud-init reads YAML 1.1, in which `yes` and `0123` are not texts.
function yaml(value: unknown): string {
  return stringify(value, { version: "1.1" });
}

function given<Key extends string, Value>(key: Key, value: Value | undefined) {
  return (value === undefined ? {} : { [key]: value }) as { readonly [K in Key]?: Value };
}

function words(list: string | undefined): string[] | undefined {
  return list?.split(",").map((word) => word.trim());
}
