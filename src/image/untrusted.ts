import type { Host } from "../host/host.ts";
import type { Mount } from "./access.ts";
import { lookInto } from "./open.ts";
import type { GuestTree } from "./tree.ts";
import { chooseAccess } from "./ways/index.ts";

/**
 * The guest in an image that comes from elsewhere, for reading. This machine's kernel never mounts such a one: its file
 * systems trust what is on a disk. ext is read by debugfs, and what only a kernel reads is mounted by one that is a process.
 */
export async function openUntrusted(
  host: Host,
  image: string,
): Promise<{ readonly tree: GuestTree; readonly mounts: readonly Mount[] }> {
  const { mounts } = await lookInto(host, image, async () => {}, { via: "uml" });
  const volumes = mounts.map(({ volume }) => volume);
  const isExt = volumes.every(({ fs, pieces }) => fs.startsWith("ext") && !pieces);
  const access = await chooseAccess(host, image, volumes, { via: isExt ? "debugfs" : "uml", readOnly: true });
  return { tree: await access.open(image, mounts, { readOnly: true }), mounts };
}
