import { TbuildError } from "../../errors.ts";
import type {
  Device,
  ImportWanted,
  ManagerAbout,
  ManagerApi,
  Named,
  ObjectKind,
  VmChanges,
  VmSeen,
  VmState,
} from "../api.ts";
import { type Asked, idIn, type Json, member, type RestClient } from "./client.ts";

export interface RestManagerOptions {
  readonly commandMs: number;
  readonly copyMs: number;
}

/*
 * Resources and fields are those of the Web Services API Developer's Guide 3.3 (E50245_01/E50253), and of clients: python-ovmclient, go-ovm-helper.
 */

/** Oracle VM Manager over its REST API. */
export async function restManager(client: RestClient, options: RestManagerOptions): Promise<ManagerApi> {
  const seen = await client.get("/Manager");
  // A list in the guide's examples, an object elsewhere.
  const manager = Array.isArray(seen) ? (seen as readonly Json[])[0] : seen;
  const state = text(member(manager, "managerRunState"));
  if (state !== undefined && state !== "RUNNING")
    throw new TbuildError("environment", `is not ready: ${state}`, {
      subject: client.name,
      hint: "Wait until the Manager has started.",
    });
  const version = text(member(manager, "managerVersion")) ?? text(member(manager, "version")) ?? "";
  const about: ManagerAbout = {
    version: /\d+\.\d+(?:\.\d+)*/.exec(version)?.[0] ?? "",
    isSimulator: /simulator/i.test(version),
    via: "rest",
  };
  return managerOf(client, about, options);
}

function managerOf(
  client: RestClient,
  about: ManagerAbout,
  { commandMs, copyMs }: RestManagerOptions,
): ManagerApi {
  const order = (method: "POST" | "PUT" | "DELETE", path: string, asked: Asked = {}, ms = commandMs) =>
    client.order(method, path, asked, ms);

  async function created(path: string, asked: Asked, ms = commandMs): Promise<string> {
    const id = await order("POST", path, asked, ms);
    if (id !== undefined) return id;
    throw new TbuildError("environment", `made something, but does not say its id: POST ${path}`, {
      subject: client.name,
      code: "outcome-unknown",
    });
  }

  async function ids(type: string): Promise<Named[]> {
    const json = await client.get(`/${type}/id`);
    if (!Array.isArray(json))
      throw new TbuildError("environment", `its answer cannot be read: GET /${type}/id`, {
        subject: client.name,
      });
    return (json as readonly Json[]).flatMap((one) => named(one) ?? []);
  }

  /** The owner of an object, which its address names. */
  async function ownerOf(type: string, id: string, key: string): Promise<string> {
    const owner = idIn(member(await client.get(`/${type}/${at(id)}`), key))?.value;
    if (owner !== undefined) return owner;
    throw new TbuildError("environment", `does not say the ${key} of ${type} ${id}`, {
      subject: client.name,
    });
  }

  async function removeDisk(id: string): Promise<void> {
    const repository = await ownerOf("VirtualDisk", id, "repositoryId");
    await order("DELETE", `/Repository/${at(repository)}/VirtualDisk/${at(id)}`);
  }

  /** The guide of 3.3 has `?url=`, clients of later releases send `{"urls": […]}`: what is refused is tried the other way. */
  async function imported(
    { repository, urls }: ImportWanted,
    inBody: { readonly path: string; readonly query?: Asked["query"] },
    inQuery: string,
  ): Promise<void> {
    const start = `/Repository/${at(repository)}`;
    try {
      await order(
        "PUT",
        `${start}/${inBody.path}`,
        { ...(inBody.query && { query: inBody.query }), body: { urls } },
        copyMs,
      );
    } catch (error) {
      const [url, ...more] = urls;
      if (!isRefusal(error) || url === undefined || more.length > 0) throw error;
      await order("PUT", `${start}/${inQuery}`, { query: { url } }, copyMs).catch((second) => {
        // The first answer is the Manager's opinion of the import, unless it did not know the form.
        throw isRefusal(second) ? error : second;
      });
    }
  }

  return {
    name: client.name,
    about: async () => about,

    async list(kind: ObjectKind) {
      if (kind !== "VirtualCdrom" && kind !== "VirtualDisk") return ids(kind);
      // Discs are virtual disks here; the ids end in `.iso` and `.img`.
      const all = await ids("VirtualDisk");
      return all.filter(({ id }) => id.endsWith(".iso") === (kind === "VirtualCdrom"));
    },
    async vm(id) {
      return vmSeen(id, await client.get(`/Vm/${at(id)}`));
    },
    async vnic(id) {
      const json = await client.get(`/VirtualNic/${at(id)}`);
      const mac = text(member(json, "macAddress"))?.toLowerCase();
      return {
        id,
        name: text(member(json, "name")) ?? "",
        ...optional("mac", mac),
        ...optional("network", named(member(json, "networkId"))),
      };
    },
    async mapping(id) {
      const json = await client.get(`/VmDiskMapping/${at(id)}`);
      const disk = named(member(json, "virtualDiskId"));
      const physical = named(member(json, "storageElementId"));
      const device = disk
        ? { kind: disk.id.endsWith(".iso") ? ("cdrom" as const) : ("virtual-disk" as const), ...disk }
        : physical && { kind: "physical-disk" as const, ...physical };
      return {
        id,
        name: text(member(json, "name")) ?? "",
        slot: number(member(json, "diskTarget")),
        device: device ?? { kind: "empty" },
      };
    },
    async disk(id) {
      const json = await client.get(`/VirtualDisk/${at(id)}`);
      const shareable = member(json, "shareable");
      return {
        id,
        name: text(member(json, "name")) ?? "",
        ...optional("bytes", number(member(json, "size"))),
        ...optional("isShareable", typeof shareable === "boolean" ? shareable : undefined),
        ...optional("description", text(member(json, "description"))),
        ...optional("repository", named(member(json, "repositoryId"))),
      };
    },

    async createVm({ pool, repository, osType, ...wanted }) {
      return created("/Vm", {
        body: {
          ...vmBody(wanted),
          repositoryId: reference("Repository", repository),
          serverPoolId: reference("ServerPool", pool),
          ...(osType !== undefined && { osType }),
        },
      });
    },
    async editVm(id, changes) {
      await order("PUT", `/Vm/${at(id)}`, { body: vmBody(changes) });
    },
    renamesClones: true,
    async cloneVm({ from, name, pool, repository, asTemplate, customizer }) {
      // Parameters must be in the query; the name is not one of them.
      const query = {
        serverPoolId: pool,
        repositoryId: repository,
        vmCloneDefinitionId: customizer,
        createTemplate: asTemplate,
      };
      const id = await order("PUT", `/Vm/${at(from)}/clone`, { query }, copyMs);
      if (id === undefined)
        throw new TbuildError("environment", "made a clone, but does not say its id", {
          subject: client.name,
          code: "outcome-unknown",
        });
      await order("PUT", `/Vm/${at(id)}`, { body: { name } });
      return id;
    },
    async deleteVm(id) {
      await order("DELETE", `/Vm/${at(id)}`);
    },
    async start(id) {
      await order("PUT", `/Vm/${at(id)}/start`);
    },
    async stop(id, deadlineMs) {
      await order("PUT", `/Vm/${at(id)}/stop`, {}, deadlineMs);
    },
    async kill(id) {
      await order("PUT", `/Vm/${at(id)}/kill`);
    },

    createDisk: ({ name, description, bytes, isShareable, isSparse, repository }) =>
      created(`/Repository/${at(repository)}/VirtualDisk`, {
        query: { sparse: isSparse },
        // Bytes, a multiple of 4096.
        body: {
          diskType: "VIRTUAL_DISK",
          size: Math.ceil(bytes / 4096) * 4096,
          shareable: isShareable,
          name,
          ...(description !== undefined && { description }),
        },
      }),
    deleteDisk: removeDisk,
    // Discs are virtual disks here.
    deleteDisc: removeDisk,
    createMapping: (vm, slot, device, name) =>
      created(`/Vm/${at(vm)}/VmDiskMapping`, {
        body: {
          ...deviceBody(device),
          emulatedBlockDevice: device === "empty-drive" || "virtualCdrom" in device,
          diskTarget: slot,
          name,
        },
      }),
    async deleteMapping(id) {
      const vm = await ownerOf("VmDiskMapping", id, "vmId");
      await order("DELETE", `/Vm/${at(vm)}/VmDiskMapping/${at(id)}`);
    },
    createVnic: (vm, { network, mac }) =>
      created(`/Vm/${at(vm)}/VirtualNic`, {
        body: {
          networkId: reference("Network", network),
          name: mac ?? "vnic",
          ...(mac !== undefined && { macAddress: mac }),
        },
      }),
    async deleteVnic(id, vm) {
      const owner = vm ?? (await ownerOf("VirtualNic", id, "vmId"));
      await order("DELETE", `/Vm/${at(owner)}/VirtualNic/${at(id)}`);
    },

    async createCustomizer(vm, { name, storage, networks }) {
      const id = await created(`/Vm/${at(vm)}/VmCloneDefinition`, { body: { name } });
      for (const [n, { mapping, repository, type }] of storage.entries())
        await order("POST", `/VmCloneDefinition/${at(id)}/VmCloneStorageMapping`, {
          body: {
            vmDiskMappingId: reference("VmDiskMapping", mapping),
            repositoryId: reference("Repository", repository),
            cloneType: type,
            name: `${name}-disk${n}`,
          },
        });
      for (const [n, { network, vnic }] of networks.entries())
        await order("POST", `/VmCloneDefinition/${at(id)}/VmCloneNetworkMapping`, {
          body: {
            networkId: reference("Network", network),
            virtualNicId: reference("VirtualNic", vnic),
            name: `${name}-nic${n}`,
          },
        });
      return id;
    },
    async deleteCustomizer(id) {
      const vm = await ownerOf("VmCloneDefinition", id, "vmId");
      await order("DELETE", `/Vm/${at(vm)}/VmCloneDefinition/${at(id)}`);
    },
    customizers: () => ids("VmCloneDefinition"),
    async activeJobs() {
      const json = await client.get("/Job/active");
      return (Array.isArray(json) ? (json as readonly Json[]) : []).flatMap((job) => {
        const id = named(member(job, "id"));
        return id ? [{ ...id, name: text(member(job, "name")) ?? id.name }] : [];
      });
    },

    importIso: (wanted) =>
      imported(
        wanted,
        { path: "importVirtualDisk", query: { diskType: "VIRTUAL_CDROM" } },
        "importVirtualCdrom",
      ),
    importTemplate: (wanted) =>
      imported(wanted, { path: "importVm", query: { createTemplate: true } }, "importTemplate"),
    importAssembly: (wanted) => imported(wanted, { path: "importAssembly" }, "importAssembly"),
    async templatesFromAssembly(assembly) {
      const json = await client.get(`/Assembly/${at(assembly)}`);
      const vms = member(json, "assemblyVmIds");
      for (const one of Array.isArray(vms) ? (vms as readonly Json[]) : []) {
        const id = idIn(one)?.value ?? "";
        // The first is in the guide of 3.3, the second in a client of 3.3 and 3.4.
        await order("PUT", `/Vm/createFromAssemblyVm/${at(id)}`, {}, copyMs).catch(async (error) => {
          if (!isRefusal(error)) throw error;
          await order("PUT", `/AssemblyVm/${at(id)}/createVm`, {}, copyMs);
        });
      }
    },

    async sendMessages(vm, messages) {
      for (const { key, value, isSecret } of messages) {
        const logFlag = !isSecret && Buffer.byteLength(value) <= mostLogged ? "Yes" : "No";
        await order("PUT", `/Vm/${at(vm)}/sendMessage`, {
          query: { logFlag },
          body: [{ key, value }],
          ...(isSecret && { secrets: [value] }),
        });
      }
    },
    async receivedMessages(vm) {
      const json = await client.get(`/Vm/${at(vm)}/messages`);
      return (Array.isArray(json) ? (json as readonly Json[]) : []).flatMap((one) => {
        const [key, value] = [text(member(one, "key")), text(member(one, "value"))];
        return key === undefined ? [] : [{ key, value: value ?? "" }];
      });
    },

    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
    },
  };
}

/** A message of more bytes is not logged (Concepts Guide 3.3, vmcon-vm-message). */
const mostLogged = 1024;

const states: Readonly<Record<string, VmState>> = {
  TEMPLATE: "template",
  RUNNING: "running",
  STOPPED: "stopped",
  SUSPENDED: "suspended",
  STARTING: "changing",
  STOPPING: "changing",
};

function vmSeen(id: string, json: Json): VmSeen {
  const state = states[text(member(json, "vmRunState")) ?? ""] ?? "unknown";
  const list = (key: string) => {
    const all = member(json, key);
    return Array.isArray(all) ? (all as readonly Json[]).flatMap((one) => named(one) ?? []) : [];
  };
  return {
    id,
    name: text(member(json, "name")) ?? "",
    state,
    isTemplate: state === "unknown" ? undefined : state === "template",
    ...optional("description", text(member(json, "description"))),
    ...optional("domainType", text(member(json, "vmDomainType"))),
    ...optional("memoryMib", number(member(json, "memory"))),
    ...optional("vcpus", number(member(json, "cpuCount"))),
    ...optional("pool", named(member(json, "serverPoolId"))),
    ...optional("server", named(member(json, "serverId"))),
    ...optional("repository", named(member(json, "repositoryId"))),
    vnics: list("virtualNicIds"),
    mappings: list("vmDiskMappingIds"),
  };
}

function vmBody({ name, description, domainType, memoryMib, vcpus, bootOrder }: VmChanges) {
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(domainType !== undefined && { vmDomainType: domainType }),
    ...(memoryMib !== undefined && { memory: memoryMib, memoryLimit: memoryMib }),
    ...(vcpus !== undefined && { cpuCount: vcpus, cpuCountLimit: vcpus }),
    ...(bootOrder !== undefined && { bootOrder }),
  };
}

function deviceBody(device: Device): Record<string, Json> {
  if (device === "empty-drive") return {};
  if ("physicalDisk" in device)
    return {
      storageElementId: reference("StorageElement", device.physicalDisk),
      diskWriteMode: "READ_WRITE",
    };
  if ("virtualCdrom" in device)
    return { virtualDiskId: reference("VirtualDisk", device.virtualCdrom), diskWriteMode: "READ_ONLY" };
  return {
    virtualDiskId: reference("VirtualDisk", device.virtualDisk),
    diskWriteMode: device.mode === "read-only" ? "READ_ONLY" : "READ_WRITE",
  };
}

function reference(type: string, value: string): Json {
  return { type: `com.oracle.ovm.mgr.ws.model.${type}`, value };
}

/** An id as a part of an address: ids of disks have a dot, and what a server says is not trusted. */
function at(id: string): string {
  return encodeURIComponent(id);
}

function named(json: Json | undefined): Named | undefined {
  const id = idIn(json);
  return id && { id: id.value, name: id.name };
}

function text(json: Json | undefined): string | undefined {
  return typeof json === "string" ? json : undefined;
}

function number(json: Json | undefined): number | undefined {
  return typeof json === "number" ? json : undefined;
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined || value === "" ? {} : { [key]: value }) as { [P in K]?: V };
}

function isRefusal(error: unknown): boolean {
  return error instanceof TbuildError && error.code === "failed";
}
