import { TbuildError } from "../../errors.ts";
import type { Jobs, ManagerAbout, ManagerApi, ObjectKind } from "../api.ts";
import type { RestClient } from "./client.ts";
import { customizers } from "./customizers.ts";
import { devices } from "./devices.ts";
import { at, elements, named, text } from "./fields.ts";
import { imports } from "./imports.ts";
import { member } from "./json.ts";
import { machines } from "./machines.ts";
import { messages } from "./messages.ts";
import { type Orders, ordersOf, type RestManagerOptions } from "./orders.ts";
import { diskSeen, mappingSeen, vmSeen, vnicSeen } from "./seen.ts";

/*
 * Resources and fields are those of the Web Services API Developer's Guide 3.3 (E50245_01/E50253), and of clients:
 * python-ovmclient, go-ovm-helper.
 */

/** Oracle VM Manager over its REST API. */
export async function restManager(client: RestClient, options: RestManagerOptions): Promise<ManagerApi> {
  const about = await aboutOf(client);
  const orders = ordersOf(client, options);
  return {
    name: client.name,
    about: async () => about,
    ...looks(orders),
    ...machines(orders),
    ...devices(orders),
    ...customizers(orders),
    ...imports(orders),
    ...messages(orders),
    jobs: jobs(orders),
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
    },
  };
}

async function aboutOf(client: RestClient): Promise<ManagerAbout> {
  const seen = await client.get("/Manager");
  // A list in the guide's examples, an object elsewhere.
  const manager = Array.isArray(seen) ? elements(seen)[0] : seen;
  const state = text(member(manager, "managerRunState"));
  if (state !== undefined && state !== "RUNNING")
    throw new TbuildError("environment", `is not ready: ${state}`, {
      subject: client.name,
      hint: "Wait until the Manager has started.",
    });
  const version = text(member(manager, "managerVersion")) ?? text(member(manager, "version")) ?? "";
  return {
    version: /\d+\.\d+(?:\.\d+)*/.exec(version)?.[0] ?? "",
    isSimulator: /simulator/i.test(version),
    via: "rest",
  };
}

function looks({ client, ids }: Orders): Pick<ManagerApi, "list" | "vm" | "vnic" | "mapping" | "disk"> {
  return {
    async list(kind: ObjectKind) {
      if (kind !== "VirtualCdrom" && kind !== "VirtualDisk") return ids(kind);
      // Discs are virtual disks here; the ids end in `.iso` and `.img`.
      const all = await ids("VirtualDisk");
      return all.filter(({ id }) => id.endsWith(".iso") === (kind === "VirtualCdrom"));
    },
    vm: async (id) => vmSeen(id, await client.get(`/Vm/${at(id)}`)),
    vnic: async (id) => vnicSeen(id, await client.get(`/VirtualNic/${at(id)}`)),
    mapping: async (id) => mappingSeen(id, await client.get(`/VmDiskMapping/${at(id)}`)),
    disk: async (id) => diskSeen(id, await client.get(`/VirtualDisk/${at(id)}`)),
  };
}

function jobs({ client }: Orders): Jobs {
  return {
    async active(wanted) {
      return elements(await client.get("/Job/active")).flatMap((job) => {
        const id = named(member(job, "id"));
        const one = id && { ...id, name: text(member(job, "name")) ?? id.name };
        return one && wanted.test(one.name) ? [one] : [];
      });
    },
    async hasSucceeded(id) {
      const job = await client.get(`/Job/${at(id)}`);
      return member(job, "summaryDone") === true && member(job, "jobRunState") === "SUCCESS";
    },
  };
}
