/**
 * What each release's installer accepts in a kickstart: commands, their options and words, and the sections.
 *
 * Sources: `kickstart-lines.tsv` in the tests (175 lines and sections, each run through the real parser of OL5 to OL9),
 * and for the rest pykickstart: its branch for EL5, its releases 1.74, 1.99, 3.16 and 3.32 for EL6 to EL9, its
 * documentation and its tests. `kickstart-more-lines.tsv` in the tests has a line for each of those facts.
 *
 * An option is written `name` or `name=` (takes a value; `name=#` an integer, `name=(a|b)` one of these words, `name=i(a|b)`
 * one of them in upper or lower case, `name?` an optional value), then `:678` when only those releases have it, then `~9`
 * when those accept it with a warning, then `@7.1` when the first update lacks it. Each release is one character: OL10 would
 * be `a`, OL11 `b`.
 */
export interface CommandRule {
  /** The releases that have it. */
  readonly in: string;
  /** The update that added it, as `addedIn` reads it. */
  readonly since?: string;
  /** The releases that accept it and warn that it is deprecated. */
  readonly warn?: string;
  /** The releases that look for no options, so that each word is only a word. */
  readonly verbatim?: string;
  /** The allowed number of words besides the options, `[least, most]`; by release if they differ. */
  readonly words?: readonly [number, number];
  readonly wordsOf?: Readonly<Record<number, readonly [number, number]>>;
  /** One option of each of these groups is required; `a b:56` only in those releases. */
  readonly needs?: readonly string[];
  /** At most one option of each of these groups is allowed; `a b:789` only in those releases. */
  readonly either?: readonly string[];
  /** `a>b c:789`: option `a` needs one of `b` and `c`; `a>!b`: `a` excludes `b`. */
  readonly wants?: readonly string[];
  /** If one of these is given, no word is needed. */
  readonly insteadOfWord?: string;
  readonly options: string;
}

const all = "56789";
const plain: CommandRule = { in: all, options: "" };
const many = 99;
// Most commands of OL5 ignore words besides their options, and so do many of OL6 and OL7. There, `services
// --disabled=a, b` disables `a` alone; OL8 refuses it.
const unread5 = { 5: [0, many] } as const;
const unread = { 5: [0, many], 6: [0, many], 7: [0, many] } as const;

const luks =
  "encrypted passphrase= escrowcert=:6789 backuppassphrase:6789 cipher=:6789 luks-version=:89 pbkdf=:89 pbkdf-memory=#:89 pbkdf-time=#:89 pbkdf-iterations=#:89";
const formats = `fstype= fsoptions= noformat bytes-per-inode=#:5 fsprofile=:6789 mkfsoptions=:789@7.1 ${luks}`;
const sizes = "size=# grow maxsize=# recommended hibernation:6789 resize:789";
const resized = ["resize>onpart usepart:789", "resize>size:789"];
const onceFormatted = ["pbkdf-time pbkdf-iterations", "mkfsoptions fsprofile", "mkfsoptions noformat"];
const yesNo = "i(yes|no|on|off|true|false|1|0)";
const partition: CommandRule = {
  in: all,
  words: [1, 1],
  either: onceFormatted,
  wants: resized,
  options: `${formats} ${sizes} type= label= asprimary ondisk= ondrive= onpart= usepart= onbiosdisk= start=#:5 end=#:5 active~89`,
};
const leave: CommandRule = { in: all, wordsOf: unread, options: "eject kexec:789" };
const script = "interpreter= log= logfile= erroronfail";
const certificates = "sslcacert=:789 sslclientcert=:789 sslclientkey=:789";

export const commands: Readonly<Record<string, CommandRule>> = {
  auth: { in: all, warn: "89", words: [0, many], options: "*" },
  authconfig: { in: all, warn: "89", words: [0, many], options: "*" },
  authselect: { in: "89", words: [0, many], options: "*" },
  autopart: {
    in: all,
    wordsOf: unread,
    either: ["pbkdf-time pbkdf-iterations"],
    options: `${luks} type=i(lvm|plain|partition|thinp|btrfs:7):789 fstype=:789 nolvm:789 nohome:789@7.1 noboot:89 noswap:89`,
  },
  autostep: { in: all, warn: "9", wordsOf: unread, options: "autoscreenshot" },
  bootloader: {
    in: all,
    wordsOf: unread,
    options:
      "location=(mbr|partition|none|boot) append= driveorder= password= md5pass= upgrade~89 lba32:56~6 hvargs=:5 iscrypted:6789 timeout=#:6789 disabled:6789 default=:6789 boot-drive=:789 leavebootorder:789 extlinux:789 nombr:789",
  },
  btrfs: {
    in: "7",
    words: [2, many],
    options:
      "label= data=i(raid0|raid1|raid10|single|0|1|10) metadata=i(raid0|raid1|raid10|single|0|1|10) subvol parent= name= noformat useexisting mkfsoptions=",
  },
  cdrom: { ...plain, verbatim: "5", wordsOf: unread5 },
  clearpart: {
    in: all,
    wordsOf: unread,
    options: "all linux none initlabel drives= disklabel=:789@7.1 list=:789 cdl:789",
  },
  cmdline: { ...plain, verbatim: "5", wordsOf: unread5 },
  device: { in: "5678", verbatim: "5", warn: "8", words: [0, many], options: "opts=" },
  deviceprobe: { in: "5678", verbatim: "567", warn: "8", words: [0, many], options: "" },
  driverdisk: {
    in: all,
    verbatim: "5",
    words: [1, 1],
    wordsOf: unread5,
    insteadOfWord: "source biospart",
    either: ["source biospart"],
    options: "source= biospart=",
  },
  dmraid: { in: "5678", warn: "8", wordsOf: unread, needs: ["name", "dev"], options: "name= dev=" },
  eula: { in: "789", needs: ["agreed accepted agree accept"], options: "agreed accepted agree accept" },
  fcoe: { in: "6789", needs: ["nic"], options: "nic= dcb autovlan:789" },
  firewall: {
    in: all,
    wordsOf: unread5,
    options:
      "disabled disable enabled enable ssh http ftp smtp telnet:56~6 port= trust= service=:6789 remove-service=:789 use-system-defaults:789",
  },
  firstboot: { in: all, wordsOf: unread5, options: "disabled disable enabled enable reconfig" },
  graphical: { in: all, verbatim: "5", wordsOf: unread5, options: "non-interactive:89" },
  group: { in: "6789", wordsOf: unread, needs: ["name"], options: "name= gid=#" },
  halt: leave,
  harddrive: {
    in: all,
    wordsOf: unread,
    needs: ["dir", "partition biospart"],
    either: ["partition biospart"],
    options: "partition= biospart= dir=",
  },
  hmc: { in: "789", options: "" },
  ignoredisk: {
    in: all,
    wordsOf: unread,
    needs: ["drives only-use interactive:6789"],
    either: ["drives only-use interactive:6789"],
    options: "drives= only-use=@5.3 interactive:678~8",
  },
  install: { in: "5678", verbatim: "5", warn: "8", wordsOf: unread5, options: "root-device=:67" },
  interactive: { in: "56", options: "" },
  iscsi: {
    in: all,
    needs: ["ipaddr"],
    options: "target= ipaddr= port= user= password= reverse-user= reverse-password= iface=:6789",
  },
  iscsiname: { in: all, words: [1, 1], options: "" },
  key: { in: "56", verbatim: "56", words: [1, 1], options: "skip" },
  keyboard: {
    in: all,
    verbatim: "5",
    words: [1, 1],
    insteadOfWord: "vckeymap xlayouts",
    options: "vckeymap=:789 xlayouts=:789 switch=:789",
  },
  lang: { in: all, verbatim: "5", words: [1, 1], options: "addsupport=:789" },
  langsupport: { in: "5", verbatim: "5", warn: "5", words: [0, many], options: "default=" },
  liveimg: { in: "789", wordsOf: unread, needs: ["url"], options: "url= proxy= checksum= noverifyssl" },
  logging: {
    in: all,
    wordsOf: unread5,
    wants: ["port>host:89"],
    options: "host= port= level=(debug|info|warning|error|critical)~9",
  },
  logvol: {
    in: all,
    words: [1, 1],
    wordsOf: { 5: [1, many] },
    needs: ["vgname", "name", "size percent recommended hibernation useexisting noformat:789"],
    either: [...onceFormatted, "thin thinpool", "size percent:789"],
    wants: [
      "resize>useexisting:789",
      "resize>size:789",
      "thin>poolname",
      "chunksize>thinpool",
      "metadatasize>thinpool",
      ...["cachesize", "cachemode", "cachepvs"].flatMap((one) => [
        `${one}>cachepvs`,
        `${one}>cachesize`,
        `${one}>!useexisting noformat thin`,
      ]),
    ],
    options: `${formats} ${sizes} useexisting percent=# label=:789 vgname= name= thinpool:6789 thin:6789 poolname=:6789 chunksize=#:6789 metadatasize=#:6789 profile=:6789 cachesize=#:89 cachemode=(writeback|writethrough):89 cachepvs=:89`,
  },
  mediacheck: plain,
  module: { in: "89", needs: ["name"], options: "name= stream= disable" },
  monitor: { in: "56", warn: "6", options: "hsync= vsync= monitor= noprobe" },
  mount: { in: "89", words: [2, 2], options: "reformat? mkfsoptions= mountoptions=" },
  mouse: { in: "5", verbatim: "5", warn: "5", words: [0, many], options: "device= emulthree" },
  multipath: {
    in: "5678",
    warn: "8",
    wordsOf: unread,
    needs: ["name", "device", "rule"],
    options: "name= device= rule=",
  },
  network: {
    in: all,
    wordsOf: unread,
    wants: ["bridgeopts>bridgeslaves:789"],
    options: `bootproto=(dhcp|bootp|static|query|ibft:6789) device= onboot=${yesNo} ip= netmask= gateway= nameserver= hostname= nodns noipv4 noipv6 mtu= ethtool= dhcpclass= essid= wepkey= notksdevice ipv6=:6789 activate:6789@6.1 nodefroute:6789 bondslaves=:6789 bondopts=:6789 vlanid=:6789 ipv6gateway=:789 no-activate:789@7.1 bridgeslaves=:789 bridgeopts=:789 teamslaves=:789 teamconfig=:789 interfacename=:789 bindto=(mac):789 wpakey=:789`,
  },
  nfs: { in: all, wordsOf: unread, needs: ["server", "dir"], options: "server= dir= opts=" },
  nvdimm: { in: "789", words: [1, 1], options: "namespace= mode=(sector) sectorsize=# blockdevs=" },
  ostreecontainer: {
    in: "9",
    needs: ["url"],
    options: "stateroot= remote= url= transport= no-signature-verification",
  },
  ostreesetup: {
    in: "789",
    needs: ["osname", "url", "ref"],
    options: "osname= remote= url= ref= nogpg",
  },
  part: partition,
  partition,
  poweroff: leave,
  raid: {
    in: all,
    words: [2, many],
    wordsOf: { 5: [1, many] },
    insteadOfWord: "useexisting noformat",
    needs: ["device", "level useexisting noformat:6789"],
    either: onceFormatted,
    options: `${formats} useexisting label=:789 level=i(0:6789|1:6789|4:6789|5:6789|6:6789|10:6789|raid0:6789|raid1:6789|raid4:6789|raid5:6789|raid6:6789|raid10:6789) device= spares=# chunksize=#:789`,
  },
  realm: { in: "789", words: [1, many], options: "*" },
  reboot: leave,
  repo: {
    in: all,
    wordsOf: unread5,
    needs: ["name", "baseurl mirrorlist:56"],
    either: ["baseurl mirrorlist metalink"],
    options: `name= baseurl= mirrorlist= cost=#:6789 excludepkgs=:6789 includepkgs=:6789 ignoregroups=${yesNo}:6789~9 proxy=:6789 noverifyssl:6789 install:789 metalink=:89 ${certificates}`,
  },
  reqpart: { in: "789", since: "7.1", wordsOf: unread, options: "add-boot" },
  rescue: { in: "6789", either: ["nomount romount"], options: "nomount romount" },
  rhsm: {
    in: "89",
    needs: ["organization", "activation-key"],
    options: "organization= activation-key= connect-to-insights proxy= server-hostname= rhsm-baseurl=",
  },
  rootpw: {
    in: all,
    words: [1, 1],
    insteadOfWord: "lock",
    options: "iscrypted plaintext:6789 lock:789 allow-ssh:9",
  },
  selinux: { in: all, wordsOf: unread, options: "disabled enforcing permissive" },
  services: {
    in: all,
    wordsOf: unread,
    needs: ["enabled disabled:6789"],
    options: "enabled= disabled=",
  },
  shutdown: leave,
  skipx: plain,
  snapshot: {
    in: "789",
    words: [1, 1],
    needs: ["name", "when"],
    options: "name= when=(pre-install|post-install)",
  },
  sshkey: { in: "789", since: "7.1", words: [1, 1], needs: ["username"], options: "username=" },
  sshpw: {
    in: "6789",
    words: [1, 1],
    wordsOf: { 8: [1, many], 9: [1, many] },
    needs: ["username"],
    options: "username= iscrypted plaintext lock sshkey:789",
  },
  syspurpose: { in: "89", options: "role= sla= usage= addon=" },
  text: { in: all, verbatim: "5", wordsOf: unread5, options: "non-interactive:89" },
  timesource: {
    in: "9",
    needs: ["ntp-server ntp-pool ntp-disable"],
    either: ["ntp-server ntp-pool ntp-disable"],
    options: "ntp-server= ntp-pool= ntp-disable nts",
  },
  timezone: {
    in: all,
    words: [1, 1],
    insteadOfWord: "utc isUtc nontp ntpservers:789",
    either: ["nontp ntpservers"],
    options: "utc isUtc~9 nontp:789~9 ntpservers=:789~9",
  },
  unsupported_hardware: { in: "67", options: "" },
  updates: { in: "6789", words: [0, 1], wordsOf: { 9: [1, 1] }, options: "" },
  upgrade: { in: "567", warn: "7", options: "root-device=:67" },
  url: {
    in: all,
    wordsOf: unread,
    needs: ["url mirrorlist metalink"],
    either: ["url mirrorlist metalink"],
    options: `url= proxy=:6789 noverifyssl:6789 mirrorlist=:789 metalink=:89 ${certificates}`,
  },
  user: {
    in: all,
    wordsOf: unread,
    needs: ["name"],
    options:
      "name= groups= password= iscrypted uid=# homedir= shell= plaintext:6789 gecos=:6789 lock:6789 gid=#:789",
  },
  vnc: { in: all, wordsOf: unread, options: "host= port= password= connect=:5~5" },
  volgroup: {
    in: all,
    words: [2, many],
    wordsOf: { 5: [1, many] },
    insteadOfWord: "noformat useexisting",
    options: "pesize=# noformat useexisting reserved-space=#:6789 reserved-percent=#:6789",
  },
  xconfig: {
    in: all,
    options:
      "startxonboot defaultdesktop= driver=:5 depth=#:5 resolution=:5 videoram=:5 card=:5~5 hsync=:5~5 vsync=:5~5 monitor=:5~5 noprobe:5~5",
  },
  zerombr: { in: all, verbatim: "5", wordsOf: unread5, options: "" },
  zfcp: {
    in: all,
    wordsOf: unread,
    needs: ["devnum", "wwpn:5678", "fcplun:5678"],
    options: "devnum= wwpn= fcplun= scsiid=:5 scsilun=:5",
  },
  zipl: { in: "89", options: "secure-boot no-secure-boot force-secure-boot" },
};

/**
 * Lines that a kickstart should have only once for each name. The value says which word or options are the
 * name. A second line gives a warning.
 */
export const once: Readonly<Record<string, readonly string[]>> = {
  part: [],
  partition: [],
  raid: ["device"],
  volgroup: [],
  logvol: ["vgname", "name"],
  btrfs: [],
  network: ["device"],
  repo: ["name"],
  user: ["name"],
  group: ["name"],
  sshpw: ["username"],
  sshkey: ["username"],
};

/** For these, a second one of the same name is an error, and the installer stops. */
export const neverTwice: Readonly<Record<string, readonly string[]>> = { snapshot: ["name"] };

/** Commands that exclude each other: the releases, one command, and those that it cannot be used with. */
export const apart: readonly (readonly [releases: string, one: string, others: readonly string[]])[] = [
  ["6789", "autopart", ["part", "partition", "raid", "volgroup", "logvol"]],
  ["789", "autopart", ["reqpart"]],
  ["89", "mount", ["autopart", "part", "partition", "raid", "volgroup", "logvol", "reqpart"]],
];

export const sections: Readonly<Record<string, CommandRule>> = {
  "%packages": {
    in: all,
    wordsOf: unread,
    either: ["default nobase:6789", "default nocore:6789"],
    options:
      "ignoremissing excludedocs nobase:567~7 resolvedeps:5~5 ignoredeps:5~5 nocore:6789 default:6789 instLangs=:6789~9 inst-langs=:9 multilib:789 timeout=#:789 retries=#:789 exclude-weakdeps:9 excludeWeakdeps:89~9",
  },
  "%pre": { in: all, wordsOf: unread, options: script },
  "%post": { in: all, wordsOf: unread, options: `${script} nochroot` },
  "%traceback": { in: all, warn: "9", wordsOf: unread, options: script },
  "%pre-install": { in: "789", since: "7.1", options: script },
  "%onerror": { in: "789", since: "7.1", options: script },
  "%addon": { in: "789", words: [1, many], options: "*" },
  "%anaconda": { in: "789", options: "" },
};

/** An option, and the releases that have it. */
export interface OptionRule {
  readonly name: string;
  /** Whether it takes a value; `maybe` for an optional one. */
  readonly value: boolean | "maybe";
  readonly number: boolean;
  /** The allowed values, by the releases that accept them. An empty list allows any value. */
  readonly choices: readonly Limited[];
  /** Whether its choices may be written in upper case. */
  readonly anyCase: boolean;
  readonly in: string;
  readonly warn: string;
  readonly since?: string;
}

/** Words, and the releases that they apply to. */
export interface Limited {
  readonly text: string;
  readonly in: string;
}

/** The options of a command; `*` stands for any. */
export function optionsOf(rule: CommandRule): readonly OptionRule[] {
  return rule.options
    .split(/\s+/)
    .filter((text) => text !== "" && text !== "*")
    .map((text) => {
      const form = /^([\w-]+)(\?|=(?:(#)|(i?)\(([^)]*)\))?)?(?::(\w+))?(?:~(\w+))?(?:@(\d\.\d+))?$/;
      const [, name = "", value = "", number, anyCase, choices = "", releases, warn, since] =
        form.exec(text) ?? [];
      return {
        name,
        value: value === "?" ? "maybe" : value !== "",
        number: number !== undefined,
        choices: choices === "" ? [] : choices.split("|").map((choice) => limited(choice)),
        anyCase: anyCase === "i",
        in: releases ?? rule.in,
        warn: warn ?? "",
        ...(since !== undefined && { since }),
      };
    });
}

/** Whether a release is one of `56789`. */
export function isAmong(releases: string | undefined, major: number): boolean {
  return releases?.includes(major.toString(36)) ?? false;
}

/** Reads `words:releases`, or `words` for all releases. */
export function limited(said: string): Limited {
  const [text = "", releases = all] = said.split(":");
  return { text, in: releases };
}

/**
 * When something was added, in words. `7.1` means only that the first update lacks it and the last has it.
 * For an update after the second, the number is known.
 */
export function addedIn(what: string, since: string): string {
  const [major = "", minor = ""] = since.split(".");
  return minor === "1"
    ? `OL${major}.0 does not have ${what}; a later update added it`
    : `${what} was added in OL${since}`;
}

/** Whether an update of a release has what the update `since` added. Without an update, the last one is meant. */
export function cameBefore(since: string | undefined, major: number, update: number | undefined): boolean {
  const [of, first = 0] = (since ?? "").split(".").map(Number);
  return of !== major || update === undefined || update >= first;
}
