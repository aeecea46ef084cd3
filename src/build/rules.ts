import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { sealTable } from "../guest/seal/index.ts";
import { suggestion } from "../recipe/findings.ts";
import type { Rule } from "../recipe/load.ts";
import { majorOf } from "../recipe/recipe.ts";

/** Checks of meaning: what the schema cannot know. All are asked, and all that they find is reported at once. */
export const rules: readonly Rule[] = [
  (recipe, { problem }) => {
    const known = sealTable.map((operation) => operation.name);
    for (const [i, name] of (recipe.seal?.skip ?? []).entries())
      if (!known.includes(name))
        problem(["seal", "skip", i], `no operation "${name}"${suggestion(name, known)}`);
  },
  (recipe, { problem }) => {
    const ids = recipe.repositories?.map((repository) => repository.id);
    if (ids && recipe.additions && !ids.includes(recipe.additions.repository))
      problem(
        ["additions", "repository"],
        `no repository "${recipe.additions.repository}"${suggestion(recipe.additions.repository, ids)}`,
      );
  },
  async (recipe, { problem, folder }) => {
    const names = await readdir(join(folder, "modules")).catch((): string[] => []);
    for (const [i, name] of (recipe.modules ?? []).entries())
      if (!names.includes(name))
        problem(["modules", i], `no folder modules/${name}${suggestion(name, names)}`);
  },
  async (recipe, { problem, folder }) => {
    for (const kind of ["files", "scripts"] as const)
      for (const [i, one] of (recipe[kind] ?? []).entries())
        if (one.from !== undefined && !(await stat(join(folder, one.from)).catch(() => undefined))?.isFile())
          problem([kind, i, "from"], `no file ${join(folder, one.from)}`);
  },
  (recipe, { problem }) => {
    if (recipe.domainType !== "XEN_PVM" || !recipe.release) return;
    // Oracle Linux 7 has no PVM: OLIT builds PVHVM only (facts, Oracle VM, section 6).
    if (majorOf(recipe.release) >= 7)
      problem(["domainType"], `${recipe.release} cannot run as XEN_PVM; use XEN_HVM_PV_DRIVERS`);
    const boot = recipe.layout?.findIndex((part) => part.mount === "/boot") ?? -1;
    const part = recipe.layout?.[boot];
    if (recipe.layout && !part)
      problem(["layout"], "XEN_PVM boots by pygrub, which needs a separate /boot on ext3");
    if (part && part.fs === "xfs")
      problem(["layout", boot, "fs"], "pygrub cannot read /boot on xfs; use ext3");
  },
  (recipe, { problem }) => {
    const { layout, machine } = recipe;
    if (!layout || !machine) return;
    if (!layout.some((part) => part.mount === "/")) problem(["layout"], "has no / partition");
    if (layout.length > 4)
      problem(["layout"], `has ${layout.length} partitions; an MBR disk has room for 4 primary ones`);
    const need = layout.reduce((sum, part) => sum + part.size, 0);
    if (need >= machine.disk) problem(["layout"], `needs ${need} MiB, and the disk has ${machine.disk} MiB`);
    for (const [i, part] of layout.entries())
      if ((part.mount === "swap") !== (part.fs === "swap"))
        problem(["layout", i, "fs"], `${part.mount} on ${part.fs}`);
  },
  (recipe, { problem }) => {
    // ext3 and ext4 are what EL5 and EL6 can boot from and install on; xfs comes with EL7.
    if (!recipe.release || majorOf(recipe.release) > 6) return;
    for (const [i, part] of (recipe.layout ?? []).entries())
      if (part.fs === "xfs") problem(["layout", i, "fs"], `${recipe.release} cannot be installed on xfs`);
  },
  (recipe, { problem }) => {
    for (const [list, key] of [
      ["groups", "gid"],
      ["users", "uid"],
    ] as const)
      for (const [i, one] of (recipe[list] ?? []).entries()) {
        const earlier = (recipe[list] ?? []).slice(0, i) as readonly { name: string }[];
        if (earlier.some((other) => other.name === one.name))
          problem([list, i, "name"], `"${one.name}" is there twice`);
        const id = (one as unknown as Record<string, number>)[key];
        if (
          (recipe[list] ?? [])
            .slice(0, i)
            .some((other) => (other as unknown as Record<string, number>)[key] === id)
        )
          problem([list, i, key], `${id} is there twice`);
      }
  },
];
