import { join } from "node:path";
import type { Command } from "commander";
import { unpackTemplate } from "../bundles/read/unpack.ts";
import { TbuildError } from "../errors.ts";
import { type Lock, tryLock } from "../host/lock.ts";
import { openHypervisor } from "../hypervisor/open.ts";
import { makeFolders } from "../io/folders.ts";
import type { Backing } from "../manager/simulator/backing/backing.ts";
import { machinesBehind } from "../manager/simulator/backing/machines.ts";
import { openSite } from "./open-site.ts";

const mostBytes = 2 ** 40;

/**
 * Real machines of a hypervisor for the simulated Manager, stored in the home folder. Only one simulator at a
 * time can use them.
 */
export async function simulatorBacking(
  command: Command,
  kind: string,
  onChange: (text: string) => void,
): Promise<{ readonly backing: Backing; readonly lock: Lock }> {
  const { home, host, site } = await openSite(command);
  const folder = join(home.root, "simulator");
  await makeFolders(folder, 0o700);
  const lock = await tryLock(join(folder, "lock"));
  if (!("release" in lock))
    throw new TbuildError(
      "environment",
      `process ${lock.heldBy} already runs a simulator with real machines`,
      {
        subject: folder,
        hint: "Stop it, or use another --home.",
      },
    );
  const hypervisor = await openHypervisor(
    host,
    site.hypervisor.kind === kind ? (site.hypervisor as { kind: string }) : { kind },
    { folder: join(folder, "machines"), memory: home.memory },
  );
  await hypervisor.check();
  const backing = await machinesBehind({
    host,
    hypervisor,
    onChange,
    folder: join(folder, "data"),
    async unpack(file, work) {
      const { said, disks } = await unpackTemplate(host, file, work, { mostBytes });
      return { ...said, disks };
    },
  });
  return { backing, lock };
}
