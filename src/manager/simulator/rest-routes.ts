import * as operate from "./operations/index.ts";
import { type Job, type ManagerObject, Refusal, type World } from "./world.ts";

export interface Asked {
  readonly method: string;
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
}

export interface Reply {
  readonly status: number;
  readonly json: unknown;
}

/*
 * Resources and fields: Web Services API Developer's Guide 3.3 (E50245_01/E50253), python-ovmclient and go-ovm-helper.
 */

// The simulator's types, by the names that the API has for them.
const types: Readonly<Record<string, string>> = {
  ServerPool: "ServerPool",
  Server: "Server",
  Repository: "Repository",
  Network: "Network",
  Vm: "Vm",
  VirtualDisk: "VirtualDisk",
  VirtualNic: "Vnic",
  VmDiskMapping: "VmDiskMapping",
  VmCloneDefinition: "VmCloneCustomizer",
  VmCloneStorageMapping: "VmCloneStorageMapping",
  VmCloneNetworkMapping: "VmCloneNetworkMapping",
  Assembly: "Assembly",
  AssemblyVm: "AssemblyVm",
};

/** Answers one request. Most writes return a job. */
export async function route(world: World, asked: Asked): Promise<Reply> {
  const { method, path, query } = asked;
  const [resource = "", second = "", third = "", fourth = ""] = path;
  if (resource === "Manager")
    return {
      status: 200,
      json: [
        { managerRunState: "RUNNING", managerVersion: `${world.settings.version} (simulator of tbuild)` },
      ],
    };
  if (resource === "Job") return jobRoute(world, asked);
  if (method === "GET" && second === "id") return { status: 200, json: idsOf(world, resource) };
  if (method === "POST" && second === "" && resource === "Vm") return ordered(created(world, asked.body));
  if (second === "") throw new Refusal(`Unknown resource: ${resource}`);
  if (resource === "Vm" && second === "createFromAssemblyVm" && method === "PUT")
    return ordered(operate.templateFromAssembly(world, world.get("AssemblyVm", { id: third })));
  const object = target(world, resource, second);
  if (method === "GET" && third === "") return { status: 200, json: shown(world, object) };
  if (method === "GET" && third === "messages" && object.type === "Vm")
    return { status: 200, json: await operate.messagesFrom(world, object) };
  if (method === "DELETE")
    return ordered(third === "" ? removed(world, object) : removed(world, target(world, third, fourth)));
  if (method === "POST" || method === "PUT")
    return ordered(changed(world, object, third, asked.body, query, method));
  throw new Refusal(`Unknown request: ${method} ${path.join("/")}`);
}

function jobRoute(world: World, { method, path }: Asked): Reply {
  const [, id = "", what] = path;
  const job = world.jobs.get(id);
  if (id === "active")
    return {
      status: 200,
      json: [...world.jobs.values()].filter((one) => one.state === "RUNNING").map(jobJson),
    };
  if (!job) throw new Refusal(`OVMAPI_9999E No job ${id}.`);
  if (method === "PUT" && what === "abort") job.abort();
  return { status: 200, json: jobJson(job) };
}

async function ordered(job: Job): Promise<Reply> {
  // A job that is done at once is shown as done; others are polled.
  await Promise.race([job.ended, new Promise((done) => setTimeout(done, 5))]);
  return { status: 200, json: jobJson(job) };
}

function jobJson({ id, name, state, result, error }: Job) {
  const isDone = state !== "RUNNING";
  return {
    id: { type: "com.oracle.ovm.mgr.ws.model.Job", value: id, name },
    name,
    done: isDone,
    summaryDone: isDone,
    jobRunState: state === "ABORTED" ? "FAILURE" : state,
    jobSummaryState: state,
    resultId: result === undefined ? null : { value: result },
    error: error === undefined ? null : { message: error },
  };
}

function target(world: World, resource: string, id: string): ManagerObject {
  if (resource === "VirtualDisk" && id.endsWith(".iso")) return world.get("VirtualCdrom", { id });
  const type = types[resource];
  if (type === undefined) throw new Refusal(`Unknown resource: ${resource}`);
  return world.get(type, { id });
}

function idsOf(world: World, resource: string) {
  const type = types[resource];
  if (type === undefined) throw new Refusal(`Unknown resource: ${resource}`);
  const objects = [...world.all(type), ...(type === "VirtualDisk" ? world.all("VirtualCdrom") : [])];
  return objects.map((one) => idJson(world, one.id));
}

function idJson(world: World, id: unknown) {
  const found = world.objects.get(String(id));
  if (!found) return null;
  const resource = Object.keys(types).find((key) => types[key] === found.type) ?? found.type;
  return {
    type: `com.oracle.ovm.mgr.ws.model.${resource}`,
    value: found.id,
    uri: `https://localhost/ovm/core/wsapi/rest/${resource}/${found.id}`,
    name: found.name,
  };
}

function created(world: World, body: unknown): Job {
  const pool = referred(world, body, "serverPoolId", "ServerPool");
  const repository = referred(world, body, "repositoryId", "Repository");
  if (!pool || !repository) throw new Refusal("serverPoolId was found to be null");
  return operate.createVm(world, pool, repository, fields(body));
}

function removed(world: World, object: ManagerObject): Job {
  return object.type === "Vm" ? operate.deleteVm(world, object) : operate.remove(world, object);
}

function changed(
  world: World,
  object: ManagerObject,
  what: string,
  body: unknown,
  query: URLSearchParams,
  method: string,
): Job {
  const referredTo = (key: string, type: string) => referred(world, body, key, type);
  const byQuery = (key: string, type: string) => {
    const id = query.get(key);
    return id === null ? undefined : world.get(type, { id });
  };
  const way = `${object.type} ${method} ${what}`;
  if (way === "Vm PUT ") return operate.editVm(world, object, fields(body));
  if (/^Vm PUT (start|stop|kill|restart)$/.test(way)) return operate.power(world, object, what as "start");
  if (way === "Vm PUT clone") {
    const pool = byQuery("serverPoolId", "ServerPool");
    // The body is ignored, so its parameters are missing.
    if (!pool) throw new Refusal("serverPoolId was found to be null");
    return operate.cloneVm(world, object, {
      asTemplate: query.get("createTemplate") === "true",
      pool,
      repository: byQuery("repositoryId", "Repository"),
      customizer: byQuery("vmCloneDefinitionId", "VmCloneCustomizer"),
    });
  }
  if (way === "Repository POST VirtualDisk") {
    const size = value(body, "size");
    if (typeof size !== "number" || size <= 0 || size % 4096 !== 0)
      throw new Refusal("OVMAPI_9999E size must be a multiple of 4096.");
    return operate.createDisk(world, object, {
      name: String(value(body, "name") ?? ""),
      description: textIn(body, "description"),
      bytes: size,
      isShareable: value(body, "shareable") === true,
      isSparse: query.get("sparse") === "true",
    });
  }
  if (way === "Vm POST VmDiskMapping") {
    const id = idIn(body, "virtualDiskId");
    const disk = id === undefined ? undefined : target(world, "VirtualDisk", id);
    const slot = value(body, "diskTarget");
    if (typeof slot !== "number") throw new Refusal("diskTarget was found to be null");
    return operate.createMapping(world, object, {
      slot,
      name: textIn(body, "name") ?? "",
      ...(disk && (disk.type === "VirtualCdrom" ? { cdrom: disk } : { virtualDisk: disk })),
      physicalDisk: referredTo("storageElementId", "PhysicalDisk"),
    });
  }
  if (way === "Vm POST VirtualNic") {
    const network = referredTo("networkId", "Network");
    if (!network) throw new Refusal("networkId was found to be null");
    const mac = textIn(body, "macAddress");
    return operate.createVnic(world, { vm: object, network, mac, name: textIn(body, "name") ?? "" });
  }
  if (way === "Vm POST VmCloneDefinition")
    return world.begin(
      "create VmCloneCustomizer",
      [object.id],
      () => world.add("VmCloneCustomizer", textIn(body, "name") ?? "", { vm: object.id }).id,
    );
  if (/^VmCloneCustomizer POST VmClone(Storage|Network)Mapping$/.test(way))
    return world.begin(
      `create ${what}`,
      [object.id],
      () =>
        world.add(what, textIn(body, "name") ?? "", {
          customizer: object.id,
          mapping: idIn(body, "vmDiskMappingId"),
          repository: idIn(body, "repositoryId"),
          cloneType: textIn(body, "cloneType"),
          network: idIn(body, "networkId"),
          vnic: idIn(body, "virtualNicId"),
        }).id,
    );
  if (way === "Vm PUT sendMessage") {
    const [message] = Array.isArray(body) ? body : [];
    const [key, text] = [textIn(message, "key"), textIn(message, "value")];
    if (key === undefined || text === undefined) throw new Refusal("key and value are required.");
    return operate.sendMessage(world, object, key, text, query.get("logFlag") === "Yes");
  }
  if (object.type === "AssemblyVm" && what === "createVm") return operate.templateFromAssembly(world, object);
  return imported(world, object, what, body, query);
}

function imported(
  world: World,
  repository: ManagerObject,
  what: string,
  body: unknown,
  query: URLSearchParams,
): Job {
  const { restImports } = world.settings;
  const forms: Readonly<Record<string, "template" | "iso" | "assembly">> =
    restImports === "query"
      ? { importTemplate: "template", importVirtualCdrom: "iso", importAssembly: "assembly" }
      : { importVm: "template", importVirtualDisk: "iso", importAssembly: "assembly" };
  const kind = forms[what];
  if (kind === undefined || repository.type !== "Repository") throw new Refusal(`Unknown request: ${what}`);
  const inBody = value(body, "urls");
  const urls =
    restImports === "query" ? query.getAll("url") : Array.isArray(inBody) ? inBody.map(String) : [];
  if (urls.length === 0) throw new Refusal("url was found to be null");
  return operate.imported(world, repository, kind, urls);
}

function fields(body: unknown): operate.VmFields {
  const order = value(body, "bootOrder");
  const number = (key: string) => {
    const found = value(body, key);
    return typeof found === "number" ? found : undefined;
  };
  return {
    name: textIn(body, "name"),
    description: textIn(body, "description"),
    domainType: textIn(body, "vmDomainType"),
    memoryMib: number("memory"),
    vcpus: number("cpuCount"),
    osType: textIn(body, "osType"),
    bootOrder: Array.isArray(order) ? order.join(",") : undefined,
  };
}

function referred(world: World, body: unknown, key: string, type: string): ManagerObject | undefined {
  const id = idIn(body, key);
  return id === undefined ? undefined : world.get(type, { id });
}

function value(body: unknown, key: string): unknown {
  return typeof body === "object" && body !== null ? (body as Record<string, unknown>)[key] : undefined;
}

function textIn(body: unknown, key: string): string | undefined {
  const found = value(body, key);
  return typeof found === "string" ? found : undefined;
}

function idIn(body: unknown, key: string): string | undefined {
  return textIn(value(body, key), "value");
}

function shown(world: World, { id, type, name, description, is }: ManagerObject) {
  const ids = (objects: readonly ManagerObject[]) => objects.map((one) => idJson(world, one.id));
  const own: Readonly<Record<string, () => object>> = {
    Vm: () => ({
      vmRunState: is.state,
      vmDomainType: is.domainType,
      memory: is.memoryMib,
      cpuCount: is.vcpus,
      serverPoolId: idJson(world, is.pool),
      serverId: idJson(world, is.startedOn),
      repositoryId: idJson(world, is.repository),
      virtualNicIds: ids(operate.of(world, "Vnic", "vm", id)),
      vmDiskMappingIds: ids(operate.of(world, "VmDiskMapping", "vm", id)),
    }),
    Vnic: () => ({
      macAddress: is.mac,
      networkId: idJson(world, is.network),
      vmId: idJson(world, is.vm),
    }),
    VmDiskMapping: () => ({
      diskTarget: is.slot,
      vmId: idJson(world, is.vm),
      virtualDiskId: idJson(world, is.virtualDisk ?? is.cdrom),
      storageElementId: idJson(world, is.physicalDisk),
    }),
    VirtualDisk: () => ({
      size: is.bytes,
      shareable: is.isShareable,
      repositoryId: idJson(world, is.repository),
    }),
    // A disc is a virtual disk here.
    VirtualCdrom: () => ({ repositoryId: idJson(world, is.repository) }),
    VmCloneCustomizer: () => ({ vmId: idJson(world, is.vm) }),
    Assembly: () => ({
      repositoryId: idJson(world, is.repository),
      assemblyVmIds: ids(operate.of(world, "AssemblyVm", "assembly", id)),
    }),
  };
  return { id: idJson(world, id), name, description, ...(own[type]?.() ?? {}) };
}
