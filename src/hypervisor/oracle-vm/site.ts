import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { FarHost } from "../../host/ssh.ts";
import type { ManagerApi } from "../../manager/api.ts";
import { chosen, findOne } from "../../manager/repeatable-creation.ts";
import { buildNetwork, type HypervisorPlaces, type ManagerAccess, type Nic } from "../hypervisor.ts";
import { type FarDisks, farDisks } from "../xen/disks.ts";
import { type XenPaths, xenPaths } from "../xen/machine.ts";
import type { OracleVmOptions } from "./options.ts";
import { type MachineRecord, type Records, recordsIn } from "./record.ts";
import { type Servers, serversOf } from "./servers.ts";

/** The objects in the Manager that the site names. */
interface Surroundings {
  readonly api: ManagerApi;
  /** Ids. */
  readonly pool: string;
  readonly repository: string;
  /** The id of a network of machines. */
  network(name: string): string | undefined;
}

/** The Manager and the servers of a site, and the machines that this tbuild has made there. */
export interface OracleVmSite {
  readonly here: Host;
  readonly options: OracleVmOptions;
  readonly access: ManagerAccess;
  readonly servers: Servers;
  readonly records: Records;
  there(): Promise<Surroundings>;
  /** tbuild's folder in the repository, for images that several machines are made from, and for consoles. */
  scratchOf(repository: string): string;
  /** The file of a disk on the servers. */
  fileOf(disk: { readonly id: string; readonly repository: string }): string;
  filesIn(repository: string): FarDisks;
  known(vm: string): Promise<MachineRecord & { readonly id: string }>;
  state(vm: string): Promise<"absent" | "stopped" | "running">;
  /** The server that a machine was last started on, and where its console is logged there. */
  place(vm: string): Promise<{
    readonly on: FarHost;
    readonly paths: XenPaths;
    readonly id: string;
    readonly nics: readonly Nic[];
  }>;
}

export function siteOf(here: Host, options: OracleVmOptions, places: HypervisorPlaces): OracleVmSite {
  const access = accessOf(places);
  const servers = serversOf(options);
  const records = recordsIn(here, places.folder);
  let found: Promise<Omit<Surroundings, "api">> | undefined;
  const filesOf = new Map<string, FarDisks>();

  const scratchOf = (repository: string) => join(options.repositories, repository, "tbuild");

  async function there() {
    const api = await access.open();
    found ??= surroundings(api, access, options);
    return { api, ...(await found) };
  }

  async function known(vm: string) {
    const record = await records.read(vm);
    if (record?.id !== undefined) return { ...record, id: record.id };
    throw new TbuildError("environment", "no such machine", { subject: vm });
  }

  return {
    here,
    options,
    access,
    servers,
    records,
    there,
    scratchOf,
    fileOf: ({ id, repository }) => join(options.repositories, repository, "VirtualDisks", id),
    filesIn(repository) {
      // One for all machines: of two that begin with one image, one waits for the other's transfer.
      const files = filesOf.get(repository) ?? farDisks(here, servers.first, scratchOf(repository));
      filesOf.set(repository, files);
      return files;
    },
    known,

    async state(vm) {
      const record = await records.read(vm);
      if (!record) return "absent";
      // Its creation was interrupted.
      if (record.id === undefined) return "stopped";
      const { api } = await there();
      const seen = await api.vm(record.id);
      return seen.state === "stopped" ? "stopped" : "running";
    },

    async place(vm) {
      const { id, server: name, nics } = await known(vm);
      const { repository } = await there();
      const on = name === undefined ? servers.first : servers.named(name);
      return { on, paths: xenPaths(scratchOf(repository), vm), id, nics };
    },
  };
}

/** The site's Manager, opened once. */
function accessOf({ manager }: HypervisorPlaces): ManagerAccess {
  if (!manager)
    throw new TbuildError("usage", "needs an Oracle VM Manager", {
      subject: "hypervisor.kind: oracle-vm",
      hint: "Add manager: { host: …, password: { env: … } } to the site.",
    });
  let opened: Promise<ManagerApi> | undefined;
  return { options: manager.options, open: () => (opened ??= manager.open()) };
}

async function surroundings(api: ManagerApi, access: ManagerAccess, { networks }: OracleVmOptions) {
  const pool = await chosen(api, "ServerPool", access.options.pool);
  const repository = await chosen(api, "Repository", access.options.repository);
  const ids = new Map<string, string>();
  for (const name of new Set(Object.values(networks)))
    ids.set(name, (await findOne(api, "Network", name)).id);
  const network = (of: string) => ids.get(networks[of] ?? networks[buildNetwork] ?? "");
  return { pool: pool.id, repository: repository.id, network };
}
