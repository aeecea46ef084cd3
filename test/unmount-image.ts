import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";
import { localHost } from "../src/host/local.ts";

const host = localHost();
const patienceMs = 60_000;

/**
 * Unmounts an image that is mounted by a loop device, and waits until its file is complete.
 *
 * A process that started in a mount namespace of its own has a copy of the mount. The kernel writes the rest and
 * frees the loop device when the last copy is gone, which can be after `umount` returns.
 */
export async function unmountImage(at: string): Promise<void> {
  const { stdout } = await host.run(["findmnt", "-n", "-o", "SOURCE", "--mountpoint", at]);
  const device = stdout.trim().replace(/\[.*/, "");
  const backing = `/sys/block/${basename(device)}/loop/backing_file`;
  const image = await readFile(backing, "utf8");
  await host.run(["umount", at]);
  const end = performance.now() + patienceMs;
  while ((await readFile(backing, "utf8").catch(() => undefined)) === image) {
    if (performance.now() > end) throw new Error(`${at} is unmounted, and ${image.trim()} is still in use`);
    await setTimeout(50);
  }
}
