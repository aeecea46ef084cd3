import { createWriteStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { TbuildError } from "../errors.ts";

const sector = 2048;

/** A file or folder of an ISO 9660 image. */
export interface IsoEntry {
  readonly name: string;
  readonly folder: boolean;
  /** In bytes from the start of the image. */
  readonly offset: number;
  readonly bytes: number;
}

/** An ISO 9660 image, read without mounting it. */
export interface Iso extends AsyncDisposable {
  readonly volumeId: string;
  /** As the volume descriptor says; the file can be longer, and must not be shorter. */
  readonly bytes: number;
  find(path: string): Promise<IsoEntry | undefined>;
  read(path: string): Promise<Uint8Array | undefined>;
  extract(path: string, to: string): Promise<void>;
}

/** Opens an image. What is no ISO 9660, or is shorter than it says, is an `integrity` fault. */
export async function openIso(file: string): Promise<Iso> {
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    throw new TbuildError(
      "environment",
      `${file}: ${error.code === "ENOENT" ? "no such file" : error.message}`,
    );
  });
  try {
    return await opened(file, handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function opened(file: string, handle: FileHandle): Promise<Iso> {
  const { size } = await handle.stat();
  const descriptor = await bytesAt(handle, 16 * sector, sector);
  if (descriptor.length < sector || descriptor[0] !== 1 || descriptor.toString("latin1", 1, 6) !== "CD001")
    throw new TbuildError("integrity", `${file}: is not an ISO 9660 image`, {
      hint: "Look at what it is with: file",
    });
  const volumeId = descriptor.toString("latin1", 40, 72).trimEnd();
  const bytes = descriptor.readUInt32LE(80) * sector;
  if (size < bytes)
    throw new TbuildError(
      "integrity",
      `${file}: is truncated: it has ${size} bytes, and its volume (${volumeId}) has ${bytes}`,
      { hint: "Copy or download it again." },
    );
  const root = entryOf(descriptor.subarray(156, 190));

  const children = async (folder: IsoEntry): Promise<IsoEntry[]> => {
    const data = await bytesAt(handle, folder.offset, folder.bytes);
    const entries: IsoEntry[] = [];
    for (let at = 0; at < data.length; ) {
      const length = data[at] ?? 0;
      // Records do not cross sectors: a zero length means that the rest of this one is empty.
      if (length === 0) at = (Math.floor(at / sector) + 1) * sector;
      else {
        entries.push(entryOf(data.subarray(at, at + length)));
        at += length;
      }
    }
    return entries.slice(2); // "." and ".."
  };
  const find = async (path: string): Promise<IsoEntry | undefined> => {
    let here: IsoEntry | undefined = root;
    for (const name of path.split("/").filter((part) => part !== "")) {
      if (!here?.folder) return undefined;
      const inside: IsoEntry[] = await children(here);
      here =
        inside.find((entry) => entry.name === name) ??
        inside.find((entry) => entry.name.toLowerCase() === name.toLowerCase());
    }
    return here;
  };
  return {
    volumeId,
    bytes,
    find,
    async read(path) {
      const entry = await find(path);
      return entry && !entry.folder ? bytesAt(handle, entry.offset, entry.bytes) : undefined;
    },
    async extract(path, to) {
      const entry = await find(path);
      if (!entry || entry.folder) throw new TbuildError("integrity", `${file}: has no ${path}`);
      const from = handle.createReadStream({
        start: entry.offset,
        end: entry.offset + entry.bytes - 1,
        autoClose: false,
      });
      await pipeline(from, createWriteStream(to));
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** A directory record: the Rock Ridge name where there is one, else the ISO name without its version. */
function entryOf(record: Buffer): IsoEntry {
  const nameLength = record[32] ?? 0;
  const plain = record
    .toString("latin1", 33, 33 + nameLength)
    .replace(/;\d+$/, "")
    .replace(/\.$/, "");
  // The system use area begins at the next even byte behind the name.
  const alternate = rockRidgeName(record.subarray(33 + nameLength + (nameLength % 2 === 0 ? 1 : 0)));
  return {
    name: alternate ?? plain,
    folder: ((record[25] ?? 0) & 2) !== 0,
    offset: record.readUInt32LE(2) * sector,
    bytes: record.readUInt32LE(10),
  };
}

function rockRidgeName(area: Buffer): string | undefined {
  let name = "";
  for (let at = 0; at + 4 <= area.length; ) {
    const length = area[at + 2] ?? 0;
    if (length < 4) break;
    if (area.toString("latin1", at, at + 2) === "NM") name += area.toString("utf8", at + 5, at + length);
    at += length;
  }
  return name === "" ? undefined : name;
}

async function bytesAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, offset);
  return buffer.subarray(0, bytesRead);
}
