import type { Runner } from "../host/host.ts";
import { liveGuest } from "../image/ways/mounted-tree.ts";
import { auditAll, type Done, type Operation } from "./operation.ts";

/**
 * Seals the running guest behind `host` and powers it off: Oracle's own clean-up, then what it misses.
 * Everything is sent in one command, because afterwards the guest has neither host keys nor the build's key,
 * and accepts no new connection. What the guest writes while it shuts down is removed offline afterwards:
 * open the image and apply the same operations again.
 */
export async function sealOnline(
  host: Runner,
  operations: readonly Operation[],
  { last = ["poweroff"] }: { readonly last?: readonly string[] } = {},
): Promise<Done[]> {
  await using tree = liveGuest(host, { before: await cleanUps(host), last });
  const done = await auditAll(tree, operations);
  for (const operation of operations) await operation.apply(tree);
  // A sealed guest needs no change, but must still be shut down.
  await tree.write("/var/log/wtmp", "");
  return done;
}

// Oracle's clean-up. A guest without the additions has neither.
async function cleanUps(host: Runner): Promise<string[][]> {
  const script = 'command -v "$1" > /dev/null 2>&1';
  const has = async (program: string) =>
    (await host.run(["sh", "-c", script, "sh", program], { allow: [1, 127] })).exitCode === 0;
  if (!(await has("ovmd"))) return [];
  const arming = (await has("service")) ? [["service", "ovmd", "enable-initial-config"]] : [];
  return [["ovmd", "-s", "cleanup"], ...arming];
}
