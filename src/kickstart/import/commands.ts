import { majorOf } from "../../recipe/recipe.ts";
import { isTimezone } from "../../recipe/timezones.ts";
import { takeAccountGroup, takeUser } from "./accounts.ts";
import type { Findings } from "./findings.ts";
import { takeNetwork } from "./network.ts";
import { leaveRest, type ReadLine } from "./read-line.ts";
import { takeServices } from "./services.ts";
import { takeBtrfs, takePartition, takeRaid, takeVolumeGroup } from "./storage.ts";

type Take = (read: ReadLine, found: Findings) => void;

/** Converts a line as far as a recipe has keys for it, and reports the rest. */
export function takeCommand(read: ReadLine, found: Findings): void {
  const take = table[read.name];
  if (take === undefined) {
    found.leave(read, "a recipe has no key for it");
    return;
  }
  if (single.has(read.name)) found.once(read.name, read);
  take(read, found);
  if (!ruled.has(read.name)) leaveRest(read, found);
}

const left =
  (why: string): Take =>
  (read, found) =>
    found.leave(read, why);

// tbuild's own kickstarts have the same. The rest of the line is reported.
const same: Take = (read, found) => found.asAnyway({ line: read.line, text: read.name });

// A kickstart has one of each; a second one replaces the first.
const single = new Set("lang keyboard timezone selinux firewall firstboot bootloader".split(" "));

const notTheSame: Readonly<Record<string, readonly string[]>> = {
  "tbuild's own kickstart sets this": ["clearpart", "ignoredisk"],
  "tbuild's own kickstart sets up local accounts only; join another directory in a script": [
    "auth",
    "authconfig",
    "authselect",
  ],
  "tbuild installs unattended, on the serial console": [
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
  "the machine is powered off after the installation": ["reboot"],
  "tbuild installs from the disc": ["url", "nfs", "harddrive", "liveimg", "ostreesetup", "ostreecontainer"],
  "made for each build, removed by the seal, and set at first boot": ["rootpw"],
  "it is only for the installer, and tbuild does not log in to that": ["sshpw"],
  "the layout of the base recipe is used": ["autopart"],
  "the disk is empty: a recipe creates the file systems": ["mount"],
};

// These lines are reported as a whole.
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
        ? "made for each build, and removed by the seal"
        : `put the key of a user into files, such as /home/${user}/.ssh/authorized_keys`;
    found.leave(read, why);
  },
  key(read, found) {
    if (read.has("skip")) found.asAnyway(read.part("skip"));
    else found.leave(read, "Oracle's discs ask for no installation number");
  },
  firstboot(read, found) {
    if (read.has("disabled", "disable")) found.asAnyway(read.part("disabled", "disable"));
    else found.leave(read, "the guest additions configure the first boot");
    if (read.has("disabled", "disable") && read.has("enabled", "enable", "reconfig"))
      found.leave(read, "it is off");
    read.has("enabled", "enable", "reconfig");
  },
  lang: (read, found) => found.say("lang", read.words[0], read),
  keyboard: takeKeyboard,
  timezone: takeTimezone,
  timesource(read, found) {
    const [pool, server] = [read.option("ntp-pool"), read.option("ntp-server")];
    for (const host of [server, pool]) if (host !== undefined) found.add("ntp", host, read);
    if (pool !== undefined) found.leave(read, "a recipe has time servers, but no pools");
    if (pool === undefined && server === undefined && !read.has("ntp-disable"))
      found.leave(read, "it names no server");
    if (read.has("ntp-disable")) found.leave(read, "a recipe has no key for --ntp-disable");
  },
  selinux(read, found) {
    const [mode, other] = ["disabled", "permissive", "enforcing"].filter((one) => read.has(one));
    found.say("selinux", mode ?? "enforcing", read);
    if (mode === undefined || other !== undefined)
      found.leave(read, `its mode becomes ${mode ?? "enforcing"}`);
  },
  firewall: takeFirewall,
  bootloader: takeBootloader,
  network: takeNetwork,
  services: takeServices,
  repo: takeRepository,
  group: takeAccountGroup,
  user: takeUser,
  reqpart: takeRequired,
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
  if (said.some((one) => one !== map)) found.leave(read, "a recipe has one keymap");
  else if (said.length > 1) found.asAnyway(read.part("vckeymap", "xlayouts"));
}

function takeTimezone(read: ReadLine, found: Findings): void {
  const [zone] = read.words;
  if (zone === undefined || isTimezone(zone)) found.say("timezone", zone, read);
  else found.leave(read, `there is no time zone ${zone}`);
  if (read.has("ntpservers")) found.anew("ntp");
  for (const host of read.list("ntpservers")) found.add("ntp", host, read);
  if (read.has("utc", "isUtc")) found.asAnyway(read.part("utc", "isUtc"));
  else found.leave(read, "the hardware clock of a template is in UTC");
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
  const flags = Object.keys(portsOf).filter((name) => read.has(name));
  const off = read.has("disabled", "disable");
  if (!off && !read.has("enabled", "enable"))
    found.leave(read, "it does not say whether it is on; the default is on");
  if (off && read.has("enabled", "enable", "ssh")) found.leave(read, "it is off");
  if (!off) found.asAnyway(read.part("ssh"));
  found.say("firewall", !off, read);
  const services = read.list("service").filter((name) => !/^sshd?$/.test(name));
  if (services.length < read.list("service").length)
    found.asAnyway({ ...read, text: "firewall --service=ssh" });
  const ports = read.list("port").map((port) => (port.includes(":") ? port : `${port}:tcp`));
  if (read.has("port", "service", ...flags)) found.anew("ports");
  const opened = [...ports, ...[...flags, ...services].flatMap((name) => portsOf[name] ?? [])];
  if (off && opened.length > 0) {
    found.leave(read, "the firewall is off, so no port needs to be opened");
    return;
  }
  for (const port of opened)
    if (port.startsWith("ssh:") || port === "22:tcp")
      found.asAnyway({ ...read, text: `firewall --port=${port}` });
    else found.add("ports", named(port), read);
  const unknown = services.filter((name) => !(name in portsOf));
  if (unknown.length > 0)
    found.leave(
      read,
      `a recipe opens ports, not services: list the ports of ${unknown.join(", ")} under ports`,
    );
}

/**
 * `reqpart`: the partition that the firmware needs. tbuild adds it, and with `--add-boot` also a /boot of the
 * release's size.
 */
function takeRequired(read: ReadLine, found: Findings): void {
  if (majorOf(found.release) < 7) {
    found.leave(read, `${found.release} has no reqpart`);
    return;
  }
  found.asAnyway({ ...read, text: "reqpart" });
  // 1 GiB of the default file system: `platform.py` of Anaconda.
  if (read.has("add-boot")) found.addPart({ mount: "/boot", fs: "xfs", size: "1024M" }, read);
}

/** `https:tcp`: a service name instead of a port number. */
function named(port: string): string {
  const [name = "", kind] = port.split(":");
  const number = portsOf[name]?.[0]?.split(":")[0];
  return number === undefined ? port : `${number}:${kind}`;
}

function takeBootloader(read: ReadLine, found: Findings): void {
  const dropped: string[] = [];
  const foreign: string[] = [];
  const append = read.option("append");
  if (append !== undefined) found.anew("kernelArguments");
  if (append?.trim() === "") found.asAnyway(read.part("append"));
  for (const word of (append ?? "").split(/\s+/).filter((one) => one !== ""))
    if (/^(console=|rhgb$|quiet$|splash\b|net\.ifnames=|biosdevname=)/.test(word)) dropped.push(word);
    else if (/^(root|resume|initrd|ks|inst\.[\w.]+|BOOT_IMAGE|rd_L\w+|rd\.(lvm|luks)\.\w+)=/.test(word))
      foreign.push(word);
    else found.add("kernelArguments", word, read);
  if (dropped.length > 0)
    found.leave(read, `tbuild sets the consoles and the names of the NICs itself: ${dropped.join(" ")}`);
  if (foreign.length > 0)
    found.leave(read, `is specific to the machine it was written for: ${foreign.join(" ")}`);
  if (read.has("password", "md5pass")) found.leave(read, "a recipe contains no secrets");
  const place = read.option("location");
  if (place === "mbr") found.asAnyway(read.part("location"));
  else if (place !== undefined) found.leave(read, `the boot loader is installed in the MBR, not in ${place}`);
}

function takeRepository(read: ReadLine, found: Findings): void {
  const url = read.option("baseurl");
  const proxy = read.option("proxy");
  const name = read.option("name") ?? "";
  found.asAnyway(read.part("install"));
  if (url === undefined) {
    found.leave(read, "a recipe needs the URL of a repository, not a list of mirrors");
    return;
  }
  if (/^file:\/\/\/(run\/install|mnt\/(source|install)|media)\b/.test(url)) {
    found.leave(read, "it is on the installation disc");
    return;
  }
  if (/:\/\/[^/]*@/.test(url)) {
    found.leave(read, "a recipe contains no secrets");
    return;
  }
  const id = name.replace(/[^\w.-]+/g, "_").replace(/^[^\w]+/, "");
  if (found.lists.repositories?.some((one) => (one as { id: string }).id === id))
    found.leave(read, "a repository of this name already exists");
  else
    found.add(
      "repositories",
      { id, name, url, enabled: true, ...(proxy !== undefined && { proxy: proxy.replace(/\/$/, "") }) },
      read,
    );
}
