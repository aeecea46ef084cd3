import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { checkInterrupted } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { ChangeOptions, DraftedGuest } from "../image/change/drafted-guest.ts";
import { readGuest } from "../image/read-guest.ts";
import type { GuestTree } from "../image/tree.ts";
import { secretIn } from "./leftovers/secret-shapes.ts";
import { packageFilesOr } from "./rpm/files.ts";
import { volumesNamed } from "./volumes-named.ts";

/** A file that two clones of one template share, although each should probably have its own. */
export interface TwinSuspect {
  readonly path: string;
  /** The random-looking content, such as "a UUID (5b6e…)". */
  readonly what: string;
}

export interface TwinReport {
  readonly suspects: readonly TwinSuspect[];
  /** Files that differ, or that only one clone has: each clone made its own. */
  readonly madeAnew: readonly string[];
  /** Files that are identical in both, and that no package installed like this. */
  readonly common: number;
  /** Limits of the comparison. */
  readonly limits: readonly string[];
}

export interface TwinOptions {
  /** UUIDs that clones share on purpose: those of the template's file systems and its passport. */
  readonly shared: readonly string[];
  readonly signal?: AbortSignal;
}

/** Compares the guests in two image files. Changes neither. */
export async function compareImages(
  host: Host,
  one: string,
  other: string,
  {
    signal,
    ways = [{}, {}],
  }: { readonly signal?: AbortSignal; readonly ways?: readonly [ChangeOptions, ChangeOptions] } = {},
): Promise<TwinReport> {
  const compared = (here: DraftedGuest) =>
    readGuest(
      host,
      other,
      (there) => {
        const shared = here.mounts.flatMap(({ volume }) => volume.uuid ?? []);
        return compareTwins(here.tree, there.tree, { shared, ...(signal && { signal }) });
      },
      ways[1],
    );
  return readGuest(host, one, compared, ways[0]);
}

const mostBytes = 16 * 1024 * 1024;
// Paths without a guest's identity: the template's own passport, rpm's database, programs and their files.
const notCompared =
  /^\/(?:proc|sys|dev|run|tmp|lost\+found|usr|lib|lib64|var\/lib\/rpm|var\/cache|var\/tmp|etc\/tbuild-release)$/;

/**
 * Compares two booted and configured clones of a template. A file that is equal in both, differs from its
 * package, and contains something random, is an identity that the seal left. This finds identities that are
 * on no list.
 */
export async function compareTwins(
  one: GuestTree,
  other: GuestTree,
  options: TwinOptions,
): Promise<TwinReport> {
  const limits: string[] = [];
  const packaged = await packageFilesOr(one, limits);
  const shared = new Set(
    [...options.shared, ...(await volumesNamed(one))].map((id) => id.toLowerCase().replaceAll("-", "")),
  );
  const suspects: TwinSuspect[] = [];
  const madeAnew: string[] = [];
  const tooLarge: string[] = [];
  let common = 0;
  const folders = ["/"];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    checkInterrupted(options.signal);
    await setImmediate();
    const names = new Set([...(await one.list(folder)), ...(await other.list(folder))]);
    for (const name of [...names].sort()) {
      const path = folder === "/" ? `/${name}` : `${folder}/${name}`;
      if (notCompared.test(path)) continue;
      const [here, there] = [await one.stat(path), await other.stat(path)];
      if (here?.kind !== there?.kind) {
        madeAnew.push(path);
        continue;
      }
      if (here?.kind === "dir") folders.push(path);
      // A rescue kernel keeps its name, because dracut makes a new one for each clone.
      const named = packaged?.has(path) || name.includes("-rescue-") ? undefined : idIn(name, shared);
      if (named !== undefined) suspects.push({ path, what: `${named} in its name` });
      if (here?.kind !== "file" || !there) continue;
      const owner = packaged?.get(path);
      if (owner && !owner.isConfig && owner.bytes === here.size) continue;
      if (here.size !== there.size) {
        madeAnew.push(path);
        continue;
      }
      if (here.size > mostBytes) tooLarge.push(path);
      if (here.size === 0 || here.size > mostBytes) continue;
      const [data, same] = [await bytesOf(one, path), await bytesOf(other, path)];
      if (!data.equals(same)) {
        madeAnew.push(path);
        continue;
      }
      if (owner && digestOf(data, owner.digest) === owner.digest) continue;
      common++;
      const what = randomIn(data, shared);
      if (what !== undefined) suspects.push({ path, what });
    }
  }
  if (tooLarge.length > 0)
    limits.push(`not compared, because larger than 16 MiB: ${tooLarge.sort().join(", ")}`);
  const inOrder = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return {
    suspects: suspects.sort((a, b) => inOrder(a.path, b.path)),
    madeAnew: madeAnew.sort(inOrder),
    common,
    limits,
  };
}

/** Describes the random-looking content of a file; `undefined` if there is none. */
export function randomIn(data: Buffer, shared: ReadonlySet<string> = new Set()): string | undefined {
  const text = data.toString("latin1");
  const secret = secretIn(data, text);
  if (secret !== undefined) return secret;
  if (isPacked(data)) return undefined;
  if (data.includes(0) || !isMostlyText(data)) return isDense(data) ? "random bytes" : undefined;
  const id = idIn(text, shared);
  if (id !== undefined) return id;
  for (const [mac] of text.matchAll(/(?<![\da-f:])[\da-f]{2}(?::[\da-f]{2}){5}(?![\da-f:])/gi))
    if (!/^(?:00:00:00|ff:ff:ff|01:80:c2|33:33)/i.test(mac)) return `a link address (${mac})`;
  for (const [, word = ""] of text.matchAll(/(?<![\w+/])([\w+/]{40,400}={0,2})(?![\w+/])/g))
    if (
      spread(word) > 24 &&
      /\d/.test(word) &&
      /[a-z]/.test(word) &&
      /[A-Z]/.test(word) &&
      !word.includes("/usr")
    )
      return `a random word (${word.slice(0, 6)}…)`;
  return undefined;
}

function idIn(text: string, shared: ReadonlySet<string>): string | undefined {
  for (const [uuid] of text.matchAll(/(?<![\da-f-])[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}(?![\da-f-])/gi))
    if (isSomebodys(uuid.replaceAll("-", ""), shared)) return `a UUID (${uuid.slice(0, 8)}…)`;
  for (const [id] of text.matchAll(/(?<![\da-z])[\da-f]{32}(?:[\da-f]{8}|[\da-f]{32})?(?![\da-z])/gi))
    if (isSomebodys(id, shared) && spread(id) > 9) return `an id (${id.slice(0, 8)}…)`;
  return undefined;
}

function isSomebodys(id: string, shared: ReadonlySet<string>): boolean {
  return !shared.has(id.toLowerCase()) && !/^(.)\1*$/.test(id) && /[a-f]/i.test(id) && /\d/.test(id);
}

function spread(text: string): number {
  return new Set(text).size;
}

function isMostlyText(data: Buffer): boolean {
  let odd = 0;
  for (const byte of data.subarray(0, 4096)) if (byte < 9 || (byte > 13 && byte < 32) || byte > 126) odd++;
  return odd * 10 < Math.min(data.length, 4096);
}

// A block of n random bytes has about 256 (1 - e^(-n/256)) different values, all about equally often.
function isDense(data: Buffer): boolean {
  const block = data.subarray(0, 4096);
  if (block.length < 16) return false;
  const counts = new Uint32Array(256);
  for (const byte of block) counts[byte] = (counts[byte] ?? 0) + 1;
  const values = counts.filter((count) => count > 0).length;
  const expected = 256 * (1 - Math.exp(-block.length / 256));
  return values > expected * 0.85 && Math.max(...counts) < 6 + (block.length / 256) * 3;
}

// Compressed data looks random, but is not: gzip, xz, bzip2, zstd, zip, PNG, JPEG, cpio, ELF.
function isPacked(data: Buffer): boolean {
  return /^(?:1f8b|fd377a58|425a68|28b52ffd|504b0304|89504e47|ffd8ff|303730373031|7f454c46)/.test(
    data.subarray(0, 8).toString("hex"),
  );
}

async function bytesOf(tree: GuestTree, path: string): Promise<Buffer> {
  const data = (await tree.read(path)) ?? new Uint8Array();
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function digestOf(data: Buffer, like: string): string {
  return createHash(like.length === 32 ? "md5" : "sha256")
    .update(data)
    .digest("hex");
}
