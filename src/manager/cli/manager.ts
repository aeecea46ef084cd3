import type { ManagerAbout, ManagerApi } from "../api.ts";
import type { Listed, Property } from "./answer.ts";
import { antiAffinityGroups } from "./anti-affinity.ts";
import type { CliClient } from "./client.ts";
import { command } from "./command.ts";
import { customizers } from "./customizers.ts";
import { devices } from "./devices.ts";
import { dialectOf, releaseOf } from "./dialect.ts";
import { imports } from "./imports.ts";
import { jobs } from "./jobs.ts";
import { machines } from "./machines.ts";
import { messages } from "./messages.ts";
import { type CliManagerOptions, type Orders, ordersOf } from "./orders.ts";
import { diskSeen, mappingSeen, vmSeen, vnicSeen } from "./seen.ts";

/** Oracle VM Manager over its command line interface. */
export async function cliManager(client: CliClient, options: CliManagerOptions): Promise<ManagerApi> {
  const about = await aboutOf(client);
  const dialect = dialectOf(options.release ?? releaseOf(about.version));
  const orders = ordersOf(client, dialect, options);
  return {
    name: client.name,
    about: async () => about,
    ...looks(orders),
    ...machines(orders),
    ...devices(orders),
    ...(dialect.customizers && customizers(orders)),
    antiAffinity: antiAffinityGroups(orders),
    ...imports(orders),
    ...messages(orders),
    jobs: jobs(orders),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
    },
  };
}

async function aboutOf(client: CliClient): Promise<ManagerAbout> {
  const block = await client.read(command("showversion"));
  const text = block.data.join(" ") ?? "";
  const version = /\d+\.\d+(?:\.\d+)*/.exec(text)?.[0] ?? "";
  return { version, isSimulator: /simulator/i.test(text), via: "ssh" };
}

function looks({
  dialect,
  list,
  rows,
}: Orders): Pick<ManagerApi, "list" | "vm" | "vnic" | "mapping" | "disk"> {
  const shown = async <T>(type: string, id: string, read: (row: Listed, rows: readonly Property[]) => T) =>
    read({ id, name: "" }, await rows(type, id));
  return {
    list: (kind) => list(kind === "Assembly" ? dialect.assemblyType : kind),
    vm: (id) => shown("Vm", id, vmSeen),
    vnic: (id) => shown("Vnic", id, vnicSeen),
    mapping: (id) => shown("VmDiskMapping", id, mappingSeen),
    disk: (id) => shown("VirtualDisk", id, diskSeen),
  };
}
