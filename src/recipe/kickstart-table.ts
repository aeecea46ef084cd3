/**
 * What each release's installer takes in a kickstart: commands, their options and words, and the sections.
 *
 * From `kickstart-lines.tsv` (175 lines and sections, each put to the real parser of OL5 … OL9; a copy is in the tests,
 * which hold this table to it), and for options that are not in it from pykickstart's documentation of the release.
 *
 * An option is written `name` or `name=` (takes a value), then `:678` when only those releases have it, then `~9` when
 * those take it with a warning.
 */
export interface CommandRule {
  /** The releases that have it. */
  readonly in: string;
  /** The releases that take it, with a warning that it is on its way out. */
  readonly warn?: string;
  /** How many words may stand beside the options, `[least, most]`; by release where they differ. */
  readonly words?: readonly [number, number];
  readonly wordsOf?: Readonly<Record<string, readonly [number, number]>>;
  /** Each of these groups must be answered by one of its options. */
  readonly needs?: readonly string[];
  /** Where one of these is given, no word is needed. */
  readonly insteadOfWord?: string;
  readonly options: string;
}

const all = "56789";
const plain: CommandRule = { in: all, options: "" };
const many = 99;

const formats =
  "fstype= size= grow maxsize= fsoptions= recommended encrypted passphrase= label=:789 noformat useexisting bytes-per-inode=:5 percent=:56789 fsprofile=:6789 resize:789 mkfsoptions=:789 escrowcert=:6789 backuppassphrase:6789 cipher=:6789";
const partition: CommandRule = {
  in: all,
  words: [1, 1],
  options: `${formats.replace("label=:789", "label=").replace("useexisting ", "")} asprimary ondisk= ondrive= onpart= usepart= onbiosdisk= start=:56 end=:56 active:56 hibernation:6789`,
};
const script = "interpreter= log= logfile= erroronfail";

export const commands: Readonly<Record<string, CommandRule>> = {
  auth: { in: all, warn: "89", words: [0, many], options: "*" },
  authconfig: { in: all, warn: "89", words: [0, many], options: "*" },
  authselect: { in: "89", words: [0, many], options: "*" },
  autopart: {
    in: all,
    options:
      "encrypted passphrase= escrowcert=:6789 backuppassphrase:6789 cipher=:6789 type=:789 fstype=:789 nolvm:789 nohome:789 noboot:89 noswap:89",
  },
  autostep: { in: all, warn: "9", options: "autoscreenshot" },
  bootloader: {
    in: all,
    options:
      "location= append= driveorder= password= md5pass= upgrade hvargs=:56 iscrypted:6789 timeout=:6789 disabled:6789 default=:6789 boot-drive=:789 leavebootorder:789 extlinux:789 nombr:789",
  },
  btrfs: {
    in: "7",
    words: [1, many],
    options: "label= data= metadata= subvol parent= name= noformat useexisting mkfsoptions=",
  },
  cdrom: plain,
  clearpart: { in: all, options: "all linux none initlabel drives= disklabel=:789 list=:789 cdl:6789" },
  cmdline: plain,
  driverdisk: { in: all, words: [0, 1], options: "source= type=:56 biospart=" },
  dmraid: { in: "567", options: "name= dev=" },
  eula: { in: "789", options: "agreed accepted agree accept" },
  fcoe: { in: "6789", options: "nic= dcb autovlan" },
  firewall: {
    in: all,
    words: [0, many],
    options:
      "disabled disable enabled enable ssh http ftp smtp telnet:5 high:5 medium:5 port= trust= service=:6789 remove-service=:789 use-system-defaults:789",
  },
  firstboot: { in: all, options: "disabled disable enabled enable reconfig" },
  graphical: { in: all, options: "non-interactive:589" },
  group: { in: "6789", needs: ["name"], options: "name= gid=" },
  halt: { in: all, options: "eject:6789" },
  harddrive: { in: all, needs: ["dir"], options: "partition= biospart= dir=" },
  ignoredisk: { in: all, options: "drives= only-use= interactive:67" },
  install: { in: "5678", warn: "8", options: "" },
  interactive: { in: "56", options: "" },
  iscsi: {
    in: all,
    options: "target= ipaddr= port= user= password= reverse-user= reverse-password= iface=:6789",
  },
  iscsiname: { in: all, words: [1, 1], options: "" },
  key: { in: "56", words: [0, 1], options: "skip" },
  keyboard: {
    in: all,
    words: [1, 1],
    insteadOfWord: "vckeymap xlayouts",
    options: "vckeymap=:789 xlayouts=:789 switch=:789",
  },
  lang: { in: all, words: [1, 1], options: "addsupport=:789" },
  langsupport: { in: "5", warn: "5", words: [0, many], options: "default=" },
  liveimg: { in: "789", needs: ["url"], options: "url= proxy= checksum= noverifyssl" },
  logging: { in: all, options: "host= port= level=~9" },
  logvol: {
    in: all,
    words: [1, 1],
    needs: ["vgname", "name"],
    options: `${formats} vgname= name= thinpool:6789 thin:6789 poolname=:6789 chunksize=:6789 metadatasize=:6789 profile=:6789 cachesize=:789 cachemode=:789 cachepvs=:789 hibernation:6789`,
  },
  mediacheck: plain,
  module: { in: "89", needs: ["name"], options: "name= stream= disable" },
  monitor: { in: "567", options: "hsync= vsync= monitor= noprobe" },
  mount: { in: "89", words: [2, 2], options: "reformat= mkfsoptions= mountoptions=" },
  mouse: { in: "5", warn: "5", words: [0, many], options: "device= emulthree" },
  multipath: { in: "567", options: "name= device= rule=" },
  network: {
    in: all,
    options:
      "bootproto= device= onboot= ip= netmask= gateway= nameserver= hostname= nodns noipv4 noipv6 mtu= ethtool= dhcpclass= essid= wepkey= notksdevice:56 class=:5 ipv6=:6789 ipv6gateway=:6789 activate:6789 nodefroute:6789 bondslaves=:6789 bondopts=:6789 vlanid=:6789 no-activate:789 bridgeslaves=:789 bridgeopts=:789 teamslaves=:789 teamconfig=:789 interfacename=:789 bindto=:789 wpakey=:789 ipv6gateway=:789",
  },
  nfs: { in: all, needs: ["server", "dir"], options: "server= dir= opts=" },
  ostreesetup: { in: "789", options: "osname= remote= url= ref= nogpg" },
  part: partition,
  partition,
  poweroff: { in: all, options: "eject:6789" },
  raid: {
    in: all,
    words: [1, many],
    options: `${formats.replace("size= ", "")} level= device= spares= chunksize=:6789`,
  },
  realm: { in: "789", words: [1, many], options: "*" },
  reboot: { in: all, options: "eject kexec:789" },
  repo: {
    in: all,
    needs: ["name"],
    options:
      "name= baseurl= mirrorlist= cost=:6789 excludepkgs=:6789 includepkgs=:6789 ignoregroups=:6789~9 proxy=:6789 noverifyssl:6789 install:789 metalink=:89 sslcacert=:89 sslclientcert=:89 sslclientkey=:89",
  },
  reqpart: { in: "789", options: "add-boot" },
  rescue: { in: "6789", options: "nomount romount" },
  rootpw: {
    in: all,
    words: [1, 1],
    insteadOfWord: "lock",
    options: "iscrypted plaintext:6789 lock:789 allow-ssh:9",
  },
  selinux: { in: all, options: "disabled enforcing permissive" },
  services: { in: all, options: "enabled= disabled=" },
  shutdown: { in: all, options: "eject:6789" },
  skipx: plain,
  snapshot: { in: "789", words: [1, 1], options: "name= when=" },
  sshkey: { in: "789", words: [1, 1], needs: ["username"], options: "username=" },
  sshpw: {
    in: "6789",
    words: [1, 1],
    needs: ["username"],
    options: "username= iscrypted plaintext lock sshkey:789",
  },
  syspurpose: { in: "89", options: "role= sla= usage= addon=" },
  text: { in: all, options: "non-interactive:589" },
  timesource: { in: "9", options: "ntp-server= ntp-pool= ntp-disable nts" },
  timezone: {
    in: all,
    words: [1, 1],
    options: "utc isUtc~9 nontp:789~9 ntpservers=:789~9",
  },
  unsupported_hardware: { in: "67", options: "" },
  updates: { in: "6789", words: [0, 1], options: "" },
  upgrade: { in: "56", options: "root-device=" },
  url: {
    in: all,
    needs: ["url mirrorlist metalink"],
    options:
      "url= proxy=:6789 noverifyssl:6789 mirrorlist=:789 metalink=:89 sslcacert=:89 sslclientcert=:89 sslclientkey=:89",
  },
  user: {
    in: all,
    needs: ["name"],
    options:
      "name= groups= password= iscrypted uid= homedir= shell= plaintext:6789 gecos=:6789 lock:6789 gid=:789",
  },
  vnc: { in: all, options: "enabled:5 host= port= password= connect=:5" },
  volgroup: {
    in: all,
    words: [2, many],
    options: "pesize= noformat useexisting reserved-space=:6789 reserved-percent=:6789",
  },
  xconfig: {
    in: all,
    options: "startxonboot defaultdesktop= driver=:567 depth=:567 resolution=:567 videoram=:567",
  },
  zerombr: { in: all, wordsOf: { 5: [0, 1] }, options: "" },
  zfcp: { in: all, options: "devnum= wwpn= fcplun= scsiid=:5 scsilun=:5" },
};

export const sections: Readonly<Record<string, CommandRule>> = {
  "%packages": {
    in: all,
    options:
      "ignoremissing excludedocs nobase:567~7 resolvedeps:5 ignoredeps:5 nocore:6789 default:6789 instLangs=:678 inst-langs=:9 multilib:789 timeout=:789 retries=:789 exclude-weakdeps:9 excludeWeakdeps:8",
  },
  "%pre": { in: all, options: script },
  "%post": { in: all, options: `${script} nochroot` },
  "%traceback": { in: all, warn: "9", options: `${script} nochroot` },
  "%pre-install": { in: "789", options: script },
  "%onerror": { in: "789", options: script },
  "%addon": { in: "789", words: [1, many], options: "*" },
  "%anaconda": { in: "789", options: "" },
};

/** What an option may be, by release. */
export interface OptionRule {
  readonly name: string;
  readonly value: boolean;
  readonly in: string;
  readonly warn: string;
}

/** The options of a command; `*` stands for any. */
export function optionsOf(rule: CommandRule): readonly OptionRule[] {
  return rule.options
    .split(/\s+/)
    .filter((text) => text !== "" && text !== "*")
    .map((text) => {
      const [, name = "", value, releases, warn] = /^([\w-]+)(=?)(?::(\d+))?(?:~(\d+))?$/.exec(text) ?? [];
      return { name, value: value === "=", in: releases ?? rule.in, warn: warn ?? "" };
    });
}
