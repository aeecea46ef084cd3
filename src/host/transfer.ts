import { createHash } from "node:crypto";
import { type FileHandle, open, readFile, rename, rm, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { checkInterrupted, TbuildError } from "../errors.ts";
import { writeAll } from "../io/durable.ts";
import { writeFile } from "../io/write-file.ts";
import type { Output, Runner, RunOptions } from "./host.ts";
import { sleep } from "./wait-for.ts";

/*
 * Disk images to and from a host, in pieces: each is compressed and checked by itself, so an interrupted
 * transfer continues where it stopped. Holes and long runs of zeros are not sent. The host needs sh, gzip,
 * and dd of GNU coreutils 7 or later.
 */

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the image that have arrived, and their total. */
  readonly progress?: (done: number, total: number) => void;
}

/** Bytes of an image in a run. */
export interface Run {
  readonly start: number;
  readonly length: number;
}

const block = 64 * 1024;
const piece = 32 * 1024 * 1024;
/** Shorter runs of zeros are sent: they compress well, and each run costs the host a process. */
const longestZeros = 1024 * 1024;

const [compressed, decompressed] = [promisify(gzip), promisify(gunzip)];

/**
 * Brings a raw image to the host, as `to`. `data` lists, in order, the ranges that may contain more than
 * zeros. Continues an interrupted attempt for the same image.
 */
export async function sendImage(
  host: Runner,
  from: string,
  to: string,
  data: readonly Run[],
  { signal, progress }: TransferOptions = {},
): Promise<void> {
  const { size, mtimeMs } = await stat(from);
  // If the image has changed since, the attempt has another name.
  const attempt = `${to}.${digest(`${from} ${size} ${mtimeMs}`)}`;
  await using file = await open(from, "r");
  const begun = await host.run(["sh", "-c", beginSending, attempt, String(size)]);
  const arrived = new Set(begun.stdout.split("\n"));
  const numbers = piecesWith(data, size);
  for (const number of numbers) {
    checkInterrupted(signal);
    if (!arrived.has(String(number))) await sendPiece(host, file, attempt, number, signal);
    progress?.(Math.min(size, (number + 1) * piece), size);
  }
  const wanted = numbers.join("\n");
  await host.run(["sh", "-c", endSending, attempt, to, String(size)], {
    input: wanted === "" ? "" : `${wanted}\n`,
  });
}

async function sendPiece(
  host: Runner,
  file: FileHandle,
  attempt: string,
  number: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = Buffer.alloc(piece);
  const { bytesRead } = await file.read(bytes, 0, piece, number * piece);
  // The last block is filled up with zeros, and the file is cut to its size at the end.
  const runs = runsOf(bytes.subarray(0, Math.ceil(bytesRead / block) * block));
  const input = await compressed(
    Buffer.concat(runs.map(({ start, length }) => bytes.subarray(start, start + length))),
    { level: 1 },
  );
  const places = runs.flatMap(({ start, length }) => [
    String((number * piece + start) / block),
    String(length / block),
  ]);
  await runAgain(host, ["sh", "-c", takePiece, attempt, String(number), ...places], {
    input,
    ...(signal && { signal }),
  });
}

/**
 * Fetches a raw image from the host. Nobody may write to it meanwhile: an attempt is continued only if size
 * and time of the image did not change.
 */
export async function fetchImage(
  host: Runner,
  from: string,
  to: string,
  { signal, progress }: TransferOptions = {},
): Promise<void> {
  const { stdout } = await host.run(["sh", "-c", askExtents, from]);
  const [identity = "", ...extents] = stdout.split("\n");
  const size = Number(identity.split(" ")[0]);
  if (!Number.isSafeInteger(size))
    throw new TbuildError("environment", `its size on ${host.name} cannot be read`, { subject: from });
  const numbers = piecesWith(readExtents(extents) ?? [{ start: 0, length: size }], size);
  const [part, note] = [`${to}.part`, `${to}.part.pieces`];
  const noted = (await readFile(note, "utf8").catch(() => "")).split("\n");
  const isSame = noted[0] === identity && (await stat(part).catch(() => undefined))?.size === size;
  const arrived = new Set(isSame ? noted.slice(1) : []);
  if (!isSame) {
    await rm(part, { force: true });
    await writeFile(note, `${identity}\n`);
  }
  await using file = await open(part, isSame ? "r+" : "w");
  await file.truncate(size);
  for (const number of numbers) {
    checkInterrupted(signal);
    if (!arrived.has(String(number))) {
      await fetchPiece(host, from, file, { number, size }, signal);
      await writeFile(note, `${number}\n`, { flag: "a" });
    }
    progress?.(Math.min(size, (number + 1) * piece), size);
  }
  await file.sync();
  await rename(part, to);
  await rm(note);
}

async function fetchPiece(
  host: Runner,
  from: string,
  file: FileHandle,
  { number, size }: { number: number; size: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const argv = ["sh", "-c", givePiece, from, String((number * piece) / block), String(piece / block)];
  const sent = await runAgain(host, argv, { ...(signal && { signal }) });
  const bytes = await decompressed(sent.bytes).catch((cause: unknown) => {
    throw new TbuildError("environment", "a piece arrived damaged", { subject: from, cause });
  });
  const expected = Math.min(piece, size - number * piece);
  if (bytes.length !== expected)
    throw new TbuildError("environment", `${host.name} sent ${bytes.length} bytes instead of ${expected}`, {
      subject: from,
    });
  for (const { start, length } of runsOf(bytes))
    await writeAll(file, bytes.subarray(start, start + length), number * piece + start);
}

const pausesMs = [1_000, 5_000, 15_000];

/** Runs a command that may run twice. A broken connection is opened again. */
async function runAgain(host: Runner, argv: readonly string[], options: RunOptions): Promise<Output> {
  for (const pause of pausesMs) {
    try {
      return await host.run(argv, options);
    } catch (error) {
      if (!(error instanceof TbuildError) || error.code !== "no-connection") throw error;
      await sleep(pause, options.signal);
      checkInterrupted(options.signal);
    }
  }
  return host.run(argv, options);
}

/** The numbers of the pieces that hold any of the data. */
function piecesWith(data: readonly Run[], size: number): number[] {
  const numbers = new Set<number>();
  for (const { start, length } of data)
    for (let at = Math.floor(start / piece); at * piece < Math.min(size, start + length); at++)
      numbers.add(at);
  return [...numbers].sort((one, other) => one - other);
}

/** Where bytes are not zero, in whole blocks; the last one may be short. */
export function runsOf(bytes: Buffer): Run[] {
  const runs: { start: number; length: number }[] = [];
  const zeros = Buffer.alloc(block);
  for (let start = 0; start < bytes.length; start += block) {
    const one = bytes.subarray(start, start + block);
    if (one.equals(zeros.subarray(0, one.length))) continue;
    const last = runs.at(-1);
    if (last && start - (last.start + last.length) < longestZeros)
      last.length = start + one.length - last.start;
    else runs.push({ start, length: one.length });
  }
  return runs;
}

/** Extents of `filefrag -v -s -b4096`; `undefined` if this is not what it printed. */
export function readExtents(lines: readonly string[]): Run[] | undefined {
  if (!lines.some((line) => /extents? found$/.test(line))) return undefined;
  return lines.flatMap((line) => {
    const [, first, last] = /^\s*\d+:\s*(\d+)\.\.\s*(\d+):/.exec(line) ?? [];
    if (first === undefined || last === undefined) return [];
    return [{ start: Number(first) * 4096, length: (Number(last) - Number(first) + 1) * 4096 }];
  });
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

// Prints the numbers of pieces that arrived before.
const beginSending = `
mkdir -p -- "$(dirname -- "$0")" || exit
[ -e "$0.part" ] && [ -e "$0.pieces" ] || { rm -f -- "$0.part"; : > "$0.pieces"; } || exit
umask 077
dd if=/dev/null of="$0.part" bs=1 seek="$1" count=0 2>/dev/null || exit
cat -- "$0.pieces"`;

// In a pipe only the last command's exit code counts, so gzip's code takes another way.
const takePiece = `
number=$1
shift
write() {
  while [ $# -gt 0 ]; do
    dd of="$part" bs=${block} seek="$1" count="$2" iflag=fullblock conv=notrunc 2>&4 || return
    shift 2
  done
}
part=$0.part
exec 4>&2
code=$({ { gzip -dc 3>&-; echo $? >&3; } | write "$@" >&2 3>&- || echo write >&3; } 3>&1)
[ "$code" = 0 ] || { echo "piece $number: $code" >&2; exit 1; }
echo "$number" >> "$0.pieces"`;

const endSending = `
set -e
dd if=/dev/null of="$0.part" bs=1 seek="$2" count=0 2>/dev/null
sort -n -u "$0.pieces" > "$0.sorted"
cmp -s - "$0.sorted" || { rm -f -- "$0.sorted"; echo "pieces are missing" >&2; exit 1; }
mv -f -- "$0.part" "$1"
rm -f -- "$0.pieces" "$0.sorted"`;

const askExtents = `
stat -c '%s %i %Y' -- "$0" || exit
filefrag -v -s -b4096 "$0" 2>/dev/null || true`;

const givePiece = `dd if="$0" bs=${block} skip="$1" count="$2" 2>/dev/null | gzip -1`;
