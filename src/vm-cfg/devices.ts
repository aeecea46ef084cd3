import { isList, type Value } from "./value.ts";

/** One entry of `disk`. */
export interface DiskEntry {
  /** As it is written. */
  readonly text: string;
  /** The file or device; none for an empty drive. */
  readonly target?: string;
  /** The guest's name for it: xvda, hda, sda. */
  readonly slot?: string;
  /** `w!` allows several machines to write to it. */
  readonly mode: DiskMode;
  readonly format: "raw" | "qcow" | "qcow2" | "vhd" | "qed" | "unknown";
  /** A block device of the host (`phy:`) instead of a file. */
  readonly isDevice: boolean;
  readonly isCdrom: boolean;
  /** All other options, as they are written: `script=…`, `backendtype=…`. */
  readonly options: readonly string[];
}

export type DiskMode = "r" | "w" | "w!";

/** One entry of `vif`: its options in order, `mac`, `bridge`, `type`, `model`, `rate`, `ip`, `script`, `vifname` … */
export type VifEntry = ReadonlyMap<string, string>;

/** The strings of a list. A single string counts as a list of one (xm accepts both). */
export function textsOf(value: Value | undefined): string[] {
  if (typeof value === "string") return value.trim() === "" ? [] : [value];
  return isList(value) ? value.filter((one): one is string => typeof one === "string") : [];
}

const formats: Readonly<Record<string, DiskEntry["format"]>> = {
  raw: "raw",
  aio: "raw",
  sync: "raw",
  ram: "raw",
  qcow: "qcow",
  qcow2: "qcow2",
  vhd: "vhd",
  qed: "qed",
};

// Keywords without a value, in any place.
const diskFlags: ReadonlySet<string> = new Set([
  "discard",
  "no-discard",
  "direct-io-safe",
  "colo",
  "no-colo",
]);

/**
 * Reads xm's `uname,dev,mode` and xl's `[target],[format],[vdev],[access]` with its keywords in any order
 * (xl-disk-configuration(5)). People mix both, so each word is recognised by itself.
 */
export function readDisk(text: string): DiskEntry {
  const found: { target?: string; slot?: string; mode?: DiskMode; format?: DiskEntry["format"] } = {};
  const options: string[] = [];
  let isCdrom = false;
  const place = ["target", "format", "vdev", "access"];
  const setSlot = (word: string) => {
    // xend's device model is written `ioemu:hda`.
    const [, slot = "", kind = ""] =
      /^(?:ioemu:)?(\/dev\/)?([^:]*)(?::(cdrom|disk))?$/.exec(word)?.slice(1) ?? [];
    if (slot !== "") found.slot = slot;
    if (kind === "cdrom") isCdrom = true;
  };
  let rest = text;
  for (let index = 0; rest !== ""; index++) {
    const [, key = "", value = ""] = /^\s*([a-z][a-z_-]*)=([^,]*)/.exec(rest) ?? [];
    if (key === "target") {
      // Everything after target= belongs to it, including commas.
      found.target = rest.slice(rest.indexOf("=") + 1).trim();
      break;
    }
    const comma = rest.indexOf(",");
    const word = (comma < 0 ? rest : rest.slice(0, comma)).trim();
    rest = comma < 0 ? "" : rest.slice(comma + 1);
    if (diskFlags.has(word)) {
      index--;
      options.push(word);
      continue;
    }
    if (key !== "" && !word.startsWith("/")) {
      index--;
      if (key === "vdev") setSlot(value.trim());
      else if (key === "access") found.mode = modeOf(value.trim()) ?? "w";
      else if (key === "format") found.format = formats[value.trim()] ?? "unknown";
      else if (key === "devtype") isCdrom = value.trim() === "cdrom";
      else options.push(word);
      continue;
    }
    if (index === 0) {
      if (word !== "") found.target = word;
      continue;
    }
    if (word === "cdrom" || word === "devtype=cdrom") isCdrom = true;
    else if (modeOf(word) && found.slot !== undefined) found.mode = modeOf(word) ?? "w";
    else if (modeOf(word) && place[index] === "access") found.mode = modeOf(word) ?? "w";
    else if (word in formats && found.slot === undefined) found.format = formats[word] ?? "unknown";
    else if (found.slot === undefined && word !== "") setSlot(word);
    else if (word !== "") options.push(word);
  }
  const { target, prefixes } = withoutPrefixes(found.target ?? "");
  const named = prefixes.map((one) => formats[one]).find((one) => one !== undefined);
  const isIso = /\.iso$/i.test(target);
  return {
    text,
    ...(target !== "" && { target }),
    ...(found.slot !== undefined && { slot: found.slot }),
    mode: found.mode ?? (isCdrom ? "r" : "w"),
    format: found.format ?? named ?? "raw",
    isDevice:
      prefixes.includes("phy") ||
      (prefixes.length === 0 && target.startsWith("/dev/")) ||
      prefixes.includes("drbd"),
    isCdrom: isCdrom || isIso,
    options,
  };
}

/** A note on options of a disk that no other configuration can have. */
export function lostOptions({ options, slot, text }: DiskEntry): string[] {
  if (options.length === 0) return [];
  const lost = options.map((one) => JSON.stringify(one)).join(", ");
  return [
    `vm.cfg: ${lost} of the disk ${slot ?? JSON.stringify(text)} ${options.length === 1 ? "is" : "are"} left out`,
  ];
}

function modeOf(word: string): DiskMode | undefined {
  const modes: Readonly<Record<string, DiskMode>> = {
    r: "r",
    ro: "r",
    w: "w",
    rw: "w",
    "w!": "w!",
    "!": "w!",
    "rw!": "w!",
  };
  return modes[word];
}

/** `tap2:aio:/x.img` is /x.img; a Windows path or a name with a colon of its own stays whole. */
function withoutPrefixes(target: string): { target: string; prefixes: string[] } {
  const prefixes: string[] = [];
  let rest = target;
  for (;;) {
    const [all, word = ""] =
      /^(phy|file|tap2?|tapdisk|blktap2?|aio|sync|ram|raw|qcow2?|vhd|qed|drbd|iscsi|nbd|ioemu|block-[\w-]+):/.exec(
        rest,
      ) ?? [];
    if (all === undefined) return { target: rest.trim(), prefixes };
    prefixes.push(word);
    rest = rest.slice(all.length);
  }
}

/** `mac=00:21:f6:00:00:01,bridge=br0`. If an option is repeated, the last one counts. */
export function readVif(text: string): VifEntry {
  const found = new Map<string, string>();
  for (const option of text.split(",")) {
    const at = option.indexOf("=");
    if (at > 0) found.set(option.slice(0, at).trim(), option.slice(at + 1).trim());
    else if (option.trim() !== "") found.set(option.trim(), "");
  }
  return found;
}
