/**
 * The menus as pygrub reads them: GrubConf.py and ExtLinuxConf.py of Xen 4.17, including their faults, since these decide what
 * boots. A menu that pygrub's parser rejects is a `MenuFault`.
 */
export interface MenuEntry {
  readonly title: string;
  readonly kernel?: string;
  readonly args?: string;
  readonly initrd?: string;
}

export interface Menu {
  readonly entries: readonly MenuEntry[];
  /** The entry that pygrub boots. It ignores fallback, and a default given by title in GRUB's menus. */
  readonly chosen: number;
}

export class MenuFault extends Error {}

type Draft = { title: string; kernel?: string; args?: string; initrd?: string };

export function legacyMenu(text: string): Menu {
  const entries: Draft[] = [];
  let fallback = 0;
  let lines: string[] | undefined;
  let title = "";
  const finish = () => {
    if (lines) entries.push(grubEntry(title, lines, legacyCommands));
  };
  for (const line of meaningfulLines(text)) {
    if (line.startsWith("title")) {
      finish();
      [lines, title] = [[], line.slice(6)];
    } else if (lines) lines.push(line);
    else {
      const [command, value] = commandOf(line);
      if (command === "default") fallback = defaultOf(value.trim());
      if (command === "splashimage") pathOf(value.trim());
    }
  }
  if (lines && lines.length > 0) finish();
  return { entries, chosen: chosenOf(entries, fallback) };
}

export function grub2Menu(text: string): Menu {
  const entries: Draft[] = [];
  let fallback = 0;
  let lines: string[] | undefined;
  let title = "";
  let submenus = 0;
  let inFunction = false;
  for (const line of meaningfulLines(text)) {
    if (line.startsWith("function")) {
      inFunction = true;
      continue;
    }
    if (inFunction) {
      if (line.startsWith("}")) inFunction = false;
      continue;
    }
    const entry = /^menuentry ["'](.*?)["'] (.*)\{/.exec(line);
    if (entry) {
      if (lines) throw new MenuFault("a menuentry is inside another");
      [lines, title] = [[], entry[1] ?? ""];
      continue;
    }
    if (line.startsWith("submenu")) {
      submenus++;
      continue;
    }
    if (line.startsWith("}")) {
      if (lines) entries.push(grubEntry(title, lines, grub2Commands));
      else if (submenus > 0) submenus--;
      else throw new MenuFault('a "}" closes no block that pygrub knows');
      lines = undefined;
      continue;
    }
    if (lines) {
      lines.push(line);
      continue;
    }
    const [command, value] = setOrCommand(line);
    if (command === "set:default")
      fallback = defaultOf(/^\$\{(?:saved|next)_entry\}$/.test(value.trim()) ? "0" : value.trim());
  }
  if (lines) throw new MenuFault("it ends inside a menuentry");
  return { entries, chosen: chosenOf(entries, fallback) };
}

export function extlinuxMenu(text: string): Menu {
  const entries: Draft[] = [];
  let wanted = "";
  let current: string[] = [];
  const finish = () => {
    if (current.length > 0) entries.push(extlinuxEntry(current));
  };
  for (const line of meaningfulLines(text)) {
    if (line.toLowerCase().startsWith("label")) {
      finish();
      current = [line];
    } else if (current.length > 0) current.push(line);
    else {
      const [command, value] = commandOf(line);
      if (command.toLowerCase() === "default") wanted = value.trim();
    }
  }
  finish();
  const found = entries.findIndex(({ title }) => title === wanted);
  return { entries, chosen: chosenOf(entries, Math.max(0, found)) };
}

function meaningfulLines(text: string): string[] {
  return text
    .split("\n")
    .map(stripped)
    .filter((line) => line !== "" && !line.startsWith("#"));
}

// Python's strip(): a mark of the encoding is not a blank there.
function stripped(line: string): string {
  return line.replaceAll(/^(?:(?!\ufeff)\s)+|(?:(?!\ufeff)\s)+$/g, "");
}

/** A default beyond the last entry selects the first. */
function chosenOf(entries: readonly Draft[], wanted: number): number {
  return wanted < entries.length ? wanted : 0;
}

function defaultOf(word: string): number {
  const number = /^[+-]?\d+$/.test(word) ? Number(word) : 0;
  if (number < 0) throw new MenuFault("its default is negative");
  return number;
}

/** `grub_split`: at "=" if that comes before the first blank, else at blanks. */
function splitAt(line: string, most: number): string[] {
  const [equals, blank] = [line.indexOf("="), line.search(/[ \t]/)];
  if (equals >= 0 && (blank < 0 || equals < blank)) {
    const parts = line.split("=");
    return parts.length <= most + 1 ? parts : [...parts.slice(0, most), parts.slice(most).join("=")];
  }
  const parts: string[] = [];
  let rest = line.trimStart();
  while (rest !== "" && parts.length < most) {
    const [word = ""] = /^\S+/.exec(rest) ?? [];
    parts.push(word);
    rest = rest.slice(word.length).trimStart();
  }
  return rest === "" ? parts : [...parts, rest];
}

function commandOf(line: string): [string, string] {
  const [command = "", value = ""] = splitAt(line, 1);
  return [command, value];
}

function setOrCommand(line: string): [string, string] {
  const [command, value] = commandOf(line);
  if (command !== "set") return [command, value];
  const parts = splitAt(value, 2);
  if (parts.length !== 2) throw new MenuFault(`pygrub cannot read "${line.slice(0, 60)}"`);
  const [name = "", text = ""] = parts;
  return [`set:${name}`, /^(["'])(.*)\1/.exec(text)?.[2] ?? text];
}

type Field = "kernel" | "initrd" | "root";
const legacyCommands: Readonly<Record<string, Field>> = {
  root: "root",
  rootnoverify: "root",
  kernel: "kernel",
  initrd: "initrd",
};
const grub2Commands: Readonly<Record<string, Field>> = {
  "set:root": "root",
  linux: "kernel",
  linux16: "kernel",
  initrd: "initrd",
  initrd16: "initrd",
};

function grubEntry(title: string, lines: readonly string[], commands: typeof legacyCommands): Draft {
  const entry: Draft = { title: title.trim() };
  for (const line of lines) {
    const [command, value] = commands === grub2Commands ? setOrCommand(line) : commandOf(line);
    const field = Object.hasOwn(commands, command) ? commands[command] : undefined;
    const text = value.trim();
    if (field === "root") checkRoot(text);
    if (field === "initrd") entry.initrd = pathOf(text);
    if (field === "kernel") setKernel(entry, text, pathOf);
  }
  return entry;
}

function setKernel(entry: Draft, text: string, path: (text: string) => string): void {
  const [kernel = "", args] = text.includes(" ") ? splitWords(text) : [text];
  entry.kernel = path(kernel);
  if (args === undefined) delete entry.args;
  else entry.args = args;
}

function splitWords(text: string): string[] {
  const [, first = "", rest] = /^(\S+)\s+([\s\S]*)$/.exec(text) ?? [];
  return rest === undefined ? [text] : [first, rest];
}

function pathOf(text: string): string {
  if (!text.startsWith("(")) return text;
  const end = text.indexOf(")");
  if (end < 0) throw new MenuFault(`"${text.slice(0, 60)}" has no ")"`);
  checkRoot(text.slice(0, end));
  return text.slice(end + 1);
}

/** `GrubDiskPart`: it accepts hdN with a partition number, msdosN or gptN, and otherwise rejects the menu. */
function checkRoot(text: string): void {
  const parts = text.split(",");
  const [disk = "", part] = parts.map((one) => one.replaceAll(/[()]/g, ""));
  const isDisk = disk.startsWith("/dev/xvd") ? disk.length > 8 : isNumber(disk.slice(2));
  const isPart = part === undefined || isNumber(part.replace(/^msdos/, "").replace(/^gpt/, ""));
  if (!isDisk || !isPart || parts.length > 2)
    throw new MenuFault(`pygrub does not know the disk "${text.slice(0, 60)}" and gives up on the menu`);
}

function isNumber(text: string): boolean {
  return /^\s*[+-]?\d+(?:_\d+)*\s*$/.test(text);
}

function extlinuxEntry(lines: readonly string[]): Draft {
  const entry: Draft = { title: "", args: "" };
  for (const line of lines) {
    const [word, argument] = commandOf(line);
    const command = word.toLowerCase();
    let value = argument;
    if (command === "append" && entry.kernel !== undefined) {
      if (entry.kernel.endsWith("mboot.c32")) {
        const modules = argument.split("---");
        const [kernel, initrd] =
          modules.length === 3 ? modules.slice(1) : modules.length === 2 ? modules : [];
        if (kernel) setKernel(entry, kernel.trim(), (path) => path);
        if (initrd) entry.initrd = initrd.trim();
        continue;
      }
      // It looks for the word in lower case first, and then in any case.
      for (const one of argument.includes("initrd=") ? argument.trim().split(" ") : [])
        if (one.toLowerCase().startsWith("initrd=")) {
          entry.initrd = one.replaceAll("initrd=", "");
          value = value.replaceAll(one, "");
        }
    }
    const text = value.trim().replace(/^"(.+)"$/, "$1");
    if (command === "label") entry.title = text;
    if (command === "kernel") setKernel(entry, text, (path) => path);
    if (command === "append") entry.args = text;
  }
  return entry;
}
