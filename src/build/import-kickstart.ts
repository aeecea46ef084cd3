import { stringify } from "yaml";
import { type KickstartPart, partsOf } from "../recipe/check-kickstart.ts";
import { majorOf, Recipe } from "../recipe/recipe.ts";
import { shellWords } from "../recipe/shell-words.ts";
import { rules } from "./rules.ts";

/** A recipe made of a kickstart, and what of the kickstart is not in it. */
export interface ImportedKickstart {
  readonly recipe: Readonly<Record<string, unknown>>;
  readonly left: readonly LeftOut[];
}

export interface LeftOut {
  readonly line: number;
  readonly text: string;
  readonly why: string;
}

type Release = Recipe["release"];

/** Makes a recipe of what a kickstart says, on the base recipe of its release. Every line is in it, or among those left out with the reason. */
export async function importKickstart(text: string, name: string, base: Recipe): Promise<ImportedKickstart> {
  const { release } = base;
  const found = new Findings(release);
  for (const part of partsOf(text, majorOf(release), () => {})) take(part, found);
  const recipe: Record<string, unknown> = {
    extends: `${release}-base`,
    name,
    version: "1.0.0",
    summary: `Imported from a kickstart for Oracle Linux ${majorOf(release)}`,
  };
  for (const [key, value] of Object.entries(found.values())) {
    const shape = Recipe.shape[key as keyof typeof Recipe.shape];
    if (shape.safeParse(value).success) recipe[key] = value;
    else found.leave(0, key, "has a value that no recipe can hold");
  }
  await settle(recipe, found, base);
  return { recipe, left: found.left };
}

/** The release that a kickstart was written for, as far as it shows. */
export function releaseOfKickstart(text: string): Release {
  const has = (pattern: RegExp) => pattern.test(text);
  if (has(/^\s*(timesource|rhsm)\b/m) || has(/--inst-langs=|--exclude-weakdeps/)) return "ol9";
  if (has(/^\s*(authselect|module|syspurpose)\b/m)) return "ol8";
  if (has(/^\s*(eula|reqpart)\b/m) || has(/^%(addon|anaconda)\b/m)) return "ol7";
  if (has(/^\s*(part|logvol)\b.*\bxfs\b/m)) return "ol7";
  if (has(/^\s*key\b/m) || !has(/^\s*%end\b/m)) return "ol5";
  return has(/^\s*install\s*$/m) ? "ol6" : "ol7";
}

/** The recipe as a file, with what was left out as comments. */
export function importedText({ recipe, left }: ImportedKickstart, from: string): string {
  const lines = left.map(({ line, text, why }) =>
    `# ${line === 0 ? "" : `line ${line}: `}${text.trim().replace(/[^\x20-\x7e…]/g, "?")}  (${why})`.slice(
      0,
      200,
    ),
  );
  return [
    "# yaml-language-server: $schema=../docs/recipe.schema.json",
    `# Made from ${from.replace(/[^\x20-\x7e]/g, "?")}. Not taken over:`,
    ...(lines.length > 0 ? lines : ["# nothing was left out"]),
    stringify(recipe, { lineWidth: 0, blockQuote: "literal" }),
  ].join("\n");
}

/** A line as its command and options. */
interface Read {
  readonly line: number;
  readonly text: string;
  readonly name: string;
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

type Layout = { mount: string; fs: string; size: string; grow?: boolean; volume?: string };

// What is left out is told, and lands in the recipe's comments.
function withoutSecrets(text: string): string {
  if (/^\s*(rootpw|sshpw)\b/.test(text)) return `${text.trim().split(/\s/)[0]} …`;
  return text.replace(/(--\w*(?:pass|key)\w*)(=|\s+)("[^"]*"|'[^']*'|\S+)/g, "$1$2…");
}

/** What has been gathered so far. */
class Findings {
  readonly left: LeftOut[] = [];
  readonly scalars: Record<string, unknown> = {};
  readonly lists: Record<string, unknown[]> = {};
  readonly packages: Record<string, string[]> = { base: [], exclude: [] };
  readonly services: Record<string, string[]> = { enable: [], disable: [] };
  readonly layout: Layout[] = [];
  readonly release: Release;

  constructor(release: Release) {
    this.release = release;
  }

  leave(line: number, text: string, why: string): void {
    this.left.push({ line, text: withoutSecrets(text), why });
  }

  /** Adds to a list what the schema of its items takes. */
  add(key: keyof typeof Recipe.shape, value: unknown, read: { line: number; text: string }): void {
    const list = this.lists[key] ?? [];
    if (list.some((one) => JSON.stringify(one) === JSON.stringify(value))) return;
    if (!Recipe.shape[key].safeParse([value]).success) {
      this.leave(read.line, read.text, `no recipe can hold it under ${key}`);
      return;
    }
    list.push(value);
    this.lists[key] = list;
  }

  say(key: keyof typeof Recipe.shape, value: unknown, read: { line: number; text: string }): void {
    if (Recipe.shape[key].safeParse(value).success) this.scalars[key] = value;
    else this.leave(read.line, read.text, `no recipe can hold it as ${key}`);
  }

  values(): Record<string, unknown> {
    const filled = (group: Record<string, string[]>) =>
      Object.fromEntries(Object.entries(group).filter(([, list]) => list.length > 0));
    const groups = { packages: filled(this.packages), services: filled(this.services) };
    return {
      ...this.scalars,
      ...Object.fromEntries(Object.entries(this.lists).filter(([, list]) => list.length > 0)),
      ...Object.fromEntries(Object.entries(groups).filter(([, group]) => Object.keys(group).length > 0)),
      ...(this.layout.length > 0 && { layout: this.layout }),
    };
  }
}

function take(part: KickstartPart, found: Findings): void {
  if (part.kind === "section") takeSection(part, found);
  else {
    const read = readLine(part);
    if (read === undefined) found.leave(part.line, part.text, "its quotation is not closed");
    else (commands[read.name] ?? unknownCommand)(read, found);
  }
}

function readLine({ line, text, name }: KickstartPart): Read | undefined {
  try {
    const words: string[] = [];
    const options = new Map<string, string>();
    const all = shellWords(text).slice(1);
    for (let i = 0; i < all.length; i++) {
      const word = all[i] ?? "";
      const [, option, value] = /^--([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
      if (option === undefined) words.push(word);
      else if (value !== undefined || flags.has(option) || all[i + 1]?.startsWith("--") !== false)
        options.set(option, value ?? "");
      else options.set(option, all[++i] ?? "");
    }
    return { line, text, name, words, options };
  } catch {
    return undefined;
  }
}

// What stands alone; every other option takes the word behind it.
const flags = new Set(
  "utc isUtc nontp iscrypted plaintext lock enabled enable disabled disable ssh http ftp smtp telnet grow asprimary recommended noformat permissive enforcing noipv6 noipv4 nodns activate no-activate initlabel all linux none encrypted".split(
    " ",
  ),
);

const ours = "tbuild says this itself";
const perBuild = "made for each build, and taken out by the seal";
const notNeeded = (why: string) => (read: Read, found: Findings) => found.leave(read.line, read.text, why);
const silent = () => {};
const unknownCommand = notNeeded("a recipe has no word for it");

const commands: Readonly<Record<string, (read: Read, found: Findings) => void>> = {
  ...Object.fromEntries(
    "install cdrom text cmdline graphical skipx key eula firstboot zerombr poweroff reboot halt shutdown autostep mediacheck interactive"
      .split(" ")
      .map((name) => [name, silent]),
  ),
  ...Object.fromEntries(
    "clearpart ignoredisk auth authconfig authselect reqpart"
      .split(" ")
      .map((name) => [name, notNeeded(ours)]),
  ),
  ...Object.fromEntries(
    "url nfs harddrive liveimg ostreesetup"
      .split(" ")
      .map((name) => [name, notNeeded("it is installed from the disc")]),
  ),
  rootpw: notNeeded(perBuild),
  sshpw: notNeeded(perBuild),
  lang: (read, found) => found.say("lang", read.words[0], read),
  keyboard: (read, found) =>
    found.say(
      "keyboard",
      read.words[0] ?? read.options.get("vckeymap") ?? read.options.get("xlayouts")?.split(/[ ,]/)[0],
      read,
    ),
  timezone(read, found) {
    found.say("timezone", read.words[0], read);
    for (const host of split(read.options.get("ntpservers"))) found.add("ntp", host, read);
  },
  timesource(read, found) {
    const host = read.options.get("ntp-server") ?? read.options.get("ntp-pool");
    if (host === undefined) found.leave(read.line, read.text, "a recipe has no word for it");
    else found.add("ntp", host, read);
  },
  selinux: (read, found) =>
    found.say(
      "selinux",
      ["disabled", "permissive"].find((mode) => read.options.has(mode)) ?? "enforcing",
      read,
    ),
  firewall: takeFirewall,
  bootloader: takeBootloader,
  network: takeNetwork,
  services(read, found) {
    for (const [option, list] of [
      ["enabled", "enable"],
      ["disabled", "disable"],
    ] as const)
      for (const name of split(read.options.get(option)))
        if (Recipe.shape.services.safeParse({ [list]: [name] }).success) found.services[list]?.push(name);
        else found.leave(read.line, read.text, `"${name}" is no service`);
  },
  repo: takeRepository,
  group(read, found) {
    const gid = Number(read.options.get("gid") ?? 900 + (found.lists.groups?.length ?? 0));
    found.add("groups", { name: read.options.get("name"), gid }, read);
  },
  user: takeUser,
  part: takePartition,
  partition: takePartition,
  logvol: takePartition,
  volgroup: (read, found) => found.say("volumeGroup", read.words[0]?.toLowerCase().replace(/\W/g, "_"), read),
  autopart: notNeeded("the layout of the base recipe is used"),
  raid: notNeeded("a template has one disk"),
};

function takeFirewall(read: Read, found: Findings): void {
  const off = read.options.has("disabled") || read.options.has("disable");
  found.say("firewall", !off, read);
  const ports = split(read.options.get("port")).map((port) => (port.includes(":") ? port : `${port}:tcp`));
  const known: Record<string, string> = {
    http: "80:tcp",
    https: "443:tcp",
    smtp: "25:tcp",
    ftp: "21:tcp",
    telnet: "23:tcp",
  };
  const named = [...read.options.keys(), ...split(read.options.get("service"))];
  for (const port of [...ports, ...named.flatMap((name) => known[name] ?? [])])
    if (!off && port !== "22:tcp") found.add("ports", port, read);
  const unknown = split(read.options.get("service")).filter((name) => name !== "ssh" && !(name in known));
  if (unknown.length > 0 || read.options.has("trust"))
    found.leave(read.line, read.text, "a recipe opens ports; say them under ports");
}

function takeBootloader(read: Read, found: Findings): void {
  for (const word of (read.options.get("append") ?? "").split(/\s+/))
    if (word !== "" && !/^(console=|rhgb$|quiet$|net\.ifnames=|biosdevname=)/.test(word))
      found.add("kernelArguments", word, read);
  if (read.options.has("password") || read.options.has("md5pass"))
    found.leave(read.line, "bootloader --password", "a secret stands in no recipe");
}

function takeNetwork(read: Read, found: Findings): void {
  const device = read.options.get("device") ?? (read.options.has("bootproto") ? "link" : undefined);
  if (device !== undefined && found.lists.nics?.length !== 8) {
    const nics = found.lists.nics ?? [];
    found.lists.nics = [...nics, nics.length === 0 ? "public" : "interconnect"];
  }
  if (read.options.has("ip") || read.options.has("hostname"))
    found.leave(read.line, read.text, "a clone gets its address and name at first boot");
}

function takeRepository(read: Read, found: Findings): void {
  const url = read.options.get("baseurl");
  if (url === undefined) {
    found.leave(read.line, read.text, "a recipe wants the URL of a repository, not a list of mirrors");
    return;
  }
  const name = read.options.get("name") ?? "";
  const id = name.replace(/[^\w.-]+/g, "_").replace(/^[^\w]+/, "");
  if (found.lists.repositories?.some((one) => (one as { id: string }).id === id))
    found.leave(read.line, read.text, "there is a repository of this name");
  else found.add("repositories", { id, name, url, enabled: true }, read);
}

function takeUser(read: Read, found: Findings): void {
  const name = read.options.get("name") ?? "";
  const uid = Number(read.options.get("uid") ?? 1000 + (found.lists.users?.length ?? 0));
  const groups = split(read.options.get("groups"));
  const gid = Number(read.options.get("gid") ?? uid);
  found.add("groups", { name, gid }, read);
  const password = read.options.has("password")
    ? { password: { env: `${name.toUpperCase().replace(/\W/g, "_")}_PASSWORD` } }
    : {};
  const home = read.options.get("homedir");
  found.add(
    "users",
    {
      name,
      uid,
      group: name,
      ...(groups.length > 0 && { groups }),
      ...(home !== undefined && { home }),
      ...password,
    },
    read,
  );
  if (read.options.has("password"))
    found.leave(
      read.line,
      `user --name=${name} --password`,
      "a secret stands in no recipe; it is looked for in the environment",
    );
}

function takePartition(read: Read, found: Findings): void {
  const mount = read.words[0] ?? "";
  if (/^pv\./.test(mount)) return;
  if (/^(raid|btrfs)\./.test(mount) || ["biosboot", "prepboot", "/boot/efi"].includes(mount)) {
    found.leave(read.line, read.text, "a template boots by BIOS from plain or logical volumes");
    return;
  }
  const swap = mount === "swap";
  const mib = Math.max(1, Number.parseInt(read.options.get("size") ?? (swap ? "2048" : "1024"), 10) || 1024);
  const volume = read.options
    .get("name")
    ?.toLowerCase()
    .replace(/\W/g, "_")
    .replace(/^[^a-z]/, "v");
  const fs = swap ? "swap" : (read.options.get("fstype") ?? "");
  found.layout.push({
    mount,
    fs: Recipe.shape.layout.safeParse([{ mount: "/", fs, size: "1M" }]).success
      ? fs
      : found.release === "ol5"
        ? "ext3"
        : "ext4",
    size: `${mib}M`,
    ...(read.options.has("grow") && { grow: true }),
    ...(read.name === "logvol" && volume !== undefined && { volume }),
  });
}

function takeSection(part: KickstartPart, found: Findings): void {
  if (part.name === "%packages") takePackages(part, found);
  else if (part.name === "%post" && !/--nochroot/.test(part.text)) takePost(part, found);
  else if (part.name === "%addon" && /com_redhat_kdump\s+--disable/.test(part.text)) return;
  else
    found.leave(
      part.line,
      part.text,
      part.name === "%pre"
        ? "%pre is tbuild's own: it chooses the disk"
        : "a recipe has no place for this section",
    );
}

function takePackages(part: KickstartPart, found: Findings): void {
  for (const [index, raw] of part.body.entries()) {
    const line = part.line + 1 + index;
    const word = raw
      .replace(/#.*/, "")
      .replace(/\s--\S+/g, "")
      .trim();
    if (word === "" || word === "@core" || word === "@ core" || word === "openssh-server") continue;
    const [list, name] = word.startsWith("-")
      ? ["exclude", word.slice(1)]
      : ["base", word.replace(/^@\s+/, "@")];
    if (Recipe.shape.packages.safeParse({ [list]: [name] }).success) {
      if (!found.packages[list]?.includes(name)) found.packages[list]?.push(name);
    } else found.leave(line, raw, "no package name");
  }
}

function takePost(part: KickstartPart, found: Findings): void {
  const interpreter = /--interpreter[= ]\s*(\S+)/.exec(part.text)?.[1] ?? "/bin/sh";
  const run = `${part.body.join("\n").trim()}\n`;
  if (!/\/(ba|k|da)?sh$/.test(interpreter))
    found.leave(part.line, part.text, `a script of a recipe is run by bash, not by ${interpreter}`);
  // A kickstart's script goes on after a command that fails; a recipe's does not.
  else if (run.trim() !== "")
    found.add(
      "scripts",
      { name: `post-${(found.lists.scripts?.length ?? 0) + 1}`, run: `set +eu +o pipefail\n${run}` },
      part,
    );
}

/** Takes out again what the rules refuse, one after the other; the base recipe stands for it. */
async function settle(recipe: Record<string, unknown>, found: Findings, base: Recipe): Promise<void> {
  if (recipe.layout !== undefined)
    recipe.machine = { disk: diskFor(Recipe.shape.layout.parse(recipe.layout)) };
  for (;;) {
    const problem = (await problemsOf(recipe, base))[0];
    if (problem === undefined) return;
    const [key = "", index] = problem.path.map(String);
    const inherited = (base as unknown as Record<string, unknown>)[key];
    const at = Number(index) - (Array.isArray(inherited) ? inherited.length : 0);
    const own = recipe[key];
    // Without a /boot that pygrub reads it is no PVM, but it is a machine.
    if (problem.text.includes("pygrub") && recipe.domainType === undefined)
      recipe.domainType = "XEN_HVM_PV_DRIVERS";
    else if (key !== "layout" && Array.isArray(own) && at >= 0 && at < own.length && own.length > 1) {
      found.leave(0, JSON.stringify(own[at]), problem.text);
      recipe[key] = own.filter((_, i) => i !== at);
    } else if (own !== undefined) {
      found.leave(0, key, problem.text);
      delete recipe[key];
      if (key === "layout") {
        delete recipe.machine;
        delete recipe.domainType;
      }
    } else return;
  }
}

function diskFor(layout: Recipe["layout"]): string {
  const sum = layout.reduce((all, part) => all + part.size, 0);
  return `${Math.min(9_999_999, Math.max(12, Math.ceil((sum * 1.25) / 1024)))}G`;
}

async function problemsOf(recipe: Record<string, unknown>, base: Recipe) {
  const whole: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(recipe)) {
    const shape = Recipe.shape[key as keyof typeof Recipe.shape];
    if (shape === undefined) continue;
    const parsed = shape.parse(value);
    const grows = Array.isArray(parsed) && key !== "layout" && key !== "nics";
    whole[key] = grows ? [...(whole[key] as unknown[]), ...parsed] : parsed;
  }
  const found: { path: readonly PropertyKey[]; text: string }[] = [];
  const problem = (path: readonly PropertyKey[], text: string) => found.push({ path, text });
  for (const rule of rules) await rule(whole as Partial<Recipe>, { folder: "", moduleFolders: [], problem });
  return found;
}

function split(list: string | undefined): string[] {
  return (list ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}
