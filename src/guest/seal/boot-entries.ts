import type { GuestTree } from "../../image/tree.ts";
import { shellAssignments } from "../config/shell.ts";
import { withEdits } from "../config/text-edits.ts";
import { isKept, type PathOperation, textIn } from "../operation.ts";

/**
 * Replaces a machine id in the names of boot entries. osbuild's images of RHEL use the same (its stage
 * org.osbuild.machine-id). It is as long as an id, so the block of grubenv stays valid.
 */
const nobodysId = "f".repeat(32);

/**
 * Boot entries are called `<machine id>-<kernel>.conf` (the Boot Loader Specification; kernel-install(8)),
 * and GRUB's `saved_entry` names the default one by that. They get a name without the id. Everything that
 * refers to them is changed, too, and so is the token for the names of future entries. A rescue kernel keeps
 * its name: dracut makes another for the clone's own id with the next kernel.
 */
export const bootEntries: PathOperation = bootEntriesExcept([]);

// If one of the files is kept, all are, because they name each other.
function bootEntriesExcept(kept: readonly string[]): PathOperation {
  const wanted = async (tree: GuestTree) => {
    const steps = await planned(tree);
    return steps.some(({ path }) => isKept(path, kept)) ? [] : steps;
  };
  return {
    name: "boot-entries",
    summary: "Rename boot entries and their token, so that they do not contain the machine ID of the build",
    needs: "files",
    pending: async (tree) =>
      (await wanted(tree)).flatMap(({ path, to }) => (to === undefined ? [path] : [path, to])),
    async apply(tree) {
      for (const { path, to, text, isEmptied } of await wanted(tree)) {
        if (isEmptied) await tree.remove(path);
        else if (to === undefined) await tree.write(path, text);
        else {
          const old = await tree.stat(path);
          const { mode, uid, gid, label } = old ?? { mode: 0o644, uid: 0, gid: 0 };
          await tree.write(to, text, { mode, uid, gid, ...(label !== undefined && { label }) });
          await tree.remove(path);
        }
      }
    },
    except: bootEntriesExcept,
  };
}

interface Step {
  readonly path: string;
  /** Its new name. */
  readonly to?: string;
  readonly text: string;
  /** An empty folder named after the id. */
  readonly isEmptied?: true;
}

const menus = [
  "/boot/grub2/grubenv",
  "/boot/grub2/grub.cfg",
  "/boot/grub2/custom.cfg",
  "/boot/efi/EFI/*/grubenv",
  "/boot/efi/EFI/*/grub.cfg",
  "/etc/default/grub",
];

async function planned(tree: GuestTree): Promise<Step[]> {
  const steps: Step[] = [];
  const busy = await foldersOf(tree, steps);
  const renames = new Map<string, string>();
  if (await canFollow(tree))
    for (const folder of ["/boot/loader/entries", "/boot/efi/loader/entries"])
      for (const path of await tree.glob(`${folder}/*.conf`)) {
        const [, id = "", rest = ""] = /\/([\da-f]{32})-([^/]+)\.conf$/.exec(path) ?? [];
        if (id === "" || id === nobodysId || busy.has(id)) continue;
        const text = await textIn(tree, path);
        if (text === undefined) continue;
        const name = await freeName(tree, folder, `${nobodysId}-${rest}`, renames);
        renames.set(`${id}-${rest}`, name);
        const machineId = new RegExp(`^(machine-id[ \\t]+)${id}`, "gm");
        steps.push({
          path,
          to: `${folder}/${name}.conf`,
          text: text.replaceAll(machineId, `$1${nobodysId}`),
        });
      }
  for (const pattern of renames.size > 0 ? menus : [])
    for (const path of await tree.glob(pattern)) {
      if ((await tree.stat(path))?.kind === "link") continue;
      const text = await textIn(tree, path);
      const now = text === undefined ? undefined : followed(text, path, renames);
      if (now !== undefined && now !== text) steps.push({ path, text: now });
    }
  steps.push(...(await tokens(tree, busy)));
  return steps;
}

// A folder named after the id contains kernels of the other layout, so references to them must not change.
async function foldersOf(tree: GuestTree, steps: Step[]): Promise<ReadonlySet<string>> {
  const busy = new Set<string>();
  for (const above of ["/boot", "/boot/efi", "/efi"])
    for (const name of await tree.list(above)) {
      const path = `${above}/${name}`;
      if (!/^[\da-f]{32}$/.test(name) || (await tree.stat(path))?.kind !== "dir") continue;
      if ((await tree.list(path)).length > 0) busy.add(name);
      else steps.push({ path, text: "", isEmptied: true });
    }
  return busy;
}

// A default entry in a place where we cannot write, such as an EFI volume that is not open, must stay valid.
async function canFollow(tree: GuestTree): Promise<boolean> {
  const environment = "/boot/grub2/grubenv";
  return (await tree.stat(environment))?.kind !== "link" || (await textIn(tree, environment)) !== undefined;
}

async function freeName(
  tree: GuestTree,
  folder: string,
  wanted: string,
  renames: ReadonlyMap<string, string>,
): Promise<string> {
  const taken = new Set(renames.values());
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (!taken.has(name) && !(await tree.stat(`${folder}/${name}.conf`))) return name;
  }
}

function followed(text: string, path: string, renames: ReadonlyMap<string, string>): string {
  const names = /(?<![\w.-])[\da-f]{32}-[\w.~+-]+/g;
  const now = text.replaceAll(names, (name) => {
    const bare = name.replace(/\.conf$/, "");
    return (renames.get(bare) ?? bare) + name.slice(bare.length);
  });
  if (!path.endsWith("/grubenv") || now.length === text.length) return now;
  // GRUB's environment is a block of 1024 bytes, padded with `#`.
  const values = now.replace(/#+$/, "");
  return values.length > text.length ? text : values.padEnd(text.length, "#");
}

async function tokens(tree: GuestTree, busy: ReadonlySet<string>): Promise<Step[]> {
  const steps: Step[] = [];
  const isId = (value: string) => /^[\da-f]{32}$/.test(value) && value !== nobodysId && !busy.has(value);
  const token = "/etc/kernel/entry-token";
  const text = await textIn(tree, token);
  if (text !== undefined && isId(text.trim())) steps.push({ path: token, text: `${nobodysId}\n` });
  const info = "/etc/machine-info";
  const infoText = (await textIn(tree, info)) ?? "";
  const edits = shellAssignments(infoText)
    .filter(({ name, value }) => name === "KERNEL_INSTALL_MACHINE_ID" && isId(value))
    .map(({ valueStart, valueEnd }) => ({ start: valueStart, end: valueEnd, text: nobodysId }));
  if (edits.length > 0) steps.push({ path: info, text: withEdits(infoText, edits) });
  return steps;
}
