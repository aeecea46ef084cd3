import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { waitFor } from "../host/wait-for.ts";

export interface RawView extends AsyncDisposable {
  /** A file that shows the disk as it is, byte for byte; written to, the image is changed. */
  readonly file: string;
}

/**
 * Shows the disk in a qcow2 image as a raw file, by qemu-storage-daemon and FUSE: 0.05 s, no root, nothing copied,
 * and the chain below stays as it is. Left: qemu-nbd, which needs the kernel's nbd and root; converting there and
 * back, which costs the whole image twice and loses chain and snapshots.
 */
export async function rawView(host: Host, image: string, readOnly: boolean): Promise<RawView> {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-view-"));
  const [file, pidFile] = [join(folder, "disk.img"), join(folder, "pid")];
  const close = async () => {
    const pid = (await readFile(pidFile, "utf8").catch(() => "")).trim();
    if (pid !== "") {
      await host.run(["kill", pid], { allow: [1] });
      // Its last act is to write what it still holds and to take the view away.
      await waitFor(`${image}: the end of qemu-storage-daemon`, async () => gone(pid), {
        timeoutMs: 60_000,
        everyMs: 10,
      });
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await writeFile(file, "");
    const access = readOnly ? "on" : "off";
    await host.run([
      "qemu-storage-daemon",
      ...[
        "--blockdev",
        JSON.stringify({ driver: "file", "node-name": "file", filename: image, "read-only": readOnly }),
      ],
      ...["--blockdev", `driver=qcow2,node-name=disk,file=file,read-only=${access}`],
      "--export",
      `type=fuse,id=view,node-name=disk,mountpoint=${file},writable=${readOnly ? "off" : "on"},allow-other=off`,
      ...["--daemonize", "--pidfile", pidFile],
    ]);
    if ((await stat(file)).size === 0) throw new Error("the view is empty");
    return { file, [Symbol.asyncDispose]: close };
  } catch (cause) {
    await close();
    throw new TbuildError("environment", `${image}: its disk cannot be shown as a raw file`, {
      lines: cause instanceof TbuildError ? cause.lines : [],
      hint: `It needs qemu-storage-daemon and /dev/fuse. Or: qemu-img convert -O raw '${image}' '${image}.raw'`,
      cause,
    });
  }
}

async function gone(pid: string): Promise<true | undefined> {
  return stat(`/proc/${pid}`).then(
    () => undefined,
    () => true,
  );
}
