import { type Job, Refusal, type Thing, type World } from "../world.ts";

const gib = 2 ** 30;

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
