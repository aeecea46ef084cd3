import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { localHost } from "../src/host/local.ts";

const host = localHost();
const place = resolve(import.meta.dirname, "../.tbuild/pygrub");

/**
 * The real pygrub of Xen 4.17, out of Debian's packages, which are unpacked and not installed: what it would boot of a
 * disk, `kernel … ramdisk … args …`, or why nothing. The files it copies out are thrown away.
 */
export async function realPygrub(): Promise<
  (image: string, out: string) => Promise<{ boots: boolean; said: string }>
> {
  const root = join(place, "usr/lib/xen-4.17");
  if (!(await stat(root).catch(() => undefined))) {
    const part = `${place}.part`;
    await rm(part, { recursive: true, force: true });
    await mkdir(part, { recursive: true });
    await host.run(["apt-get", "download", "xen-utils-4.17", "libxenmisc4.17"], { cwd: part });
    const { stdout } = await host.run(["find", part, "-name", "*.deb"]);
    for (const file of stdout.trim().split("\n")) await host.run(["dpkg-deb", "-x", file, part]);
    await rename(part, place).catch(() => undefined);
  }
  const libraries = join(root, "lib/x86_64-linux-gnu");
  const env = {
    LD_LIBRARY_PATH: libraries,
    XEN_FSIMAGE_FSDIR: join(libraries, "xenfsimage"),
    PYTHONDONTWRITEBYTECODE: "1",
  };
  return async (image, out) => {
    const options = [`--output-directory=${out}`, "--output-format=simple"];
    try {
      const { stdout } = await host.run(
        ["/usr/bin/python3", join(root, "bin/pygrub"), "-q", ...options, image],
        { env },
      );
      return { boots: true, said: stdout };
    } catch (error) {
      return { boots: false, said: String((error as { lines?: string[] }).lines?.join("\n") ?? error) };
    }
  };
}
