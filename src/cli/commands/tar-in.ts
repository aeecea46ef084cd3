import { once } from "node:events";
import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { archiveArrivals } from "../../guest/files/bring-in.ts";
import { fileFault } from "../../io/file-fault.ts";
import { bringing } from "../bring-files-in.ts";
import { type ChangeFlags, changeImages } from "../change-images.ts";
import { guestPathOrRoot } from "../guest-path.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<ChangeFlags>();
  const [archive, { image, path }] = [String(args[0]), guestPathOrRoot(String(args[1]))];
  await changeImages(
    [image],
    flags,
    bringing("tar-in", () => archiveArrivals(contentsOf(archive), path, archive)),
  );
}

async function* contentsOf(archive: string): AsyncGenerator<Uint8Array> {
  const source = archive === "-" ? process.stdin : createReadStream(archive);
  try {
    await once(source, "readable");
    const head: unknown = source.read();
    const first = head instanceof Uint8Array ? head : Buffer.alloc(0);
    const packed = packers.find(({ magic }) => Buffer.from(first).toString("hex").startsWith(magic));
    if (packed)
      throw new TbuildError("usage", `is compressed with ${packed.name}`, {
        subject: archive,
        hint: `Unpack it first: ${packed.program} -dc ${archive} | tbuild tar-in - IMAGE:/PATH`,
      });
    const whole = Readable.from(joined(first, source), { objectMode: false });
    if (first[0] !== 0x1f || first[1] !== 0x8b) yield* whole as AsyncIterable<Uint8Array>;
    else {
      const gunzip = createGunzip();
      // An error ends both streams. The reader of the bytes throws it.
      pipeline(whole, gunzip, () => {});
      yield* gunzip as AsyncIterable<Uint8Array>;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT")
      throw new TbuildError("usage", "there is no such file", { subject: archive, cause: error });
    throw fileFault(error, archive);
  }
}

const packers = [
  { name: "xz", magic: "fd377a585a00", program: "xz" },
  { name: "bzip2", magic: "425a68", program: "bzip2" },
  { name: "zstd", magic: "28b52ffd", program: "zstd" },
];

async function* joined(first: Uint8Array, rest: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  yield first;
  for await (const part of rest) yield part as Uint8Array;
}
