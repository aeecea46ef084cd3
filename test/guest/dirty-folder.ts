import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { MemoryFile } from "../fakes/memory-tree.ts";
import { cleanGuest, dirt } from "./dirty.ts";

/** Writes the dirtiest guest into a folder of this machine, with `files` that no operation may touch. */
export async function makeDirtyFolder(root: string, files = 20_000): Promise<void> {
  const all: Record<string, string | MemoryFile> = Object.assign(
    {},
    cleanGuest.files,
    ...Object.values(dirt).map((one) => one.files),
  );
  for (const [path, file] of Object.entries(all)) {
    const { data, mode = 0o644, uid = 0, gid = 0 } = typeof file === "string" ? { data: file } : file;
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), data);
    await chown(join(root, path), uid, gid);
    await chmod(join(root, path), mode);
  }
  const perFolder = 100;
  for (let dir = 0; dir * perFolder < files; dir++) {
    await mkdir(join(root, `opt/doc/${dir}`), { recursive: true });
    for (let file = 0; file < perFolder; file++)
      await writeFile(join(root, `opt/doc/${dir}/${file}`), `${dir} ${file}`);
  }
}
