import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { DirectBoot } from "../src/hypervisor/hypervisor.ts";
import { newcCpio } from "../src/media/initrd.ts";
import { extractBoot, extractLoader, readMedium } from "../src/media/medium.ts";
import { mediaCache, testMedium } from "./test-medium.ts";

/** There once the medium is. */
export const testBusybox = join(mediaCache, "debs/extracted/busybox-static/bin/busybox");

/** A guest that is up in five seconds: the medium's kernel, busybox, a few drivers, and `script` as all it does. */
export async function testGuest(
  folder: string,
  script: string,
  writeFile: (path: string, data: Uint8Array) => Promise<void>,
  moreDrivers: readonly string[] = [],
  console: "ttyS0" | "hvc0" = "ttyS0",
): Promise<DirectBoot> {
  const medium = await testMedium(6);
  const kernel = join(folder, "vmlinuz");
  const read = await readMedium(medium.iso);
  await extractBoot(read, kernel, join(folder, "unused"));
  await extractLoader(read, folder);
  const extracted = join(mediaCache, "debs/extracted");
  const busybox = await readFile(testBusybox);
  const modules = await drivers(extracted, ["virtio_pci", "virtio_blk", "virtio_console", ...moreDrivers]);
  const init = `#!/busybox sh
/busybox mkdir -p /proc /sys /dev
/busybox mount -t proc proc /proc; /busybox mount -t sysfs sysfs /sys; /busybox mount -t devtmpfs dev /dev
for module in ${modules.map((module) => module.name).join(" ")}; do /busybox insmod /$module; done
exec >/dev/${console} 2>&1 </dev/${console}
${script}
/busybox poweroff -f
`;
  const archive = newcCpio([
    { path: "init", data: Buffer.from(init), mode: 0o755 },
    { path: "busybox", data: busybox, mode: 0o755 },
    ...modules.map(({ name, data }) => ({ path: name, data })),
  ]);
  const initrd = join(folder, "initrd.img");
  await writeFile(initrd, gzipSync(archive));
  return {
    kernel,
    initrd,
    loader: folder,
    append: `console=tty0 console=${console === "hvc0" ? console : `${console},115200`} quiet`,
  };
}

/** Kernel modules with all that they need, in the order to load them. */
export async function drivers(
  extracted: string,
  names: readonly string[],
): Promise<{ name: string; data: Uint8Array }[]> {
  const image =
    (await readdir(extracted))
      .filter((name) => /^linux-image-[\d.]+.*amd64$/.test(name))
      .sort()
      .at(-1) ?? "";
  const folder = join(extracted, image, "lib/modules", image.replace("linux-image-", ""));
  const needs = new Map(
    (await readFile(join(folder, "modules.dep"), "utf8"))
      .split("\n")
      .map((line): [string, string[]] => [
        line.split(":")[0] ?? "",
        (line.split(":")[1] ?? "").trim().split(" ").filter(Boolean),
      ]),
  );
  const paths: string[] = [];
  for (const name of names) {
    const path = [...needs.keys()].find((one) => one.endsWith(`/${name}.ko`));
    if (path)
      for (const one of [...(needs.get(path) ?? []).reverse(), path])
        if (!paths.includes(one)) paths.push(one);
  }
  return Promise.all(
    paths.map(async (path) => ({
      name: path.split("/").at(-1) ?? "",
      data: await readFile(join(folder, path)),
    })),
  );
}
