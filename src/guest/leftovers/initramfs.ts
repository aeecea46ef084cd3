import { basename } from "node:path/posix";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import { initramfsEntries } from "../convert/initramfs.ts";
import { freeIfcfg, freeKeyfile } from "../seal/network-files.ts";
import { commandLineIdentities } from "./command-line.ts";
import { isAsPackaged, type Leftover, type SearchOptions, searchFile } from "./search.ts";

export interface SearchedInitramfs {
  readonly found: readonly Leftover[];
  /** The paths of the images; those that could not be unpacked are among the limits, too. */
  readonly images: readonly string[];
  /** Limits of the search, in words. */
  readonly limits: readonly string[];
}

const places = ["/boot/initramfs-*", "/boot/initrd-*", "/boot/initrd.*", "/boot/*/*/initrd"];
// Of all the files in an image together. The rescue image of OL9 has about 250 MiB.
const mostBytes = 512 << 20;

/**
 * Searches the files inside each initramfs of a guest: dracut and mkinitrd copy parts of /etc into it, so it
 * can contain host keys, addresses, a machine id or the key of an encrypted volume long after a seal has
 * reset the originals. An unchanged file of a package is not reported. Reads only.
 */
export async function searchInitramfs(tree: GuestTree, options: SearchOptions): Promise<SearchedInitramfs> {
  const found: Leftover[] = [];
  const images: string[] = [];
  const limits: string[] = [];
  for (const pattern of places)
    for (const path of await tree.glob(pattern)) {
      checkInterrupted(options.signal);
      const stat = await tree.stat(path);
      if (stat?.kind !== "file" || stat.size === 0 || isExcepted(path, options.except)) continue;
      images.push(path);
      try {
        const inside = await searchOne((await tree.read(path)) ?? new Uint8Array(), options);
        found.push(...inside.map((one) => ({ path, what: `${one.what} in its file ${one.path}` })));
      } catch (error) {
        if (!(error instanceof TbuildError)) throw error;
        limits.push(`${path} was not searched: ${error.message}`);
      }
    }
  return { found, images, limits };
}

async function searchOne(image: Uint8Array, options: SearchOptions): Promise<Leftover[]> {
  const found = new Map<string, string>();
  const { entries } = await initramfsEntries(image, mayTell, mostBytes);
  const there = new Map(entries.map((entry) => [`/${entry.path}`, entry]));
  for (const [path, { path: inner, data = new Uint8Array() }] of there) {
    checkInterrupted(options.signal);
    const content = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (content.length === 0 || isProgram(content) || isAsPackaged(options.packaged?.get(path), content))
      continue;
    const text = content.toString("latin1");
    const what = copied(inner, text) ?? (await searchFile(path, content, options)).what;
    if (what !== undefined) found.set(path, what);
    if (inner === "etc/crypttab" || inner.startsWith("etc/cmdline"))
      for (const key of keyFilesIn(text))
        if (there.has(key)) found.set(key, "the key of an encrypted volume");
  }
  return [...found].map(([path, what]) => ({ path, what }));
}

/** The kind of a file that was copied from the guest, by its path. A seal resets the original. */
function copied(path: string, text: string): string | undefined {
  const name = basename(path);
  if (/^etc\/(?:ssh|dropbear)\/.*(?:_|-)key$/.test(path)) return "a key of its SSH server";
  if (/^cryptroot\/keyfiles\/|^cryptroot-keyfiles\//.test(path)) return "the key of an encrypted volume";
  if (/^(?:etc|var\/lib\/dbus)\/machine-id$/.test(path) && /^[\da-f]{32}/.test(text)) return "a machine id";
  if (path === "etc/hostname" && isHostName(text.trim())) return "a host name";
  if (path === "etc/sysconfig/network")
    return isHostName(/^HOSTNAME=["']?([^"'\s]*)/m.exec(text)?.[1] ?? "") ? "a host name" : undefined;
  if (/^ifcfg-/.test(name) && name !== "ifcfg-lo" && freeIfcfg(text, none).text !== text)
    return "addresses or ids of a network interface";
  if (name.endsWith(".nmconnection") && freeKeyfile(text, none).text !== text)
    return "addresses or ids of a network connection";
  if (/^etc\/cmdline/.test(path)) {
    const inLine = commandLineIdentities(text);
    if (inLine.length > 0)
      return inLine.some(({ of }) => of === "network") ? "addresses of a network interface" : inLine[0]?.what;
  }
  if (/^etc\/mdadm(?:\/mdadm)?\.conf$/.test(path) && /^\s*ARRAY\b.*\bUUID=/im.test(text))
    return "the ids of RAID arrays";
  if (path === "etc/lvm/lvmlocal.conf" && /^\s*system_id\s*=\s*"[^"]/m.test(text))
    return "a system id of LVM";
  if (/(?:^|\/)random-seed$/.test(path)) return "a random seed";
  return undefined;
}

const none: ReadonlySet<string> = new Set();

function isHostName(name: string): boolean {
  return name !== "" && !/^(?:localhost|\(none\))(?:\.|$)/.test(name);
}

// crypttab(5), and rd.luks.key= of dracut.cmdline(7).
function keyFilesIn(text: string): string[] {
  const named = [
    ...text.matchAll(/^[^#\s]\S*\s+\S+\s+(\/\S+)/gm),
    ...text.matchAll(/\brd\.luks\.key=(\/[^\s:]+)/g),
  ];
  return named.flatMap(([, path = ""]) => (path.startsWith("/dev/") ? [] : path));
}

// Modules, programs and their files contain nothing specific to a guest.
function mayTell(path: string): boolean {
  return !/^(?:usr\/(?!local\/)|lib(?:32|64)?\/|s?bin\/|kernel\/)/.test(path);
}

function isProgram(data: Buffer): boolean {
  return data.subarray(0, 4).toString("latin1") === "\x7fELF";
}

function isExcepted(path: string, except: readonly string[]): boolean {
  return except.some((one) => path === one || path.startsWith(`${one}/`));
}
