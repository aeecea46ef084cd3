import { attribute, type ParsedCommand } from "./cli-language.ts";
import * as operate from "./operations/index.ts";
import { type Job, type ManagerObject, Refusal, type World } from "./world.ts";

/** The result of a command: rows immediately, or a job and the object that it made. */
export interface Outcome {
  readonly rows?: readonly string[];
  readonly job?: Job;
  /** The result of commands such as `showversion`, for output mode Xml. */
  readonly kind?: "list" | "show";
}

const helpers = ["help", "showversion", "showobjtypes", "showclisession", "showallcustomcmds"];

/** Runs one command in the dialect of the world's version. */
export async function carryOut(world: World, one: ParsedCommand): Promise<Outcome> {
  const [verb = "", type = ""] = one.words.map((word) => word.toLowerCase());
  const dialect = /^\d+\.\d+/.exec(world.settings.version)?.[0] ?? "";
  const is32 = dialect === "3.2" || dialect === "3.1";
  if (verb === "showversion") return { rows: [`${world.settings.version} (simulator of tbuild)`] };
  if (helpers.includes(verb)) return { rows: [] };
  if (verb === (is32 ? "getlatestnumberofjobs" : "getjobs")) {
    const jobs = [...world.jobs.values()].slice(-Number(attribute(one, "amount") ?? 10));
    return { rows: jobRows(jobs), kind: "list" };
  }
  if (verb === "abort" && type === "job") {
    const job = world.jobs.get(attribute(one, "id") ?? "");
    if (!job) throw new Refusal("OVMAPI_9999E No such job.");
    job.abort();
    return { rows: [] };
  }
  if (type === "job" && world.settings.showsJobs) {
    if (verb === "list") return { rows: jobRows([...world.jobs.values()]), kind: "list" };
    if (verb === "show") return { rows: shownJob(world, attribute(one, "id") ?? ""), kind: "show" };
  }
  if (verb === "list") return { rows: rowsOf(world, knownType(world, type)), kind: "list" };
  if (verb === "show") return { rows: shown(world, target(world, one, 2)), kind: "show" };
  if (verb === "create") return { job: await created(world, one, is32) };
  if (verb === "delete") {
    const object = target(world, one, 2);
    return { job: object.type === "Vm" ? operate.deleteVm(world, object) : operate.remove(world, object) };
  }
  if ((verb === "add" || verb === "remove") && type === "vm") {
    const [vm, group] = [target(world, one, 2), target(world, one, 4)];
    return { job: (verb === "add" ? operate.addToGroup : operate.removeFromGroup)(world, group, vm) };
  }
  if (verb === "edit" && type === "vm") return { job: edited(world, one) };
  if (verb === "clone" && type === "vm") return { job: cloned(world, one) };
  if (["start", "stop", "kill", "restart"].includes(verb) && type === "vm")
    return { job: operate.power(world, target(world, one, 2), verb as "start") };
  // 3.2: a vnic is created separately, and added (CLI User's Guide 3.2, add Vnic).
  if ((verb === "add" || verb === "remove") && type === "vnic" && is32) {
    const [vnic, vm] = [target(world, one, 2), target(world, one, 4)];
    return {
      job: world.begin(`${verb} Vnic`, [vm.id], () => {
        if (verb === "add" && vnic.is.vm !== undefined)
          throw new Refusal("OVMAPI_9999E The vnic belongs to a virtual machine already.");
        vnic.is.vm = verb === "add" ? vm.id : undefined;
        return undefined;
      }),
    };
  }
  const imports = {
    importtemplate: "template",
    importvirtualcdrom: "iso",
    importassembly: "assembly",
  } as const;
  if (verb in imports || (verb === "importvirtualappliance" && dialect === "3.4")) {
    const what = imports[verb as keyof typeof imports] ?? "assembly";
    if (is32 && attribute(one, "server") === undefined) throw new Refusal("server is required.");
    if (is32) world.get("Server", either(attribute(one, "server") ?? "", world, "Server"));
    const urls = (attribute(one, "url") ?? "").split(",").filter(Boolean);
    if (urls.length === 0) throw new Refusal("url is required.");
    return { job: operate.imported(world, target(world, one, 2), what, urls) };
  }
  if (verb === (is32 ? "createtemplatesfromassembly" : "createvmfromassembly")) {
    const vm = is32
      ? operate.of(world, "AssemblyVm", "assembly", attribute(one, "assembly"))[0]
      : target(world, one, 2);
    if (!vm) throw new Refusal("OVMAPI_9999E No such assembly.");
    return { job: operate.templateFromAssembly(world, vm) };
  }
  if (verb === "sendvmmessage") return { job: message(world, one) };
  if (verb === "getvmreceivedmessages" && !is32) {
    const rows = await operate.messagesFrom(world, target(world, one, 2));
    return { rows: rows.map(({ key, value }) => `${key} = ${value}`), kind: "show" };
  }
  throw new Refusal(`Unknown command: ${one.words.join(" ")}`);
}

/** The object that a type and its following attribute name: `Vm id=…`, or `Vm name=…`. */
function target(world: World, one: ParsedCommand, after: number): ManagerObject {
  const type = knownType(world, one.words[after - 1] ?? "");
  const id = attribute(one, "id", after);
  const name = one.attributes.find((each) => each.after === after && each.name === "name")?.value;
  if (id === undefined && name === undefined) throw new Refusal("An id or a name is required.");
  return world.get(type, { id, name });
}

function knownType(world: World, word: string): string {
  const types = [
    ..."ServerPool Server Repository Network Vm VirtualDisk VirtualCdrom PhysicalDisk Vnic VmDiskMapping".split(
      " ",
    ),
    ...(/^3\.[12]/.test(world.settings.version)
      ? []
      : ["VmCloneCustomizer", "VmCloneStorageMapping", "VmCloneNetworkMapping"]),
    ..."Assembly AssemblyVm AntiAffinityGroup".split(" "),
    ...(world.settings.version.startsWith("3.4") ? ["VirtualAppliance", "VirtualApplianceVm"] : []),
  ];
  const found = types.find((one) => one.toLowerCase() === word.toLowerCase());
  if (found === undefined) throw new Refusal(`Unknown object type: ${word}`);
  // The directory of virtual appliances is still called Assemblies (Concepts Guide 3.4, repositories).
  return found.replace(/^VirtualAppliance/, "Assembly");
}

function jobRows(jobs: readonly Job[]): string[] {
  return jobs.map(({ id, name }) => `id:${id}  name:${name}`);
}

/** As far as public scripts read it. */
function shownJob(world: World, id: string): string[] {
  const job = world.jobs.get(id);
  if (!job) throw new Refusal("OVMAPI_9999E No such job.");
  const isDone = job.state !== "RUNNING";
  const state = { RUNNING: "Running", SUCCESS: "Success", FAILURE: "Failure", ABORTED: "Aborted" }[job.state];
  return [`Summary Done = ${isDone ? "Yes" : "No"}`, `Summary State = ${state}`];
}

function rowsOf(world: World, type: string): string[] {
  return world.all(type).map(({ id, name }) => `id:${id}  name:${name}`);
}

/** An id, or a name if an attribute accepts both. */
function either(text: string, world: World, type: string) {
  return world.all(type).some((one) => one.id === text) ? { id: text } : { name: text };
}

function yes(one: ParsedCommand, name: string): boolean {
  return attribute(one, name)?.toLowerCase() === "yes";
}

function number(one: ParsedCommand, name: string): number | undefined {
  const text = attribute(one, name);
  if (text === undefined) return undefined;
  if (!/^\d+(\.\d+)?$/.test(text)) throw new Refusal(`${name} is not a number: ${text}`);
  return Number(text);
}

function vmFields(one: ParsedCommand): operate.VmFields {
  return {
    name: one.attributes.filter((each) => each.name === "name").at(-1)?.value,
    description: attribute(one, "description"),
    domainType: attribute(one, "domaintype"),
    memoryMib: number(one, "memory"),
    vcpus: number(one, "cpucount"),
    osType: attribute(one, "ostype"),
    bootOrder: attribute(one, "bootorder"),
  };
}

function edited(world: World, one: ParsedCommand): Job {
  const vm = target(world, one, 2);
  const names = one.attributes.filter((each) => each.name === "name");
  // The first name is the machine itself, unless an id is given.
  const isRenamed = attribute(one, "id", 2) !== undefined ? names.length > 0 : names.length > 1;
  return operate.editVm(world, vm, { ...vmFields(one), ...(!isRenamed && { name: undefined }) });
}

function cloned(world: World, one: ParsedCommand): Job {
  const name = attribute(one, "destname");
  const pool = attribute(one, "serverpool");
  const repository = attribute(one, "targetrepository");
  const customizer = attribute(one, "clonecustomizer");
  const kind = attribute(one, "desttype")?.toLowerCase();
  if (kind !== "vm" && kind !== "vmtemplate") throw new Refusal("destType must be Vm or VmTemplate.");
  if (name === undefined || pool === undefined) throw new Refusal("destName and serverPool are required.");
  return operate.cloneVm(world, target(world, one, 2), {
    name,
    asTemplate: kind === "vmtemplate",
    pool: world.get("ServerPool", either(pool, world, "ServerPool")),
    repository:
      repository === undefined ? undefined : world.get("Repository", either(repository, world, "Repository")),
    customizer:
      customizer === undefined
        ? undefined
        : world.get("VmCloneCustomizer", either(customizer, world, "VmCloneCustomizer")),
  });
}

function message(world: World, one: ParsedCommand): Job {
  const [key, text, log] = ["key", "message", "log"].map((name) => attribute(one, name));
  if (key === undefined || text === undefined || log === undefined)
    throw new Refusal("key, message and log are required.");
  return operate.sendMessage(world, target(world, one, 2), key, text, yes(one, "log"));
}

async function created(world: World, one: ParsedCommand, is32: boolean): Promise<Job> {
  const type = knownType(world, one.words[1] ?? "");
  const on = () => target(world, one, 4);
  const name = attribute(one, "name", 2);
  if (name === undefined) throw new Refusal("name is required.");
  const object = (attributeName: string, of: string) => {
    const text = attribute(one, attributeName);
    return text === undefined ? undefined : world.get(of, either(text, world, of));
  };
  const required = (attributeName: string, of: string) => {
    const found = object(attributeName, of);
    if (!found) throw new Refusal(`${attributeName} is required.`);
    return found;
  };
  if (type === "Vm")
    return operate.createVm(world, on(), required("repository", "Repository"), { ...vmFields(one), name });
  if (type === "AntiAffinityGroup")
    return operate.createGroup(world, on(), name, attribute(one, "description"));
  if (type === "VirtualDisk") {
    const size = number(one, "size");
    // 3.3's reference says integer, 1 to 1000000; 3.2 takes decimals.
    if (size === undefined || size <= 0 || (!is32 && !Number.isInteger(size)))
      throw new Refusal("size must be an integer between 1 and 1000000.");
    return operate.createDisk(world, on(), {
      name,
      description: attribute(one, "description"),
      bytes: Math.round(size * 2 ** 30),
      isShareable: yes(one, "shareable"),
      isSparse: yes(one, "sparse"),
    });
  }
  if (type === "VmDiskMapping") {
    const slot = number(one, "slot");
    if (slot === undefined) throw new Refusal("slot is required.");
    if (is32) {
      const source = attribute(one, "storagedevice");
      const found = source === undefined ? undefined : world.objects.get(source);
      if (source !== undefined && !found) throw new Refusal(`OVMAPI_9999E No storage device ${source}.`);
      return operate.createMapping(world, on(), { slot, name, ...byKind(found) });
    }
    const cd = attribute(one, "virtualcd");
    const fields = {
      virtualDisk: object("virtualdisk", "VirtualDisk"),
      physicalDisk: object("physicaldisk", "PhysicalDisk"),
      cdrom: cd === undefined || cd === "EMPTY_CDROM" ? undefined : object("virtualcd", "VirtualCdrom"),
    };
    if (!fields.virtualDisk && !fields.physicalDisk && cd === undefined)
      throw new Refusal("physicalDisk, virtualDisk or virtualCd is required.");
    return operate.createMapping(world, on(), { slot, name, ...fields });
  }
  if (type === "Vnic") {
    const network = required("network", "Network");
    // In 3.2 the name is the MAC, and there is no `on Vm`.
    const description = attribute(one, "description");
    if (is32) return operate.createVnic(world, { network, mac: name, name, description });
    const mac = attribute(one, "macaddress");
    return operate.createVnic(world, { vm: on(), network, mac, name, description });
  }
  if (type === "VmCloneCustomizer") {
    const vm = on();
    return world.begin("create VmCloneCustomizer", [vm.id], () => world.add(type, name, { vm: vm.id }).id);
  }
  if (type === "VmCloneStorageMapping" || type === "VmCloneNetworkMapping") {
    const customizer = on();
    const [mapping, repository] = [attribute(one, "vmdiskmapping"), object("repository", "Repository")];
    const is =
      type === "VmCloneStorageMapping"
        ? { mapping, repository: repository?.id, cloneType: attribute(one, "clonetype") }
        : { vnic: attribute(one, "vnic"), network: attribute(one, "network") };
    return world.begin(
      `create ${type}`,
      [customizer.id],
      () => world.add(type, name, { customizer: customizer.id, ...is }).id,
    );
  }
  throw new Refusal(`Unknown object type: ${type}`);
}

function byKind(found: ManagerObject | undefined) {
  if (found?.type === "VirtualDisk") return { virtualDisk: found };
  if (found?.type === "VirtualCdrom") return { cdrom: found };
  return found ? { physicalDisk: found } : {};
}

/** The rows of `show`: the keys that public scripts read, and those that are only likely. */
function shown(world: World, { id, type, name, description, is }: ManagerObject): string[] {
  const reference = (one: unknown) => {
    const found = world.objects.get(String(one));
    return found ? `${found.id}  [${found.name}]` : undefined;
  };
  const yesNo = (one: unknown) => (one === undefined ? undefined : one ? "Yes" : "No");
  const numbered = (key: string, objects: readonly ManagerObject[]) =>
    objects.map((one, at) => [`${key} ${at + 1}`, `${one.id}  [${one.name}]`] as const);
  const words = (text: unknown) =>
    String(text)
      .toLowerCase()
      .replace(/(^|_)(\w)/g, (_, __, c) => ` ${c.toUpperCase()}`)
      .trim();
  const own: Readonly<Record<string, () => (readonly [string, unknown])[]>> = {
    Vm: () => [
      ["Status", is.state === "TEMPLATE" ? world.settings.templateStatus : words(is.state)],
      ["Memory (MB)", is.memoryMib],
      ["Max. Memory (MB)", is.memoryMib],
      ["Processors", is.vcpus],
      ["Max. Processors", is.vcpus],
      ["Operating System", is.osType],
      // `XEN_PVM` is `Xen PVM` here.
      ["Domain Type", String(is.domainType).replaceAll("_", " ").replace("XEN", "Xen")],
      ["Server Pool", reference(is.pool)],
      ["Server", reference(is.startedOn)],
      ["Repository", reference(is.repository)],
      ...numbered("Vnic", operate.of(world, "Vnic", "vm", id)),
      ...operate
        .of(world, "VmDiskMapping", "vm", id)
        .map((one, at) => [`VmDiskMapping ${at + 1}`, `${one.id}  [${one.name}]`] as const),
    ],
    VmDiskMapping: () => [
      ["Slot", is.slot],
      ["Vm", reference(is.vm)],
      [
        "Virtual Disk",
        reference(is.virtualDisk) ??
          reference(is.cdrom) ??
          (is.physicalDisk === undefined ? "EMPTY_CDROM" : undefined),
      ],
      ["Physical Disk", reference(is.physicalDisk)],
    ],
    VirtualDisk: () => [
      ["Max (GiB)", Number(is.bytes) / 2 ** 30],
      ["Used (GiB)", 0],
      ["Shareable", yesNo(is.isShareable)],
      ["Repository", reference(is.repository)],
    ],
    Vnic: () => [
      ["Mac Address", is.mac],
      ["Network", reference(is.network)],
      ["Vm", reference(is.vm)],
    ],
    AntiAffinityGroup: () => [
      ["Server Pool", reference(is.pool)],
      ...(world.settings.showsMembers ? numbered("Vm", operate.membersOf(world, id)) : []),
    ],
    Assembly: () => [
      ["Repository", reference(is.repository)],
      ...numbered("AssemblyVm", operate.of(world, "AssemblyVm", "assembly", id)),
    ],
  };
  const rows: (readonly [string, unknown])[] = [
    ["Name", name],
    ["Id", id],
    ...(own[type]?.() ?? []),
    ["Description", world.settings.showsDescription ? description : undefined],
  ];
  return rows.flatMap(([key, value]) =>
    value === undefined || value === "undefined" ? [] : [`${key} = ${value}`],
  );
}
