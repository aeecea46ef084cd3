import { posix } from "node:path";
import { stringOf } from "../../image/names.ts";
import type { GuestTree, Stat } from "../../image/tree.ts";
import { shellAssignments, shellCommands, testedBy } from "../config/shell.ts";
import { dataIn } from "../operation.ts";
import type { PackageFile } from "../rpm/files.ts";
import { commandIdentities, linkAddressIn } from "./network-commands.ts";
import { isAsPackaged, type Leftover } from "./search.ts";

interface Kind {
  readonly places: readonly string[];
  /** The commands in a file of this kind, as a text for a shell. */
  readonly commandsIn: (text: string) => string;
}

const cronTime = /^[ \t]*(?:@\w+|(?:[\d*][^\s=]*[ \t]+){4}\S+)[ \t]+/gm;

/** What runs at boot, when a network comes up, or at a time, and which commands it runs. */
const kinds: readonly Kind[] = [
  {
    places: [
      "/etc/rc.local",
      "/etc/rc.d/rc.local",
      "/etc/rc.d/init.d/*",
      "/etc/init.d/*",
      "/etc/sysconfig/modules/*.modules",
      ...["/sbin", "/usr/sbin"].flatMap((folder) =>
        ["ifup", "ifup-pre", "ifdown", "ifdown-pre"].map((name) => `${folder}/${name}-local`),
      ),
      "/etc/sysconfig/network-scripts/ifup*",
      "/etc/sysconfig/network-scripts/ifdown*",
      "/etc/NetworkManager/dispatcher.d/*",
      "/etc/NetworkManager/dispatcher.d/*/*",
      "/usr/lib/NetworkManager/dispatcher.d/*",
      "/usr/lib/NetworkManager/dispatcher.d/*/*",
      "/etc/networkd-dispatcher/*/*",
      "/etc/network/if-*.d/*",
      "/etc/dhclient*-hooks",
      "/etc/dhcp/dhclient*-hooks",
      "/etc/dhcp/dhclient.d/*.sh",
      "/etc/dhcp/dhclient*-hooks.d/*",
      "/etc/ppp/ip-up*",
      "/etc/cron.hourly/*",
      "/etc/cron.daily/*",
      "/etc/cron.weekly/*",
      "/etc/cron.monthly/*",
      // upstart: `exec COMMAND`, or a script.
      "/etc/init/*.conf",
      "/etc/event.d/*",
    ],
    commandsIn: (text) => text,
  },
  {
    // crontab(5): the time, the user, the command.
    places: ["/etc/crontab", "/etc/cron.d/*"],
    commandsIn: (text) => text.replaceAll(new RegExp(`${cronTime.source}[\\w-]+[ \\t]+`, "gm"), ""),
  },
  { places: ["/var/spool/cron/*"], commandsIn: (text) => text.replaceAll(cronTime, "") },
  {
    // anacrontab(5): the period, the delay, a name, the command.
    places: ["/etc/anacrontab"],
    commandsIn: (text) => text.replaceAll(/^[ \t]*(?:@\w+|\d+)[ \t]+\d+[ \t]+\S+[ \t]+/gm, ""),
  },
  {
    places: [
      "/etc/systemd/system/*.service",
      "/etc/systemd/system/*.d/*.conf",
      "/usr/lib/systemd/system/*.service",
      "/usr/lib/systemd/system/*.d/*.conf",
    ],
    commandsIn: (text) =>
      [...text.replaceAll(/\\\r?\n/g, " ").matchAll(/^[ \t]*Exec\w+[ \t]*=[ \t]*[-@:+!]*(.*)$/gm)]
        .map(([, command = ""]) => command)
        .join("\n"),
  },
  {
    places: ["/etc/inittab"],
    commandsIn: (text) => text.replaceAll(/^[^#:\n]*:[^:\n]*:[^:\n]*:/gm, ""),
  },
  {
    places: ["/etc/udev/rules.d/*.rules", "/usr/lib/udev/rules.d/*.rules", "/lib/udev/rules.d/*.rules"],
    commandsIn: (text) =>
      [...text.matchAll(/^[ \t]*[^#\s].*$/gm)]
        .flatMap(([line]) => [...line.matchAll(/\b(?:RUN|PROGRAM)(?:\{\w+\})?\+?=+"([^"]*)"/g)])
        .map(([, command = ""]) => command)
        .join("\n"),
  },
];

// Settings, not commands: sysctl.d(5) and tmpfiles.d(5).
const settings = ["/etc/sysctl.conf", "/etc/sysctl.d/*.conf", "/etc/tmpfiles.d/*.conf"];

const mostBytes = 256 * 1024;
const deepest = 4;

/**
 * Identities that commands give a guest at boot: an address, a link address or a host name that a script, a
 * unit, a rule or a cron table sets. A script that another one runs or reads is followed. Unchanged files of
 * packages are not searched.
 */
export async function bootScriptIdentities(
  tree: GuestTree,
  packaged: ReadonlyMap<string, PackageFile> | undefined,
): Promise<Leftover[]> {
  const found = new Map<string, Leftover>();
  const seen = new Set<string>();
  const add = (path: string, what: string, of: string) => found.set(`${path} ${what}`, { path, what, of });

  const look = async (path: string, commandsIn: Kind["commandsIn"], depth: number): Promise<void> => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = await ownText(tree, path, packaged);
    if (text === undefined) return;
    const script = commandsIn(text);
    for (const { what, of } of commandIdentities(script)) add(path, what, of);
    if (path.endsWith(".rules") && linkAddressIn(text.replaceAll(/^[ \t]*#.*$/gm, "")))
      add(path, "a link address", "network");
    if (depth === deepest) return;
    for (const { file, isRead } of filesRunBy(script)) {
      const where = posix.resolve("/", file);
      if (await existsIn(tree, where)) await look(where, (inside) => inside, depth + 1);
      else if (isRead)
        add(path, `maybe an address, because it reads ${file}, which does not exist`, "network");
    }
  };

  for (const { places, commandsIn } of kinds)
    for (const pattern of places)
      for (const path of await tree.glob(pattern)) await look(path, commandsIn, 0);
  for (const pattern of settings)
    for (const path of await tree.glob(pattern))
      if (hostNameSet.test((await ownText(tree, path, packaged)) ?? ""))
        add(path, "a host name", "host name");
  return [...found.values()];
}

const hostNameSet =
  /^[ \t]*(?:kernel[./](?:hostname|domainname)[ \t]*=[ \t]*(?!localhost|\(none\))[\w.-]|[wfF]\S*[ \t]+\/(?:proc\/sys\/kernel\/|etc\/)hostname[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+\S+[ \t]+(?!localhost)[\w.-])/m;

/**
 * The text of a script; `undefined` for a program, a file that is too large, and an unchanged file of a
 * package.
 */
async function ownText(
  tree: GuestTree,
  path: string,
  packaged: ReadonlyMap<string, PackageFile> | undefined,
): Promise<string | undefined> {
  const owner = packaged?.get(path);
  const stat = await statOf(tree, path);
  if (
    stat?.kind === "file" &&
    (stat.size > mostBytes || (owner && !owner.isConfig && owner.bytes === stat.size))
  )
    return undefined;
  const data = await dataIn(tree, path);
  if (data === undefined || data.length > mostBytes || data.includes(0)) return undefined;
  if (owner && isAsPackaged(owner, data)) return undefined;
  return stringOf(data);
}

interface Run {
  readonly file: string;
  /** Whether the shell stops if the file is missing. */
  readonly isRead: boolean;
}

// By an absolute name, as a command or after a shell, or read with `.`.
function filesRunBy(script: string): Run[] {
  const values = new Map(shellAssignments(script).map(({ name, value }) => [name, value]));
  const runs: Run[] = [];
  const tested = new Set<string>();
  for (const words of shellCommands(script)) {
    for (const word of testedBy(words)) tested.add(word);
    for (const [at, raw] of words.entries()) {
      const word = raw.replaceAll(/\$\{?(\w+)\}?/g, (whole, name) => values.get(name) ?? whole);
      const before = words[at - 1] ?? "";
      if (!/^\/[\w./+@-]+$/.test(word) || /^\/(?:dev|proc|sys|run)\//.test(word)) continue;
      const isRead = (before === "." || before === "source") && at === 1;
      if (
        isRead ||
        at === 0 ||
        /^(?:then|else|do|exec|sudo|nohup|bash|(?:.*\/)?(?:ba|k|da)?sh)$/.test(before)
      )
        runs.push({ file: word, isRead: isRead && !tested.has(word) });
    }
  }
  return runs;
}

async function existsIn(tree: GuestTree, path: string): Promise<boolean> {
  return (await statOf(tree, path)) !== undefined;
}

async function statOf(tree: GuestTree, path: string): Promise<Stat | undefined> {
  const parent = await tree.stat(posix.dirname(path));
  return parent === undefined ? undefined : tree.stat(path);
}
