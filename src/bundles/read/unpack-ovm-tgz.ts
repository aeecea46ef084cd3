import { stat } from "node:fs/promises";
import { posix } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Described } from "./contents.ts";
import { type Contents, diskName, type UnpackedDisk } from "./contents.ts";
import { rawDisk } from "./disk-image.ts";
import { type Member, memberText, type UnpackOptions } from "./members.ts";
import { type Literal, readVmCfg } from "./read-vm-cfg.ts";
import { shown } from "./tar-entries.ts";

const mostConfigBytes = 256 * 1024;

/** A template of Oracle VM: a vm.cfg and the images that it names, by their file names. */
export async function unpackOvmTgz(
  host: Host,
  members: readonly Member[],
  work: string,
  options: UnpackOptions,
): Promise<Contents> {
  const [config, second] = members.filter((member) => posix.basename(member.name) === "vm.cfg");
  if (!config || second) throw new TbuildError("integrity", "the archive holds more than one vm.cfg");
  const values = readVmCfg(await memberText(config, mostConfigBytes));
  const notes: string[] = [];
  const disks: UnpackedDisk[] = [];
  const taken = new Set<Member>();
  let { mostBytes } = options;
  for (const entry of texts(values.get("disk"))) {
    const [source = "", device = "", mode = ""] = entry.split(",");
    if (/:cdrom\b/.test(device) || /\.iso$/i.test(source)) continue;
    if (source.startsWith("phy:")) {
      notes.push(`its disk ${shown(source)} is a device of another machine, and is left out`);
      continue;
    }
    if (mode.endsWith("!"))
      notes.push(`its disk ${shown(source)} is shared by several machines; that is not kept`);
    const name = posix.basename(source.replace(/^(?:file|tap(?::\w+)*|tap2(?::\w+)*):/, ""));
    const found = members.filter((member) => posix.basename(member.name) === name);
    const [member] = found;
    if (!member || taken.has(member))
      throw new TbuildError(
        "integrity",
        `vm.cfg: names the disk ${shown(name)}, which is not in the archive`,
      );
    if (found.length > 1)
      throw new TbuildError(
        "integrity",
        `vm.cfg: names the disk ${shown(name)}, which is there ${found.length} times`,
      );
    taken.add(member);
    const file = await rawDisk(host, member, work, undefined, { ...options, mostBytes });
    mostBytes -= (await stat(file)).size;
    disks.push({ name: diskName(name, disks), file });
  }
  if (disks.length === 0) throw new TbuildError("integrity", "vm.cfg: names no disk of the archive");
  for (const member of members)
    if (/\.img$/i.test(member.name) && !taken.has(member))
      notes.push(`${shown(member.name)} is named by no vm.cfg, and is left out`);
  return { said: describe(values), disks, notes };
}

function describe(values: ReadonlyMap<string, Literal>): Described {
  const text = (key: string) => {
    const value = values.get(key);
    return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
  };
  const number = (key: string) => {
    const value = Number(values.get(key) ?? Number.NaN);
    return Number.isInteger(value) && value > 0 ? value : undefined;
  };
  const [name, summary] = [text("OVM_simple_name") ?? text("name"), text("OVM_description")];
  const [vcpus, memoryMib] = [number("vcpus"), number("memory")];
  const vifs = texts(values.get("vif"));
  const nics = vifs.map((vif) => /(?:^|,)\s*bridge=([^,]+)/.exec(vif)?.[1] ?? "public");
  const domainType = domainTypeOf(text, vifs);
  return {
    ...(name !== undefined && { name }),
    ...(summary !== undefined && { summary }),
    ...(vcpus !== undefined && { vcpus }),
    ...(memoryMib !== undefined && { memoryMib }),
    ...(nics.length > 0 && { nics }),
    ...(domainType && { domainType }),
  };
}

/** The Manager's own word where there is one; what it writes for PVHVM is not known, so its network cards tell. */
function domainTypeOf(text: (key: string) => string | undefined, vifs: readonly string[]) {
  const word = text("OVM_domain_type");
  if (word === "xen_pvm" || (word === undefined && text("bootloader") !== undefined)) return "XEN_PVM";
  if (word === undefined && text("builder") !== "hvm") return undefined;
  return vifs.some((vif) => /(?:^|,)\s*type=netfront\b/.test(vif)) ? "XEN_HVM_PV_DRIVERS" : "XEN_HVM";
}

function texts(value: Literal): string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
}
