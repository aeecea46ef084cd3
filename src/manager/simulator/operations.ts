import { type DomainType, domainTypes } from "../../choices.ts";
import { type Job, Refusal, type Thing, type World } from "./world.ts";

/*
 * What the Manager does, for both of its interfaces. The behaviour is from the guides of the CLI (3.2: E35328_01/E35336, 3.3: E50245_01/E50252,
 * 3.4: E64076_01/E64086) and of the Web Services (3.3: E50245_01/E50253), by the command's or the resource's name.
 */

const gib = 2 ** 30;

export interface VmFields {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly domainType?: string | undefined;
  readonly memoryMib?: number | undefined;
  readonly vcpus?: number | undefined;
  readonly osType?: string | undefined;
  readonly bootOrder?: string | undefined;
}

export function createVm(world: World, pool: Thing, repository: Thing, fields: VmFields): Job {
  return world.begin("create Vm", [], () => {
    checkVm(world, fields, true);
    const {
      name = "",
      description = "",
      domainType,
      memoryMib = 1024,
      vcpus = 1,
      osType,
      bootOrder,
    } = fields;
    const vm = world.add(
      "Vm",
      name,
      {
        state: "STOPPED",
        domainType,
        memoryMib,
        vcpus,
        osType: osType ?? "None",
        bootOrder: bootOrder ?? "DISK",
        pool: pool.id,
        repository: repository.id,
      },
      description,
    );
    return vm.id;
  });
}

export function editVm(world: World, vm: Thing, fields: VmFields): Job {
  return world.begin("edit Vm", [vm.id], () => {
    checkVm(world, fields, false);
    const { name, description, domainType, memoryMib, vcpus, bootOrder } = fields;
    // "Stop the virtual machine before you change its domain type" (User's Guide 3.3).
    if (domainType !== undefined && vm.is.state === "RUNNING")
      throw new Refusal("OVMAPI_9999E The virtual machine must be stopped to change its domain type.");
    if (name !== undefined) vm.name = name;
    if (description !== undefined) vm.description = description;
    const more = { domainType, memoryMib, vcpus, bootOrder };
    for (const [key, value] of Object.entries(more)) if (value !== undefined) vm.is[key] = value;
    return undefined;
  });
}

function checkVm(world: World, { name, domainType, memoryMib, vcpus }: VmFields, isNew: boolean): void {
  const { version } = world.settings;
  if (isNew && !name) throw new Refusal("OVMAPI_9999E A name is required.");
  if (isNew && domainType === undefined) throw new Refusal("OVMAPI_9999E A domain type is required.");
  if (domainType !== undefined && !domainTypes.includes(domainType as DomainType))
    throw new Refusal(`OVMAPI_9999E ${domainType} is not a domain type.`);
  // 3.4.6 removed PVM guests (Release Notes 3.4.6).
  if (domainType === "XEN_PVM" && /^3\.4\.[6-9]/.test(version))
    throw new Refusal("OVMAPI_9999E XEN_PVM is not supported by this release.");
  // 32 to 2000000 MB, 1 to 128 processors (CLI User's Guide 3.3, A.51).
  if (memoryMib !== undefined && !(memoryMib >= 32 && memoryMib <= 2_000_000))
    throw new Refusal("OVMAPI_9999E memory must be between 32 and 2000000.");
  if (vcpus !== undefined && !(vcpus >= 1 && vcpus <= 128))
    throw new Refusal("OVMAPI_9999E cpuCount must be between 1 and 128.");
}

export interface CloneFields {
  /** REST's clone takes no name (Web Services Guide 3.3). */
  readonly name?: string;
  readonly asTemplate: boolean;
  readonly pool: Thing | undefined;
  readonly repository: Thing | undefined;
  readonly customizer: Thing | undefined;
}

export function cloneVm(world: World, from: Thing, fields: CloneFields): Job {
  return world.begin("clone Vm", [from.id], () => {
    const { asTemplate, pool, repository, customizer } = fields;
    const { startedOn: _, ...is } = from.is;
    const clone = world.add("Vm", fields.name ?? freeName(world, `${from.name}.`), {
      ...is,
      state: asTemplate ? "TEMPLATE" : "STOPPED",
      pool: pool?.id ?? from.is.pool,
      repository: repository?.id ?? from.is.repository,
    });
    for (const mapping of of(world, "VmDiskMapping", "vm", from.id)) {
      const disk = world.things.get(String(mapping.is.virtualDisk ?? ""));
      const { virtualDisk, ...rest } = mapping.is;
      const wanted = of(world, "VmCloneStorageMapping", "customizer", customizer?.id).find(
        (one) => one.is.mapping === mapping.id,
      );
      const target = wanted?.is.repository ?? repository?.id ?? disk?.is.repository;
      const copy =
        disk && disk.is.isShareable !== true
          ? world.add("VirtualDisk", `${disk.name} (${clone.name})`, { ...disk.is, repository: target })
          : disk;
      world.add("VmDiskMapping", mapping.name, {
        ...rest,
        vm: clone.id,
        ...(copy && { virtualDisk: copy.id }),
        ...(wanted && { cloneType: wanted.is.cloneType }),
      });
    }
    for (const vnic of of(world, "Vnic", "vm", from.id))
      world.add("Vnic", freeMac(world), { ...vnic.is, vm: clone.id, mac: freeMac(world) });
    return clone.id;
  });
}

/** Deletes a machine with its mappings and vnics; its virtual disks stay, as scripts that tear down a machine show. */
export function deleteVm(world: World, vm: Thing): Job {
  return world.begin("delete Vm", [vm.id], async () => {
    if (vm.is.state === "RUNNING") throw new Refusal("OVMAPI_9999E The virtual machine is running.");
    for (const mapping of of(world, "VmDiskMapping", "vm", vm.id)) {
      world.things.delete(mapping.id);
      if (!world.settings.deleteKeepsDisks && mapping.is.virtualDisk !== undefined)
        world.things.delete(String(mapping.is.virtualDisk));
    }
    for (const vnic of of(world, "Vnic", "vm", vm.id)) world.things.delete(vnic.id);
    for (const one of of(world, "VmCloneCustomizer", "vm", vm.id)) removeCustomizer(world, one);
    world.things.delete(vm.id);
    await world.backing?.remove(vm);
    return undefined;
  });
}

export function power(world: World, vm: Thing, what: "start" | "stop" | "kill" | "restart"): Job {
  return world.begin(`${what} Vm`, [vm.id], async () => {
    if (vm.is.state === "TEMPLATE")
      throw new Refusal("OVMAPI_9999E A template cannot be started or stopped.");
    if (what === "start" || what === "restart") {
      if (what === "start" && vm.is.state === "RUNNING")
        throw new Refusal("OVMAPI_9999E The virtual machine is running already.");
      const servers = of(world, "Server", "pool", String(vm.is.pool)).filter((one) => one.is.isUp !== false);
      const [server] = servers;
      if (!server) throw new Refusal("OVMAPI_9999E No server of the pool is running.");
      await world.backing?.start(vm, world);
      vm.is.state = "RUNNING";
      vm.is.startedOn = server.id;
      world.startedAt.set(vm.id, Date.now());
    } else {
      await world.backing?.stop(vm, what === "stop" ? "shutdown" : "power");
      vm.is.state = "STOPPED";
      vm.is.startedOn = undefined;
      world.startedAt.delete(vm.id);
    }
    return undefined;
  });
}

export interface DiskFields {
  readonly name: string;
  readonly description?: string | undefined;
  readonly bytes: number;
  readonly isShareable: boolean;
  readonly isSparse: boolean;
}

export function createDisk(world: World, repository: Thing, fields: DiskFields): Job {
  return world.begin("create VirtualDisk", [repository.id], () => {
    const { name, bytes, isShareable, isSparse, description = "" } = fields;
    const free = Number(repository.is.freeBytes);
    if (!isSparse && bytes > free)
      throw new Refusal(`OVMAPI_9999E Not enough space in repository ${repository.name}.`);
    if (!isSparse) repository.is.freeBytes = free - bytes;
    return world.add("VirtualDisk", name, { bytes, isShareable, repository: repository.id }, description).id;
  });
}

export interface MappingFields {
  readonly slot: number;
  readonly name: string;
  readonly virtualDisk?: Thing | undefined;
  readonly physicalDisk?: Thing | undefined;
  readonly cdrom?: Thing | undefined;
}

export function createMapping(world: World, vm: Thing, fields: MappingFields): Job {
  return world.begin("create VmDiskMapping", [vm.id], () => {
    const { slot, name, virtualDisk, physicalDisk, cdrom } = fields;
    const mappings = of(world, "VmDiskMapping", "vm", vm.id);
    if (mappings.some((one) => one.is.slot === slot))
      throw new Refusal(`OVMAPI_9999E Slot ${slot} is in use.`);
    if (virtualDisk) {
      const users = of(world, "VmDiskMapping", "virtualDisk", virtualDisk.id);
      if (users.some((one) => one.is.vm === vm.id))
        throw new Refusal("OVMAPI_9999E The disk is mapped to this machine already.");
      // Several machines need a shareable disk (CLI User's Guide 3.3, create VirtualDisk).
      if (users.length > 0 && virtualDisk.is.isShareable !== true)
        throw new Refusal("OVMAPI_9999E The disk is not shareable, and is mapped to another machine.");
    }
    return world.add("VmDiskMapping", name, {
      vm: vm.id,
      slot,
      virtualDisk: virtualDisk?.id,
      physicalDisk: physicalDisk?.id,
      cdrom: cdrom?.id,
    }).id;
  });
}

export function createVnic(
  world: World,
  {
    vm,
    network,
    mac,
    name,
  }: { vm?: Thing | undefined; network: Thing; mac?: string | undefined; name: string },
): Job {
  return world.begin("create Vnic", vm ? [vm.id] : [], () => {
    const own = (mac ?? freeMac(world)).toLowerCase();
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(own))
      throw new Refusal(`OVMAPI_9999E ${own} is not a MAC address.`);
    if (world.all("Vnic").some((one) => one.is.mac === own))
      throw new Refusal(`OVMAPI_9999E The MAC address ${own} is in use.`);
    return world.add("Vnic", name, { mac: own, network: network.id, vm: vm?.id }).id;
  });
}

/** Deletes an object that nothing depends on. */
export function remove(world: World, thing: Thing): Job {
  return world.begin(`delete ${thing.type}`, [thing.id], () => {
    if (thing.type === "VirtualDisk" && of(world, "VmDiskMapping", "virtualDisk", thing.id).length > 0)
      throw new Refusal("OVMAPI_9999E The disk is mapped to a virtual machine.");
    if (thing.type === "VmCloneCustomizer") removeCustomizer(world, thing);
    world.things.delete(thing.id);
    return undefined;
  });
}

function removeCustomizer(world: World, customizer: Thing): void {
  for (const type of ["VmCloneStorageMapping", "VmCloneNetworkMapping"])
    for (const one of of(world, type, "customizer", customizer.id)) world.things.delete(one.id);
  world.things.delete(customizer.id);
}

/**
 * The servers fetch the URLs; nothing is downloaded here, but for a name in the URL that ends in `missing`, they fail as for a file
 * that is not there. A template gets the name of its file.
 */
export function imported(
  world: World,
  repository: Thing,
  what: "template" | "iso" | "assembly",
  urls: readonly string[],
): Job {
  const names = { template: "importTemplate", iso: "importVirtualCdrom", assembly: "importAssembly" };
  return world.begin(names[what], [repository.id], () => {
    const [first = ""] = urls;
    for (const url of urls)
      if (!URL.canParse(url) || !/^(?:https?|ftp):$/.test(new URL(url).protocol) || url.includes("missing"))
        throw new Refusal(`OVMAPI_9999E ${url} cannot be fetched.`);
    const file = decodeURIComponent(new URL(first).pathname.split("/").at(-1) ?? "");
    const name = file.replace(/(?:-\d+of\d+)?\.(?:tgz|tar\.gz|tar|ova|zip|iso)$/, "");
    if (what === "iso") return world.add("VirtualCdrom", file, { repository: repository.id }).id;
    if (what === "assembly") {
      const assembly = world.add("Assembly", file, { repository: repository.id });
      world.add("AssemblyVm", name, { assembly: assembly.id, repository: repository.id });
      return assembly.id;
    }
    return addTemplate(world, repository, name);
  });
}

/** `createVmFromAssembly` makes a template, not a machine (CLI User's Guide 3.3). */
export function templateFromAssembly(world: World, vm: Thing): Job {
  return world.begin("createVmFromAssembly", [vm.id], () => {
    const repository = world.get("Repository", { id: String(vm.is.repository) });
    return addTemplate(world, repository, vm.name);
  });
}

export function addTemplate(world: World, repository: Thing, name: string): string {
  const template = world.add("Vm", name, {
    state: "TEMPLATE",
    domainType: "XEN_PVM",
    memoryMib: 2048,
    vcpus: 1,
    osType: "Oracle Linux 6",
    bootOrder: "DISK",
    repository: repository.id,
  });
  const disk = world.add("VirtualDisk", `System (${name})`, {
    bytes: 8 * gib,
    isShareable: false,
    repository: repository.id,
  });
  world.add("VmDiskMapping", "System", { vm: template.id, slot: 0, virtualDisk: disk.id });
  return template.id;
}

/** At most 1024 bytes if it is logged, 8192 if not; a key at most 256 (Concepts Guide 3.3, vmcon-vm-message). */
export function sendMessage(world: World, vm: Thing, key: string, value: string, log: boolean): Job {
  return world.begin("sendVmMessage", [vm.id], async () => {
    if (vm.is.state !== "RUNNING") throw new Refusal("OVMAPI_9999E The virtual machine is not running.");
    const most = log ? 1024 : 8192;
    if (Buffer.byteLength(value) > most)
      throw new Refusal(`OVMAPI_9999E The message is longer than ${most} bytes.`);
    if (Buffer.byteLength(key) > 256) throw new Refusal("OVMAPI_9999E The key is longer than 256 bytes.");
    const isUp = Date.now() - (world.startedAt.get(vm.id) ?? 0) >= world.settings.guestDelayMs;
    if (!isUp && world.settings.messageBeforeGuest === "refused")
      throw new Refusal("OVMAPI_9999E The guest does not answer.");
    if (!isUp) return undefined;
    await world.backing?.send(vm, key, value);
    const messages = world.sent.get(vm.id) ?? [];
    messages.push({ key, value, log });
    world.sent.set(vm.id, messages);
    return undefined;
  });
}

export async function messagesFrom(world: World, vm: Thing) {
  return world.backing ? world.backing.received(vm) : (world.received.get(vm.id) ?? []);
}

/** Things of a type that refer to another by `key`. */
export function of(world: World, type: string, key: string, id: string | undefined): Thing[] {
  return id === undefined ? [] : world.all(type).filter((one) => one.is[key] === id);
}

export function freeMac(world: World): string {
  for (let number = 1; ; number++) {
    const tail = number
      .toString(16)
      .padStart(6, "0")
      .replace(/(..)(?=.)/g, "$1:");
    const mac = `00:21:f6:${tail}`;
    if (!world.all("Vnic").some((one) => one.is.mac === mac)) return mac;
  }
}

function freeName(world: World, start: string): string {
  for (let number = 0; ; number++)
    if (!world.all("Vm").some((one) => one.name === `${start}${number}`)) return `${start}${number}`;
}
