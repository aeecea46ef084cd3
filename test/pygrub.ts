import { mkdir, rename, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { localHost } from "../src/host/local.ts";

const host = localHost();
const tools = resolve(import.meta.dirname, "../.tbuild");

/**
 * The real pygrub of Xen 4.17, out of Debian's packages, which are unpacked and not installed: what it would boot of a
 * disk, `kernel … ramdisk … args …`, or why nothing. The files it copies out are thrown away.
 */
export async function realPygrub(): Promise<
  (image: string, out: string) => Promise<{ boots: boolean; said: string }>
> {
  const root = join(await unpackedDebs("pygrub", ["xen-utils-4.17", "libxenmisc4.17"]), "usr/lib/xen-4.17");
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

/** Debian's packages, unpacked and not installed. They are kept for the next run. */
export async function unpackedDebs(
  name: string,
  packages: readonly string[],
  aptOptions: readonly string[] = [],
): Promise<string> {
  const place = join(tools, name);
  if (await stat(join(place, "usr")).catch(() => undefined)) return place;
  const part = `${place}.part-${process.pid}`;
  await mkdir(part, { recursive: true });
  await host.run(["apt-get", ...aptOptions, "download", ...packages], { cwd: part });
  const { stdout } = await host.run(["find", part, "-name", "*.deb"]);
  for (const file of stdout.trim().split("\n")) await host.run(["dpkg-deb", "-x", file, part]);
  await rename(part, place).catch(() => rm(part, { recursive: true, force: true }));
  return place;
}
