import { isIP } from "node:net";

/** What a key in a network configuration reveals about its machine. */
export type KeyClass =
  | "link address"
  | "connection id"
  | "client id"
  | "host name"
  | "address"
  | "route"
  | "name server"
  | "secret";

/** Whether a key is kept, removed, or left to its owner's decision. */
export type Verdict =
  | { readonly fate: "stays" }
  | { readonly fate: "goes"; readonly class: KeyClass }
  | { readonly fate: "unclear"; readonly class: KeyClass };

interface KeyRule {
  readonly class: KeyClass;
  readonly keys: RegExp;
  /** Values that are a policy, not an identity: each clone generates its own. */
  readonly policies?: RegExp;
  /** Reported instead of removed: something that refers to it would break, or it is there on purpose. */
  readonly isReported?: true;
}

/**
 * NetworkManager's keyfiles: nm-settings-keyfile(5). An id that another connection names (`controller`, `parent`)
 * stays, since a bond without it falls apart; see `judgeKeyfileKey`.
 */
const keyfileRules: readonly KeyRule[] = [
  {
    class: "link address",
    keys: /^(?:mac-address|cloned-mac-address|assigned-mac-address|mac-address-(?:blacklist|denylist)|bssid|seen-bssids|bdaddr)$/,
    policies: /^(?:preserve|permanent|random|stable|stable-ssid)$/,
  },
  { class: "connection id", keys: /^(?:uuid|timestamp)$/ },
  {
    class: "client id",
    keys: /^dhcp-client-id$/,
    policies: /^(?:mac|perm-mac|duid|ipv6-duid|stable|none)$/,
  },
  {
    class: "client id",
    keys: /^dhcp-duid$/,
    policies: /^(?:lease|llt|ll|stable-llt|stable-ll|stable-uuid)$/,
  },
  { class: "client id", keys: /^dhcp-iaid$/, policies: /^(?:mac|perm-mac|ifname|stable)$/ },
  { class: "host name", keys: /^(?:dhcp-hostname|dhcp-fqdn)$/ },
  { class: "address", keys: /^(?:address(?:es)?\d*|gateway|token)$/ },
  { class: "route", keys: /^(?:routes?\d*(?:_options)?|routing-rules?\d*)$/ },
  { class: "name server", keys: /^(?:dns|dns-search)$/ },
  {
    class: "secret",
    keys: /^(?:psk|wep-key\d|(?:leap-|phase2-)?password(?:-raw)?|(?:phase2-)?private-key-password|pin|preshared-key|mka-cak|private-key)$/,
    // A path. The file itself is inspected elsewhere.
    policies: /^(?:file:\/\/)?\//,
    isReported: true,
  },
];

/** The ifcfg files of initscripts and of NetworkManager: nm-settings-ifcfg-rh(5), sysconfig.txt of initscripts. */
const ifcfgRules: readonly KeyRule[] = [
  {
    class: "link address",
    keys: /^(?:HWADDR|MACADDR|HWADDR_BLACKLIST|BRIDGE_MACADDR|WIRELESS_MACADDR|BSSID)$/,
    policies: /^(?:preserve|permanent|random|stable)$/i,
  },
  { class: "connection id", keys: /^UUID$/ },
  {
    class: "client id",
    keys: /^DHCP_CLIENT_ID$/,
    policies: /^(?:mac|perm-mac|duid|ipv6-duid|stable|none)$/,
  },
  {
    class: "client id",
    keys: /^DHCPV6_DUID$/i,
    policies: /^(?:lease|llt|ll|stable-llt|stable-ll|stable-uuid)$/,
  },
  { class: "client id", keys: /^DHCP(?:V6)?_IAID$/i, policies: /^(?:mac|perm-mac|ifname|stable)$/ },
  { class: "host name", keys: /^(?:DHCP(?:V6)?_(?:HOSTNAME|FQDN)|HOSTNAME)$/i },
  {
    class: "address",
    keys: /^(?:IPADDR\d*|IPADDR_(?:START|END)\d*|NETMASK\d*|PREFIX\d*|GATEWAY\d*|BROADCAST\d*|NETWORK\d*|REMIP|SRCADDR|IPV6ADDR\w*|IPV6_DEFAULTGW\w*|IPV6_TOKEN)$/,
  },
  { class: "route", keys: /^(?:ROUTING_RULE6?_\d*|ADDRESS\d+)$/ },
  { class: "name server", keys: /^(?:DNS\d+|DOMAIN|SEARCH|IPV6_DOMAIN)$/ },
  {
    class: "secret",
    keys: /^(?:KEY(?:_PASSPHRASE)?\d*|WPA_PSK|.*PASSWORD|.*_PIN|MKA_CAK)$/,
    isReported: true,
  },
];

// Keys whose values look like an identity, but are not.
const harmless =
  /^(?:generate-mac-address-mask|group-address|interface-name|id|type|controller|master|port-type|slave-type|parent|secondaries|permissions|stable-id|zone|DUIDType|GENERATE_MAC_ADDRESS_MASK|BRIDGING_OPTS|DEVICE|NAME|PHYSDEV|PARENT|MASTER|BRIDGE|TEAM_MASTER|(?:MASTER|BRIDGE|TEAM_MASTER|VRF|OVS_PORT|SECONDARY)_UUIDS?|.*_FLAGS|.*-flags)$/;

/** The decision for a key in a keyfile. `named` are the ids by which connections refer to each other. */
export function judgeKeyfileKey(key: string, value: string, named: ReadonlySet<string>): Verdict {
  if (key === "uuid" && named.has(value.toLowerCase())) return { fate: "stays" };
  return judge(keyfileRules, key, value);
}

/** The decision for a key in an ifcfg file. `named` are the ids by which connections refer to each other. */
export function judgeIfcfgKey(key: string, value: string, named: ReadonlySet<string>): Verdict {
  if (key === "UUID" && named.has(value.toLowerCase())) return { fate: "stays" };
  return judge(ifcfgRules, key, value);
}

/** For other files, in which only the form of a value is known. */
export function judgeUnknownKey(key: string, value: string): Verdict {
  if (harmless.test(key)) return { fate: "stays" };
  const seen = identityIn(value) ?? (tellingName(key, value) ? "client id" : undefined);
  return seen === undefined ? { fate: "stays" } : { fate: "unclear", class: seen };
}

/** The id by which a connection refers to another one. */
export function isReference(key: string): boolean {
  return /^(?:controller|master|parent|secondaries|PHYSDEV|(?:MASTER|BRIDGE|TEAM_MASTER|VRF|OVS_PORT|SECONDARY)_UUIDS?)$/.test(
    key,
  );
}

function judge(rules: readonly KeyRule[], key: string, value: string): Verdict {
  const rule = rules.find(({ keys }) => keys.test(key));
  if (!rule) return judgeUnknownKey(key, value);
  if (value.trim() === "" || rule.policies?.test(value.trim())) return { fate: "stays" };
  return { fate: rule.isReported ? "unclear" : "goes", class: rule.class };
}

/** The class of a text that looks like a link address, an IP address or a UUID. */
export function identityIn(value: string): KeyClass | undefined {
  if (/(?<![\da-f:.-])[\da-f]{2}(?:[:-][\da-f]{2}){5,}(?![\da-f:.-])/i.test(value)) return "link address";
  if (/(?<![\da-f])[\da-f]{8}-?(?:[\da-f]{4}-?){3}[\da-f]{12}(?![\da-f])/i.test(value))
    return "connection id";
  const addresses = value.match(/(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])/g) ?? [];
  if (addresses.some((one) => !/^(?:0|127|255|169\.254|22[4-9]|23\d)\.|\.0\.0\.0$/.test(one)))
    return "address";
  return value.split(/[\s,;"'[\]]+/).some((word) => isGlobal(word.replace(/[/%].*/, "")))
    ? "address"
    : undefined;
}

// fe80:: is the same on every link, ff00:: is a group (RFC 4291).
function isGlobal(word: string): boolean {
  return word.includes(":") && isIP(word) === 6 && !/^(?:fe[89ab]|ff|::1?$)/i.test(word);
}

// A name that says what it is, with a value that is neither a switch nor a number.
function tellingName(key: string, value: string): boolean {
  return (
    /(?:^|[-_])(?:mac|macaddr|hwaddr|duid|iaid|client[-_]?id(?:entifier)?|hostname|fqdn|hostid|uuid|serial)(?:$|[-_\d])/i.test(
      key.replaceAll(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$2-"),
    ) &&
    !/^\s*(?:|-?\d+|yes|no|true|false|on|off|default|auto|none|mac|perm-mac|permanent|preserve|random|stable(?:-\w+)?|lease|llt?|iaid\+duid|link-layer(?:-time)?)\s*$/i.test(
      value,
    )
  );
}
