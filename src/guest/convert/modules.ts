import type { GuestTree } from "../../image/tree.ts";
import type { Driver } from "../fitness/drivers.ts";

/** The kernel modules of one kernel, as its modules.dep lists them. */
export interface ModuleList {
  /** The possible modules for `driver`, as paths below `/lib/modules/VERSION`. */
  of(driver: Driver): string[];
  /** These modules and their dependencies; each follows its dependencies. */
  inOrder(modules: readonly string[]): string[];
}

/** Reads `/lib/modules/VERSION/modules.dep`; a kernel without one has no modules. */
export async function modulesOf(tree: GuestTree, version: string): Promise<ModuleList> {
  const needs = parseDependencies((await tree.text(`/lib/modules/${version}/modules.dep`)) ?? "", version);
  return {
    of: (driver) => [...needs.keys()].filter((path) => driver.module.test(path)),
    inOrder(modules) {
      const ordered = new Set<string>();
      const visited = new Set<string>();
      const visit = (path: string) => {
        if (visited.has(path)) return;
        visited.add(path);
        for (const needed of needs.get(path) ?? []) visit(needed);
        ordered.add(path);
      };
      for (const path of modules) visit(path);
      return [...ordered];
    },
  };
}

/** `xen-blkfront` of `kernel/drivers/block/xen-blkfront.ko.xz`. */
export function moduleName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.ko(?:\.\w+)?$/, "");
}

// modules.dep(5): a path, a colon, and the dependencies. Before release 6 the paths are absolute; later they are relative to the
// kernel's folder.
function parseDependencies(text: string, version: string): ReadonlyMap<string, readonly string[]> {
  const below = `/lib/modules/${version}/`;
  const inside = (path: string) => (path.startsWith(below) ? path.slice(below.length) : path);
  const isInside = (path: string) => !path.startsWith("/") && !path.split("/").includes("..");
  const needs = new Map<string, readonly string[]>();
  for (const line of text.replaceAll("\\\n", " ").split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const path = inside(line.slice(0, colon).trim());
    const needed = line.slice(colon + 1).split(/\s+/);
    if (isInside(path))
      needs.set(
        path,
        needed
          .filter((one) => one !== "")
          .map(inside)
          .filter(isInside),
      );
  }
  return needs;
}
