import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import { legacyMenu, MenuFault } from "../fitness/menus.ts";
import { existsIn } from "../fitness/volume-files.ts";
import { legacyMenuFiles } from "../legacy-menus.ts";
import type { Operation } from "../operation.ts";
import type { Release } from "../release.ts";
import { mayRun } from "./kernels.ts";

/**
 * Makes the default an entry whose kernel exists and runs in the mode, and makes kernel updates keep that kind of kernel:
 * release 5 has kernels that run only in paravirtual machines, and others that run only elsewhere.
 */
export function kernelChoice(mode: GuestMode, release: Release): Operation {
  const steps = async (tree: GuestTree) => [
    ...(await menuEdits(tree, mode, release)),
    ...(await packageEdit(tree, mode, release)),
  ];
  return {
    name: "kernel-choice",
    summary: "Boot by default a kernel that runs on the new machine, and keep that kind on updates",
    needs: "files",
    pending: async (tree) => (await steps(tree)).map(({ path }) => path),
    async apply(tree) {
      for (const { path, text } of await steps(tree)) await tree.write(path, text);
    },
  };
}

interface Edit {
  readonly path: string;
  readonly text: string;
}

async function menuEdits(tree: GuestTree, mode: GuestMode, release: Release): Promise<Edit[]> {
  const edits: Edit[] = [];
  for (const path of await legacyMenuFiles(tree)) {
    const text = await tree.text(path);
    if (text === undefined) continue;
    const { entries, chosen } = menuOf(text);
    const fits: boolean[] = [];
    for (const { kernel } of entries)
      fits.push(kernel !== undefined && (await isFit(tree, kernel, mode, release)));
    if (entries.length === 0 || fits[chosen]) continue;
    const wanted = fits.indexOf(true);
    if (wanted < 0)
      throw new TbuildError("guest", `no entry has an existing kernel that runs as ${mode}`, {
        subject: path,
        lines: entries.map(({ title, kernel }) => `${title}: ${kernel ?? "no kernel"}`),
        hint:
          release.major === 5 && mode === "pvm"
            ? "Install kernel-xen or kernel-uek in the guest; the plain kernel of release 5 has no PV."
            : "Install a kernel in the guest, or repair the menu.",
      });
    edits.push({ path, text: withDefault(text, wanted) });
  }
  return edits;
}

function menuOf(text: string): ReturnType<typeof legacyMenu> {
  try {
    return legacyMenu(text);
  } catch (error) {
    if (error instanceof MenuFault) return { entries: [], chosen: 0 };
    throw error;
  }
}

async function isFit(tree: GuestTree, kernel: string, mode: GuestMode, release: Release): Promise<boolean> {
  const version = /vmlinu[xz]-(.+)$/.exec(kernel)?.[1];
  const isThere = (await existsIn(tree, kernel)) || (await existsIn(tree, `/boot/${kernel}`));
  return version !== undefined && isThere && mayRun(version, release, mode);
}

function withDefault(text: string, index: number): string {
  const line = /^([ \t]*default)[ \t=].*$/m;
  return line.test(text) ? text.replace(line, `$1=${index}`) : `default=${index}\n${text}`;
}

const packageFile = "/etc/sysconfig/kernel";

async function packageEdit(tree: GuestTree, mode: GuestMode, release: Release): Promise<Edit[]> {
  const text = await tree.text(packageFile);
  const versions = await tree.list("/lib/modules");
  const uek = versions.some((version) => /uek/.test(version));
  const xen = release.major === 5 && versions.some((version) => version.endsWith("xen"));
  const now = /^DEFAULTKERNEL=(.*)$/m.exec(text ?? "")?.[1]?.trim();
  if (text === undefined || now === undefined) return [];
  const wanted =
    mode !== "pvm"
      ? now === "kernel-xen"
        ? uek
          ? "kernel-uek"
          : "kernel"
        : now
      : xen
        ? "kernel-xen"
        : uek
          ? "kernel-uek"
          : now;
  const path = packageFile;
  return wanted === now
    ? []
    : [{ path, text: text.replace(/^DEFAULTKERNEL=.*$/m, `DEFAULTKERNEL=${wanted}`) }];
}
