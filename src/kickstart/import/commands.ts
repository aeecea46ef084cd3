import { neededService } from "../../recipe/needed-services.ts";
import { Recipe } from "../../recipe/recipe.ts";
import { isTimezone } from "../../recipe/timezones.ts";
import { takeAccountGroup, takeUser } from "./accounts.ts";
import type { Findings } from "./findings.ts";
import { leaveRest, type ReadLine } from "./read-line.ts";
import { takeBtrfs, takePartition, takeRaid, takeVolumeGroup } from "./storage.ts";

type Take = (read: ReadLine, found: Findings) => void;

/** Takes a line over, as far as a recipe has words for it; what it has none for is told. */
export function takeCommand(read: ReadLine, found: Findings): void {
  const take = table[read.name];
  if (take === undefined) {
    found.leave(read, "a recipe has no word for it");
    return;
  }
  take(read, found);
  if (!ruled.has(read.name)) leaveRest(read, found);
}

const left =
  (why: string): Take =>
  (read, found) =>
    found.leave(read, why);

// tbuild's own kickstarts say the same.
const same: Take = () => {};

const notTheSame: Readonly<Record<string, readonly string[]>> = {
  "tbuild's kickstart says this itself": [
    "clearpart",
    "ignoredisk",
    "auth",
    "authconfig",
    "authselect",
    "reqpart",
  ],
  "tbuild installs without questions or pictures, on the serial console": [
    "graphical",
    "autostep",
    "interactive",
    "mediacheck",
    "vnc",
    "xconfig",
    "monitor",
    "mouse",
    "rescue",
    "upgrade",
  ],
  "the machine is switched off when it is installed": ["reboot"],
  "it is installed from the disc": ["url", "nfs", "harddrive", "liveimg", "ostreesetup", "ostreecontainer"],
  "made for each build, taken out by the seal, and set at first boot": ["rootpw", "sshpw"],
  "the layout of the base recipe is used": ["autopart"],
  "there is nothing of what it names: a recipe makes the file systems": ["mount"],
};

// Of these, the whole line is told already.
const ruled = new Set(Object.values(notTheSame).flat());

const table: Readonly<Record<string, Take>> = {
  ...Object.fromEntries(
    "install cdrom text cmdline skipx eula zerombr poweroff halt shutdown"
      .split(" ")
      .map((name) => [name, same]),
  ),
  ...Object.fromEntries(
    Object.entries(notTheSame).flatMap(([why, names]) => names.map((name) => [name, left(why)])),
  ),
  sshkey(read, found) {
    const user = read.option("username") ?? "root";
    const why =
      user === "root"
        ? "made for each build, and taken out by the seal"
        : `the key of a user is one of the files of a recipe, such as /home/${user}/.ssh/authorized_keys`;
    found.leave(read, why);
  },
  key(read, found) {
    if (!read.has("skip")) found.leave(read, "an Oracle disc asks for no installation number");
  },
  firstboot(read, found) {
    if (!read.has("disabled", "disable")) found.leave(read, "the first boot is that of the guest additions");
    read.has("enabled", "enable", "reconfig");
  },
  lang: (read, found) => found.say("lang", read.words[0], read),
  keyboard: takeKeyboard,
  timezone: takeTimezone,
  timesource(read, found) {
    for (const option of ["ntp-server", "ntp-pool"]) {
      const host = read.option(option);
      if (host !== undefined) found.add("ntp", host, read);
    }
  },
  selinux(read, found) {
    const mode = ["disabled", "permissive", "enforcing"].find((one) => read.has(one));
    found.say("selinux", mode ?? "enforcing", read);
  },
  firewall: takeFirewall,
  bootloader: takeBootloader,
  network: takeNetwork,
  services: takeServices,
  repo: takeRepository,
  group: takeAccountGroup,
  user: takeUser,
  part: takePartition,
  partition: takePartition,
  logvol: takePartition,
  volgroup: takeVolumeGroup,
  raid: takeRaid,
  btrfs: takeBtrfs,
};

function takeKeyboard(read: ReadLine, found: Findings): void {
  const first = (text: string | undefined) => text?.split(/[ ,(]/)[0];
  const layouts = read.option("xlayouts");
  const said = [read.words[0], read.option("vckeymap"), layouts].filter((one) => one);
  const map = first(said[0]);
  found.say("keyboard", map, read);
  if (said.some((one) => one !== map)) found.leave(read, "a recipe has one keyboard map");
}

function takeTimezone(read: ReadLine, found: Findings): void {
  const [zone] = read.words;
  if (zone === undefined || isTimezone(zone)) found.say("timezone", zone, read);
  else found.leave(read, `there is no time zone ${zone}`);
  for (const host of read.list("ntpservers")) found.add("ntp", host, read);
  if (!read.has("utc", "isUtc")) found.leave(read, "the clock of a template runs in UTC");
}

const portsOf: Readonly<Record<string, readonly string[]>> = {
  http: ["80:tcp"],
  https: ["443:tcp"],
  smtp: ["25:tcp"],
  ftp: ["21:tcp"],
  telnet: ["23:tcp"],
  dns: ["53:tcp", "53:udp"],
  ntp: ["123:udp"],
  tftp: ["69:udp"],
  nfs: ["2049:tcp"],
  ldap: ["389:tcp"],
  ldaps: ["636:tcp"],
  imaps: ["993:tcp"],
  syslog: ["514:udp"],
  mysql: ["3306:tcp"],
  postgresql: ["5432:tcp"],
  cockpit: ["9090:tcp"],
};

function takeFirewall(read: ReadLine, found: Findings): void {
  const off = read.has("disabled", "disable");
  read.has("enabled", "enable", "ssh");
  found.say("firewall", !off, read);
  const flags = Object.keys(portsOf).filter((name) => read.has(name));
  const services = read.list("service").filter((name) => !/^sshd?$/.test(name));
  const ports = read.list("port").map((port) => (port.includes(":") ? port : `${port}:tcp`));
  const opened = [...ports, ...[...flags, ...services].flatMap((name) => portsOf[name] ?? [])];
  if (off && opened.length > 0) {
    found.leave(read, "the firewall is off, so no port needs to be opened");
    return;
  }
  for (const port of opened)
    if (port.startsWith("ssh:") || port === "22:tcp") continue;
    else found.add("ports", named(port), read);
  const unknown = services.filter((name) => !(name in portsOf));
  if (unknown.length > 0)
    found.leave(read, `a recipe opens ports, not ${unknown.join(", ")}: say them under ports`);
}

/** `https:tcp` says a port by its service. */
function named(port: string): string {
  const [name = "", kind] = port.split(":");
  const number = portsOf[name]?.[0]?.split(":")[0];
  return number === undefined ? port : `${number}:${kind}`;
}

function takeBootloader(read: ReadLine, found: Findings): void {
  const dropped: string[] = [];
  const foreign: string[] = [];
  for (const word of (read.option("append") ?? "").split(/\s+/).filter((one) => one !== ""))
    if (/^(console=|rhgb$|quiet$|splash\b|net\.ifnames=|biosdevname=)/.test(word)) dropped.push(word);
    else if (/^(root|resume|initrd|ks|inst\.[\w.]+|BOOT_IMAGE|rd_L\w+|rd\.(lvm|luks)\.\w+)=/.test(word))
      foreign.push(word);
    else found.add("kernelArguments", word, read);
  if (dropped.length > 0)
    found.leave(read, `tbuild sets the consoles and names of nics itself: ${dropped.join(" ")}`);
  if (foreign.length > 0)
    found.leave(read, `speaks of the machine that it was written for: ${foreign.join(" ")}`);
  if (read.has("password", "md5pass", "iscrypted"))
    found.leave({ ...read, text: "bootloader --password" }, "a secret stands in no recipe");
  const place = read.option("location");
  if (place !== undefined && place !== "mbr")
    found.leave(read, `the boot loader stands in the MBR, not in ${place}`);
}

// What names no device is the one that the machine was installed through.
const first = new Set([undefined, "link", "bootif", "ibft"]);

function takeNetwork(read: ReadLine, found: Findings): void {
  const device = read.option("device");
  const members = read
    .list("bondslaves", "bridgeslaves", "teamslaves")
    .flatMap((one) => /^[A-Za-z][\w.-]*/.exec(one) ?? []);
  read.has("onboot", "activate", "no-activate", "noipv6", "bootproto");
  if (read.option("ipv6") === "auto") read.has("ipv6");
  const addressed = ["ip", "netmask", "gateway", "nameserver", "hostname"].filter((name) => read.has(name));
  if (addressed.length > 0) found.leave(read, "a clone gets its address and name at first boot");
  const virtual = members.length > 0 || read.has("vlanid");
  if (virtual) found.leave(read, "a recipe has nics only; what is made of them is said in a clone");
  const names = virtual ? (members.length > 0 ? members : [device]) : [device];
  // A line with the name of the host alone speaks of no nic.
  if (device === undefined && !virtual && !read.has("bootproto") && !read.has("ip")) return;
  for (const name of names) found.nics.add(first.has(name) ? "" : String(name).replace(/\.\d+$/, ""));
  if (found.nics.size > 8) found.leave(read, "a template has 8 nics at most");
}

function takeServices(read: ReadLine, found: Findings): void {
  for (const [option, list] of [
    ["enabled", "enable"],
    ["disabled", "disable"],
  ] as const)
    for (const name of read.list(option)) {
      if (list === "disable" && neededService(name, found.release))
        found.leave(read, `${name} stays: tbuild comes in by ssh`);
      else if (!Recipe.shape.services.safeParse({ [list]: [name] }).success)
        found.leave(read, `"${name}" is no service`);
      else if (!found.services[list]?.includes(name)) found.services[list]?.push(name);
    }
}

function takeRepository(read: ReadLine, found: Findings): void {
  const url = read.option("baseurl");
  const proxy = read.option("proxy");
  const name = read.option("name") ?? "";
  read.has("install");
  if (url === undefined) {
    found.leave(read, "a recipe wants the URL of a repository, not a list of mirrors");
    return;
  }
  if (/^file:\/\/\/(run\/install|mnt\/(source|install)|media)\b/.test(url)) {
    found.leave(read, "it is on the disc that is installed from");
    return;
  }
  if (/:\/\/[^/]*@/.test(url)) {
    found.leave(read, "a secret stands in no recipe");
    return;
  }
  const id = name.replace(/[^\w.-]+/g, "_").replace(/^[^\w]+/, "");
  if (found.lists.repositories?.some((one) => (one as { id: string }).id === id))
    found.leave(read, "there is a repository of this name");
  else
    found.add(
      "repositories",
      { id, name, url, enabled: true, ...(proxy !== undefined && { proxy: proxy.replace(/\/$/, "") }) },
      read,
    );
}
