import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import type { ManagerApi } from "../../manager/api.ts";
import type { ManagerOptions } from "../../manager/options.ts";
import { notAsked, serveFiles } from "../../manager/serve-files.ts";
import { kernelDisc } from "../../media/kernel-disc.ts";
import type { DirectBoot } from "../hypervisor.ts";
import { discName } from "./marks.ts";
import type { OracleVmSite } from "./site.ts";

interface DiscWanted {
  /** On tbuild's machine. */
  readonly file: string;
  /** Its name in the repository. */
  readonly name: string;
  readonly repository: string;
  /** The server that fetches it, if the release requires one. */
  readonly server: string;
}

/**
 * Makes a server fetch a disc from this machine into the repository, and returns its id. First removes a disc
 * of this name that an interrupted call left.
 */
async function importedDisc(
  api: ManagerApi,
  options: ManagerOptions,
  { file, name, repository, server }: DiscWanted,
): Promise<string> {
  for (const old of await api.list("VirtualCdrom")) if (old.name === name) await api.deleteDisc(old.id);
  const before = new Set((await api.list("VirtualCdrom")).map(({ id }) => id));
  await using served = await serveFiles({ [name]: file }, options);
  await api.importIso({ repository, server, urls: served.urls }).catch((error) => {
    if (!(error instanceof TbuildError) || served.wasAsked()) throw error;
    throw error.with({ hint: notAsked(served) });
  });
  const made = (await api.list("VirtualCdrom")).filter(({ id }) => !before.has(id));
  const found = made.find((one) => one.name === name) ?? made.find((one) => one.name.includes(name));
  if (found) return found.id;
  throw new TbuildError("environment", `imported the disc ${name}, but does not list it`, {
    subject: api.name,
    lines: made.map((one) => one.name),
  });
}

/** Puts a disc of this machine into a slot of a virtual machine. */
export async function insertDisc(
  { there, access, servers }: OracleVmSite,
  vm: string,
  id: string,
  { file, name, slot }: { readonly file: string; readonly name: string; readonly slot: number },
): Promise<void> {
  const { api, repository } = await there();
  const wanted = { file, name, repository, server: access.options.server ?? servers.firstName };
  const virtualCdrom = await importedDisc(api, access.options, wanted);
  await api.createMapping(id, slot, { virtualCdrom }, `${vm} slot ${slot}`);
}

/** Removes the boot disc of an earlier start. A disc cannot be swapped, so its mapping is removed. */
export async function ejectBootDisc({ there }: OracleVmSite, vm: string, id: string): Promise<boolean> {
  const { api } = await there();
  const name = discName(vm, "boot");
  const discs = new Set((await api.list("VirtualCdrom")).flatMap((one) => (one.name === name ? one.id : [])));
  if (discs.size === 0) return false;
  for (const mapping of (await api.vm(id)).mappings) {
    const { device } = await api.mapping(mapping.id);
    if (device.kind === "cdrom" && discs.has(device.id)) await api.deleteMapping(mapping.id);
  }
  for (const disc of discs) await api.deleteDisc(disc);
  return true;
}

/** Makes a disc that starts a kernel, and puts it into the drive for boot discs. */
export async function insertBootDisc(
  site: OracleVmSite,
  vm: string,
  { id, bootSlot }: { readonly id: string; readonly bootSlot: number },
  { loader, ...kernel }: DirectBoot,
): Promise<void> {
  if (loader === undefined)
    throw new TbuildError(
      "environment",
      "can start a kernel from a disc only, but the medium has no isolinux",
      {
        subject: vm,
      },
    );
  await using scratch = await temporaryFolder("boot");
  const name = discName(vm, "boot");
  const file = join(scratch.path, name);
  await kernelDisc({ host: site.here, scratch: scratch.path }, { ...kernel, loader }, file);
  await insertDisc(site, vm, id, { file, name, slot: bootSlot });
}
