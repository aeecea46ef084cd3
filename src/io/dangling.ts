import { lstat, readlink, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { TbuildError } from "../errors.ts";

/**
 * Throws `environment` if a symbolic link that leads nowhere is the reason why `absent` does not exist. The file system that
 * it leads to may not be mounted, so it is not known whether the file exists.
 */
export async function refuseDangling(absent: string): Promise<void> {
  for (let path = resolve(absent); ; path = dirname(path)) {
    const target = await readlink(path).catch(() => undefined);
    if (target !== undefined && !(await leadsSomewhere(path)))
      throw new TbuildError("environment", `is a symbolic link to ${target}, which does not exist`, {
        subject: path,
        hint: "Mount or restore what it leads to. If it is not needed any more, remove the link.",
      });
    if (path === dirname(path) || (await lstat(path).catch(() => undefined))) return;
  }
}

async function leadsSomewhere(link: string): Promise<boolean> {
  return stat(link).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
  );
}
