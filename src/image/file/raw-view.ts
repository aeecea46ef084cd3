import { resolve } from "node:path";
import { TbuildError } from "../../errors.ts";
import { hold } from "../../host/hold.ts";
import type { Host } from "../../host/host.ts";
import { fileWord } from "../../io/escape.ts";
import type { Run } from "../disk/partitions.ts";
import type { Format } from "./format.ts";
import { syncImage } from "./sync-image.ts";

export interface RawView extends AsyncDisposable {
  /** A file with the raw bytes of the disk. Writing to it changes the image. */
  readonly file: string;
}

/**
 * Exports the disk in a qcow2 image as a raw file with qemu-storage-daemon and FUSE: 0.05 s, no root, nothing copied,
 * and the backing chain stays. Rejected: qemu-nbd, which needs the kernel's nbd and root, and converting to raw and
 * back, which copies the whole image twice and loses chain and snapshots.
 */
export function rawView(host: Host, image: string, readOnly: boolean): Promise<RawView> {
  return view(host, image, "qcow2", readOnly);
}

/** Exports a part of a disk as a writable file, for programs that support no offset. */
export function partView(host: Host, image: string, format: Format, part: Run): Promise<RawView> {
  return view(host, image, format, false, part);
}

async function view(
  host: Host,
  image: string,
  format: Format,
  readOnly: boolean,
  part?: Run,
): Promise<RawView> {
  const argv = daemonArguments(image, format, readOnly, part);
  const held = await hold(host, image, script, argv).catch((cause) => {
    throw new TbuildError("environment", "its disk cannot be exported as a raw file", {
      subject: image,
      lines: cause instanceof TbuildError ? cause.lines : [],
      hint: `This needs qemu-storage-daemon and /dev/fuse. Alternatively: qemu-img convert -O raw ${fileWord(image)} ${fileWord(`${image}.raw`)}`,
      cause,
    });
  });
  const { said: file } = held;
  return {
    file,
    async [Symbol.asyncDispose]() {
      try {
        // The daemon ends well, whatever it could not write.
        if (!readOnly) await syncImage(file, image);
      } finally {
        await held[Symbol.asyncDispose]();
      }
    },
  };
}

function daemonArguments(image: string, format: Format, readOnly: boolean, part?: Run): string[] {
  const file = { driver: "file", "node-name": "file", filename: resolve(image), "read-only": readOnly };
  const disk = { driver: format, "node-name": "disk", file: "file", "read-only": readOnly };
  const nodes = [
    file,
    disk,
    ...(part
      ? [{ driver: "raw", "node-name": "part", file: "disk", offset: part.offset, size: part.bytes }]
      : []),
  ];
  const how = { writable: !readOnly, "allow-other": "off" };
  return [
    ...nodes.flatMap((node) => ["--blockdev", JSON.stringify(node)]),
    ...[
      "--export",
      JSON.stringify({
        type: "fuse",
        id: "view",
        "node-name": part ? "part" : "disk",
        mountpoint: "disk.img",
        ...how,
      }),
    ],
  ];
}

// Before the daemon ends, it writes its cached data and unmounts the view. Then the folder is removed.
const script = `
folder=$(own_folder view) && cd "$folder" && : > disk.img || exit 1
qemu-storage-daemon "$@" < /dev/null &
daemon=$!
shown() {
  left=1500
  until test -s disk.img; do
    left=$((left - 1))
    kill -0 $daemon 2> /dev/null && [ $left -gt 0 ] || return 1
    sleep 0.02
  done
}
shown && echo "tbuild-ready $(pwd -P)/disk.img" && until_gone
kill $daemon 2> /dev/null
wait $daemon
code=$?
rm disk.img && cd / && rmdir "$folder"
exit $code`;
