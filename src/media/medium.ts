import { TbuildError } from "../errors.ts";
import { type Iso, openIso } from "./iso.ts";
import type { Medium } from "./media.ts";

/** Reads what an installation medium says of itself. What is none is an `integrity` fault that says why. */
export async function readMedium(file: string): Promise<Medium> {
  await using iso = await openIso(file);
  const treeinfo = sections((await text(iso, ".treeinfo")) ?? "");
  const discinfo = (await text(iso, ".discinfo"))?.split("\n") ?? [];
  const general = treeinfo.general ?? {};
  const told = general.version ?? releaseIn(discinfo[1]) ?? releaseIn(iso.volumeId);
  const release = told === undefined ? undefined : /^(\d+)(?:\.(\d+))?/.exec(told);
  if (!release)
    throw new TbuildError("integrity", `${file}: is not an installation disc (volume id ${iso.volumeId})`, {
      hint: "It has neither .treeinfo nor .discinfo; the recipe wants the DVD, not a boot or source disc.",
    });
  const arch = general.arch ?? discinfo[2]?.trim() ?? "unknown";
  if (arch !== "x86_64") throw new TbuildError("integrity", `${file}: is for ${arch}, not for x86_64`);
  const images = treeinfo["images-x86_64"] ?? {};
  const [kernel, initrd] = [
    await first(iso, ["isolinux/vmlinuz", images.kernel]),
    await first(iso, ["isolinux/initrd.img", images.initrd]),
  ];
  if (kernel === undefined || initrd === undefined)
    throw new TbuildError("integrity", `${file}: has no kernel and initrd to start an installation with`);
  return {
    file,
    volumeId: iso.volumeId,
    bytes: iso.bytes,
    major: Number(release[1]),
    update: Number(release[2] ?? 0),
    family: general.family ?? discinfo[1]?.replace(/\s*[\d.]+$/, "") ?? "unknown",
    arch,
    kernel,
    initrd,
  };
}

/** Takes kernel and initrd out of a medium. */
export async function extractBoot(medium: Medium, kernel: string, initrd: string): Promise<void> {
  await using iso = await openIso(medium.file);
  await iso.extract(medium.kernel, kernel);
  await iso.extract(medium.initrd, initrd);
}

async function first(iso: Iso, paths: readonly (string | undefined)[]): Promise<string | undefined> {
  for (const path of paths) if (path !== undefined && (await iso.find(path))) return path;
  return undefined;
}

async function text(iso: Iso, path: string): Promise<string | undefined> {
  const data = await iso.read(path);
  return data && new TextDecoder().decode(data);
}

/** `6.10` in `OL6.10 x86_64 Disc 1 20180625`, `Oracle Linux 6.10`, `OL-7.9 Server.x86_64`, `OL-8-9-0-BaseOS-x86_64`. */
function releaseIn(words: string | undefined): string | undefined {
  const match = /(?:OL|Linux|Server)[- ]?(\d+)(?:[.-](\d+))?/i.exec(words ?? "");
  return match ? `${match[1]}.${match[2] ?? 0}` : undefined;
}

function sections(ini: string): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  let here: Record<string, string> = {};
  for (const line of ini.split(/\r?\n/)) {
    const head = /^\[(.+)\]/.exec(line);
    const pair = /^([^=#;]+?)\s*=\s*(.*)$/.exec(line);
    if (head?.[1] !== undefined) {
      here = {};
      found[head[1]] = here;
    } else if (pair?.[1] !== undefined) here[pair[1]] = pair[2] ?? "";
  }
  return found;
}
