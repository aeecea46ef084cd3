import { TbuildError } from "../../errors.ts";
import type { CpioFile } from "./cpio.ts";
import type { InitramfsEntry } from "./initramfs.ts";
import { moduleName } from "./modules.ts";

/** Files that make an initramfs load modules. */
export interface Loading {
  readonly files: readonly CpioFile[];
  /** Files to add that `files` has under another path. */
  readonly replaced: readonly string[];
  /** True if it finds modules in the index that depmod makes. */
  readonly usesIndex: boolean;
}

/** Detects which program made an initramfs, and returns the files that make it load `names` in this order. */
export function loadingFiles(
  before: ReadonlyMap<string, InitramfsEntry>,
  added: readonly CpioFile[],
  names: readonly string[],
): Loading {
  const init = textOf(before.get("init"));
  if (/^#!\/bin\/nash/.test(init)) return byNash(init, added, names);
  const hooks = hookFolders.find((folder) => hasBelow(before, folder));
  if (hooks !== undefined) {
    const path = `${hooks}/${hookName}`;
    // An earlier conversion, to another hypervisor, has left a hook whose drivers are needed again on the way back.
    const earlier = [...textOf(before.get(path)).matchAll(/^modprobe -q ([\w-]+)$/gm)].map(
      ([, name = ""]) => name,
    );
    const lines = [...new Set([...earlier, ...names])].map((name) => `modprobe -q ${name}`);
    const data = Buffer.from(
      `# Added by tbuild: drivers that this initramfs lacked.\n${lines.join("\n")}\n:\n`,
    );
    return {
      files: [{ path, mode: 0o755, data }],
      replaced: [],
      usesIndex: true,
    };
  }
  for (const path of ["conf/modules", "etc/modules"]) {
    const list = before.get(path);
    if (!list) continue;
    const text = textOf(list);
    const further = names.filter((name) => !text.split("\n").includes(name));
    const data = Buffer.from(
      `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${further.join("\n")}\n`,
    );
    return { files: [{ path, mode: 0o644, data }], replaced: [], usesIndex: true };
  }
  throw new TbuildError(
    "guest",
    "was made by neither dracut nor mkinitrd, so it is unknown how it loads modules",
    {
      subject: "initramfs",
      hint: "Rebuild it in the guest, with the missing drivers.",
    },
  );
}

const hookName = "00-tbuild-drivers.sh";

/** True for the files of an initramfs that say what it loads: `loadingFiles` needs their contents. */
export function concernsLoading(path: string): boolean {
  return /^(?:init|etc\/modules|conf\/modules)$/.test(path) || path.endsWith(`/${hookName}`);
}

// dracut 004 of release 6 has its hooks in the root (source_all in its dracut-lib.sh), later ones in a folder.
const hookFolders = ["usr/lib/dracut/hooks/pre-udev", "lib/dracut/hooks/pre-udev", "pre-udev"];

function hasBelow(before: ReadonlyMap<string, InitramfsEntry>, folder: string): boolean {
  return before.has(folder) || [...before.keys()].some((path) => path.startsWith(`${folder}/`));
}

/**
 * mkinitrd of release 5: a script for nash loads each module with a line `insmod /lib/NAME.ko`; all modules
 * are in /lib. The new lines follow the last such line or, without one, the place where devices are made.
 */
function byNash(init: string, added: readonly CpioFile[], names: readonly string[]): Loading {
  const lines = init.split("\n");
  const further = names.filter((name) => !lines.some((line) => line.trim() === `insmod /lib/${name}.ko`));
  const own = further.flatMap((name) => [`echo "Loading ${name}.ko module"`, `insmod /lib/${name}.ko`]);
  const lastLoad = lines.findLastIndex((line) => /^\s*insmod\s/.test(line));
  const devices = lines.findIndex((line) => /^\s*(?:mkblkdevs|mkrootdev|resume|mount)\b/.test(line));
  const at = lastLoad >= 0 ? lastLoad + 1 : devices >= 0 ? devices : lines.length;
  const script = [...lines.slice(0, at), ...own, ...lines.slice(at)].join("\n");
  const modules = added.map(({ path, data = new Uint8Array() }) => ({
    path: `lib/${moduleName(path)}.ko`,
    mode: 0o600,
    data,
  }));
  return {
    files: [...modules, { path: "init", mode: 0o755, data: Buffer.from(script) }],
    replaced: added.map(({ path }) => path),
    usesIndex: false,
  };
}

function textOf(entry: InitramfsEntry | undefined): string {
  return Buffer.from(entry?.data ?? []).toString("utf8");
}
