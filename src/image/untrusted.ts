import type { Host } from "../host/host.ts";
import type { Mount } from "./access.ts";
import { lookInto } from "./open.ts";
import type { GuestTree } from "./tree.ts";
import { chooseAccess } from "./ways/index.ts";

/**
 * Opens the guest in an untrusted image for reading. This machine's kernel never mounts such an image, because its file
 * systems trust a disk's contents. debugfs reads ext; other file systems are mounted by User-mode Linux, a kernel that is a process.
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
