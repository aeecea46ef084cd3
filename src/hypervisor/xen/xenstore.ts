import { Buffer } from "node:buffer";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";

/** Xen's store, as a client of its wire protocol (xen/include/public/io/xs_wire.h). Paths are absolute. */
export interface XenStore extends Disposable {
  /** `undefined` where there is no such node. */
  read(path: string): Promise<Buffer | undefined>;
  /** Makes the nodes above it, too. A path and a value have at most 4096 bytes together. */
  write(path: string, value: Uint8Array): Promise<void>;
  /** Removes a node and those below it; absent is fine. */
  remove(path: string): Promise<void>;
  /** Names of the nodes below one; none where it does not exist. */
  list(path: string): Promise<string[]>;
  /** Calls back with each path at or below `path` that changes, and once at the beginning. */
  watch(path: string, changed: (path: string) => void): Promise<void>;
}

const types = { directory: 1, read: 2, watch: 4, write: 11, remove: 13, event: 15, error: 16 } as const;
const headerBytes = 16;

/**
 * Opens the store of a Xen host through its device. A value goes as bytes over the connection, never as an argument, which the
 * host's list of processes would show.
 */
export async function openXenStore(host: Host): Promise<XenStore> {
  const line = await host.join(["sh", "-c", deviceScript]);
  const waiting: { resolve(reply: Packet): void; reject(error: Error): void }[] = [];
  const watchers = new Map<string, (path: string) => void>();
  let rest = Buffer.alloc(0);
  let gone: TbuildError | undefined;
  const end = () => {
    gone ??= new TbuildError("environment", `xenstore cannot be reached on ${host.name}`, {
      hint: "It needs root there, and the device /dev/xen/xenbus.",
    });
    for (const one of waiting.splice(0)) one.reject(gone);
  };
  line.on("error", end);
  line.once("close", end);
  line.on("data", (data: Buffer) => {
    const { packets, left } = readPackets(Buffer.concat([rest, data]));
    rest = Buffer.from(left);
    for (const packet of packets) {
      if (packet.type !== types.event) waiting.shift()?.resolve(packet);
      else {
        const [path = "", token = ""] = packet.body.toString().split("\0");
        watchers.get(token)?.(path);
      }
    }
  });
  // The device takes one request at a time.
  let last: Promise<unknown> = Promise.resolve();
  const ask = (type: number, ...words: readonly Uint8Array[]): Promise<Packet> => {
    const reply = last.then(
      () =>
        new Promise<Packet>((resolve, reject) => {
          if (gone) return reject(gone);
          waiting.push({ resolve, reject });
          line.write(packetOf(type, Buffer.concat(words)));
        }),
    );
    last = reply.catch(() => {});
    return reply;
  };
  const asked = async (type: number, path: string, ...more: readonly Uint8Array[]) => {
    const { type: replied, body } = await ask(type, text(path), ...more);
    if (replied !== types.error) return body;
    const code = body.toString().replace(/\0.*/, "");
    if (code === "ENOENT") return undefined;
    throw new TbuildError("environment", `xenstore on ${host.name} refuses it: ${code}`, { subject: path });
  };
  return {
    read: (path) => asked(types.read, path),
    async write(path, value) {
      await asked(types.write, path, value);
    },
    async remove(path) {
      await asked(types.remove, path);
    },
    async list(path) {
      const names = (await asked(types.directory, path))?.toString() ?? "";
      return names.split("\0").filter((name) => name !== "");
    },
    async watch(path, changed) {
      const token = String(watchers.size);
      watchers.set(token, changed);
      await asked(types.watch, path, text(token));
    },
    [Symbol.dispose]: () => void line.destroy(),
  };
}

interface Packet {
  readonly type: number;
  readonly body: Buffer;
}

export function packetOf(type: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(body.length, 12);
  return Buffer.concat([header, body]);
}

/** The whole packets at the beginning of `bytes`, and what is left. */
export function readPackets(bytes: Buffer): { packets: Packet[]; left: Buffer } {
  const packets: Packet[] = [];
  let at = 0;
  while (bytes.length - at >= headerBytes) {
    const length = bytes.readUInt32LE(at + 12);
    if (bytes.length - at - headerBytes < length) break;
    const start = at + headerBytes;
    packets.push({ type: bytes.readUInt32LE(at), body: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return { packets, left: bytes.subarray(at) };
}

function text(word: string): Buffer {
  return Buffer.from(`${word}\0`);
}

const deviceScript = `
device=/dev/xen/xenbus
[ -e $device ] || device=/proc/xen/xenbus
exec 3<>$device || exit
exec 4<&0
cat <&3 &
cat <&4 >&3
kill $!`;
