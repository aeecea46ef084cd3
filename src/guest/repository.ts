import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { fileWord } from "../io/escape.ts";
import { fileFault } from "../io/file-fault.ts";

// Files of a repository beside its disks, and of tbuild beside an image, which are not images of a guest.
const strangers = /^(?:ISOs|lost\+found|\..*|.*\.tbuild-\w+)$/;
/** A packed template. */
export const packedName = /\.(?:ova|tgz|tar\.gz)$/i;
const imageName = /\.(?:img|raw|qcow2?|vmdk|vdi|vhdx?|qed)$/i;

/** The contents of a folder: a repository of Oracle VM, a folder of them, or any other. */
export interface FoundImages {
  readonly images: readonly string[];
  /** The vm.cfg files. */
  readonly configs: readonly string[];
  /** The names that people gave to repositories, by the path of the repository. */
  readonly aliases: ReadonlyMap<string, string>;
}

export async function findImages(folder: string): Promise<FoundImages> {
  const images: string[] = [];
  const configs: string[] = [];
  const aliases = new Map<string, string>();
  const look = async (at: string): Promise<void> => {
    const entries = await readdir(at, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOTDIR")
        throw new TbuildError("usage", "is not a folder", {
          subject: at,
          cause,
          hint: `To inspect one image: tbuild inspect ${fileWord(at)}`,
        });
      if (cause.code === "ENOENT")
        throw new TbuildError("usage", "no such folder", {
          subject: at,
          cause,
          hint: "Name a repository of Oracle VM, or any folder with images.",
        });
      throw fileFault(cause, at);
    });
    for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
      const path = join(at, entry.name);
      if (entry.isDirectory() && !strangers.test(entry.name)) await look(path);
      if (entry.isFile() && entry.name === "vm.cfg") configs.push(path);
      const alias = entry.isFile() && entry.name === ".ovsrepo" ? await aliasIn(path) : undefined;
      if (alias !== undefined) aliases.set(at, alias);
      if (entry.isFile() && (imageName.test(entry.name) || packedName.test(entry.name))) images.push(path);
    }
  };
  await look(folder);
  return { images, configs, aliases };
}

/** `.ovsrepo` names the repository in OVS_REPO_ALIAS. */
async function aliasIn(file: string): Promise<string | undefined> {
  const { size } = await stat(file);
  if (size > mostMarkBytes) return undefined;
  const text = await readFile(file, "utf8").catch(() => "");
  const [, alias] = /^\s*OVS_REPO_ALIAS\s*=\s*["']?(.*?)["']?\s*$/m.exec(text) ?? [];
  return alias || undefined;
}

const mostMarkBytes = 64 * 1024;
