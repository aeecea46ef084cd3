import { makesPvm } from "../../no-pvm.ts";
import { type Job, type ManagerObject, Refusal, type World } from "../world.ts";

const gib = 2 ** 30;

/**
 * The servers fetch the URLs. Without machines behind the simulator nothing is downloaded; a URL with
 * `missing` in it fails like that of a missing file. A template gets the name of its file.
 */
export function imported(
  world: World,
  repository: ManagerObject,
  what: "template" | "iso" | "assembly",
  urls: readonly string[],
): Job {
  const names = { template: "importTemplate", iso: "importVirtualCdrom", assembly: "importAssembly" };
  return world.begin(names[what], [repository.id], async () => {
    const [first = ""] = urls;
    for (const url of urls)
      if (!URL.canParse(url) || !/^(?:https?|ftp):$/.test(new URL(url).protocol) || url.includes("missing"))
        throw new Refusal(`OVMAPI_9999E ${url} cannot be fetched.`);
    const file = decodeURIComponent(new URL(first).pathname.split("/").at(-1) ?? "");
    const name = file.replace(/(?:-\d+of\d+)?\.(?:tgz|tar\.gz|tar|ova|zip|iso)$/, "");
    if (what === "iso") {
      const disc = world.add("VirtualCdrom", file, { repository: repository.id });
      await world.backing?.fetchDisc(first, disc);
      return disc.id;
    }
    if (what === "assembly") {
      const assembly = world.add("Assembly", file, { repository: repository.id });
      world.add("AssemblyVm", name, {
        assembly: assembly.id,
        repository: repository.id,
        urls: urls.join(" "),
      });
      return assembly.id;
    }
    return fetchedTemplate(world, repository, name, urls);
  });
}

/** `createVmFromAssembly` makes a template, not a machine (CLI User's Guide 3.3). */
export function templateFromAssembly(world: World, vm: ManagerObject): Job {
  return world.begin("createVmFromAssembly", [vm.id], async () => {
    const repository = world.get("Repository", { id: String(vm.is.repository) });
    return fetchedTemplate(world, repository, vm.name, String(vm.is.urls ?? "").split(" "));
  });
}

/**
 * With real machines, a template has the contents of its files. An assembly is fetched when a template is
 * made from it.
 */
async function fetchedTemplate(
  world: World,
  repository: ManagerObject,
  name: string,
  urls: readonly string[],
): Promise<string> {
  if (!world.backing) return addTemplate(world, repository, name);
  await using fetched = await world.backing.fetchTemplate(urls);
  const template = world.add("Vm", name, {
    state: "TEMPLATE",
    domainType: fetched.domainType ?? "XEN_HVM_PV_DRIVERS",
    memoryMib: fetched.memoryMib ?? 1024,
    vcpus: fetched.vcpus ?? 1,
    osType: "None",
    bootOrder: "DISK",
    repository: repository.id,
  });
  for (const [slot, one] of fetched.disks.entries()) {
    const is = { bytes: one.bytes, isShareable: false, repository: repository.id };
    const disk = world.add("VirtualDisk", `${one.name} (${name})`, is);
    await one.keepAs(disk);
    world.add("VmDiskMapping", one.name, { vm: template.id, slot, virtualDisk: disk.id });
  }
  return template.id;
}

export function addTemplate(world: World, repository: ManagerObject, name: string): string {
  const template = world.add("Vm", name, {
    state: "TEMPLATE",
    domainType: makesPvm(world.settings.version) ? "XEN_PVM" : "XEN_HVM_PV_DRIVERS",
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
