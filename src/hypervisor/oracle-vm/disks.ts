import { stat } from "node:fs/promises";
import { z } from "zod";
import { TbuildError } from "../../errors.ts";
import type { Host, Runner } from "../../host/host.ts";
import { sleep } from "../../host/wait-for.ts";
import { reasonOf } from "../../io/file-fault.ts";
import type { ManagerApi, Named } from "../../manager/api.ts";
import { createSteadily } from "../../manager/repeatable-creation.ts";
import { imageFormat, type VirtualDisk } from "../hypervisor.ts";
import type { FarDisks } from "../xen/disks.ts";
import { diskName, markOf, mayBeOf } from "./marks.ts";
import type { MachineRecord } from "./record.ts";

type Disk = MachineRecord["disks"][number];

export interface DiskMaking {
  readonly api: ManagerApi;
  readonly here: Host;
  readonly server: Runner;
  readonly files: FarDisks;
  readonly repository: string;
  /** The file of a disk on the servers. */
  fileOf(disk: Pick<Disk, "id" | "repository">): string;
}

/** Makes a disk in the Manager, and then writes its content to its file on a server. */
export async function diskMade(
  { api, here, server, files, repository, fileOf }: DiskMaking,
  vm: string,
  disk: VirtualDisk,
): Promise<Disk> {
  const { slot, content } = disk;
  if ("existing" in content)
    return { slot, ...(await existing(api, content.existing, fileOf)), isOwn: false };
  const name = diskName(vm, slot);
  const description = markOf(vm);
  const bytes = await bytesOf(here, content);
  const id = await createSteadily({
    what: `disk ${name}`,
    name,
    list: () => api.list("VirtualDisk"),
    create: () =>
      api.createDisk({ name, description, bytes, isShareable: false, isSparse: true, repository }),
    matches: async (found) => mayBeOf(vm, (await api.disk(found)).description),
    remove: (half) => api.deleteDisk(half),
  });
  const file = fileOf({ id, repository });
  await appeared(server, file);
  const { grownFrom } = await files.make(disk, file);
  return { slot, id, repository, isOwn: true, ...(grownFrom !== undefined && { grownFrom }) };
}

async function existing(api: ManagerApi, path: string, fileOf: DiskMaking["fileOf"]) {
  const [id = "", , repository = ""] = path.split("/").reverse();
  const isThere = (await api.list("VirtualDisk")).some((one: Named) => one.id === id);
  if (isThere && fileOf({ id, repository }) === path) return { id, repository };
  throw new TbuildError("environment", `is not a disk in a repository of ${api.name}`, { subject: path });
}

// If a finished job left no file, the configured paths may be wrong.
async function appeared(server: Runner, file: string): Promise<void> {
  for (let left = 20; ; left--) {
    if ((await server.run(["test", "-e", file], { allow: [1] })).exitCode === 0) return;
    if (left === 0) break;
    await sleep(250);
  }
  throw new TbuildError("environment", "does not exist, although the Manager made it", {
    subject: `${server.name}:${file}`,
    hint: "Check hypervisor.repositories in the site: where repositories are mounted on the servers.",
  });
}

async function bytesOf(here: Host, content: Exclude<VirtualDisk["content"], { existing: string }>) {
  if ("blank" in content) return content.blank;
  const image = "copyOf" in content ? content.copyOf : content.grownFrom;
  await stat(image).catch((cause: NodeJS.ErrnoException) => {
    throw new TbuildError("environment", `cannot be read: ${reasonOf(cause)}`, { subject: image, cause });
  });
  const { stdout } = await here.run(["qemu-img", "info", "-f", imageFormat(image), "--output=json", image]);
  return z.object({ "virtual-size": z.number() }).parse(JSON.parse(stdout))["virtual-size"];
}
