import { readdir, readFile } from "node:fs/promises";
import { localHost } from "../../src/host/local.ts";

/** The kernel, modules and programs of this machine, from which guests are made. */

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

/** These modules and their dependencies, dependencies first. Built-in modules are left out. */
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
