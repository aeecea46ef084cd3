import { readdir, readFile } from "node:fs/promises";
import { localHost } from "../../src/host/local.ts";

/** What guests are made of: the kernel, modules and programs of this machine. */

const host = localHost();

/** Debian's cloud kernel on this machine; `undefined` if it is not installed. */
export async function cloudKernel(): Promise<string | undefined> {
  const versions = await readdir("/lib/modules").catch(() => []);
  return versions
    .filter((one) => one.endsWith("-cloud-amd64"))
    .sort()
    .at(-1);
}

export function kernelFile(own: string, path: string): Promise<Buffer> {
  return readFile(`/lib/modules/${own}/${path}`);
}

/** These modules of this machine and what they need, each after what it needs; what is built in is left out. */
export async function modulesInOrder(own: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) {
    const { stdout } = await host.run(["modprobe", "-S", own, "--show-depends", name]);
    for (const [, path = ""] of stdout.matchAll(/^insmod \/(?:usr\/)?lib\/modules\/[^/]+\/(\S+)/gm))
      if (!found.includes(path)) found.push(path);
  }
  return found;
}

/** A program of this machine, and the libraries that it loads. */
export async function withLibraries(program: string): Promise<string[]> {
  const { stdout } = await host.run(["ldd", program]);
  return [program, ...[...stdout.matchAll(/(\/lib\S+) \(0x/g)].map(([, path = ""]) => path)];
}
