import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { chooseAccelerator } from "../../src/hypervisor/qemu/accelerator.ts";

let folder: string;
let files: { readonly cacheFile: string; readonly kernel: string; readonly device: string };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-accelerator-"));
  files = {
    cacheFile: join(folder, "cache/accelerator.json"),
    kernel: join(folder, "vmlinuz"),
    device: join(folder, "kvm"),
  };
  await writeFile(files.kernel, "a kernel");
  await writeFile(files.device, "");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A host whose qemu prints `lines`; without any it hangs until its deadline, as a broken nested KVM does. */
function hostOf(lines: readonly string[]): Host & { readonly tried: string[][] } {
  const tried: string[][] = [];
  const run: Host["run"] = async (argv, options) => {
    tried.push([...argv]);
    if (lines.length === 0) {
      await new Promise((done) => setTimeout(done, options?.timeoutMs));
      throw new Error("timed out");
    }
    for (const line of lines) options?.onLine?.(line);
    return { exitCode: 0, stdout: lines.join("\n"), stderr: "", bytes: Buffer.from(lines.join("\n")) };
  };
  return Object.assign(localHost(), { run, tried });
}

const panics = ["Linux version 5.4", "Kernel panic - not syncing: VFS: Unable to mount root fs"];
const distrust = { accelerator: "tcg", why: "/dev/kvm exists, but a kernel does not start under it" };

describe("the accelerator", () => {
  it("is kvm once a kernel started under it, with kvm and nothing else", async () => {
    const host = hostOf(panics);
    expect((await chooseAccelerator(host, files)).accelerator).toBe("kvm");
    expect(host.tried).toHaveLength(1);
    expect(host.tried[0]).toEqual(expect.arrayContaining(["-accel", "kvm", "-kernel", files.kernel]));
  });

  it.each([
    ["that hangs", []],
    ["that refuses", ["qemu-system-x86_64: failed to initialize kvm: No such device"]],
    ["under which a kernel stops early", ["Linux version 5.4", "BIOS-provided physical RAM map:"]],
  ])("is tcg beside a /dev/kvm %s", async (_, lines) => {
    expect(await chooseAccelerator(hostOf(lines), { ...files, deadlineMs: 50 })).toEqual(distrust);
  });

  it("is tested once for each boot of the host", async () => {
    await chooseAccelerator(hostOf([]), { ...files, deadlineMs: 50 });
    const again = hostOf(panics);
    expect(await chooseAccelerator(again, files)).toEqual(distrust);
    expect(again.tried).toEqual([]);
    const remembered = JSON.parse(await readFile(files.cacheFile, "utf8")) as object;
    await writeFile(files.cacheFile, JSON.stringify({ ...remembered, boot: "an earlier boot" }));
    expect((await chooseAccelerator(again, files)).accelerator).toBe("kvm");
    expect(again.tried).toHaveLength(1);
  });

  it("is tested again after a truncated cache file", async () => {
    await chooseAccelerator(hostOf(panics), files);
    await writeFile(files.cacheFile, '{"boot":"');
    expect(await chooseAccelerator(hostOf(["nothing"]), files)).toEqual(distrust);
  });

  it("is tcg without a device, and without a kernel to try it with", async () => {
    const host = hostOf(panics);
    const none = await chooseAccelerator(host, { ...files, device: join(folder, "nothing") });
    expect(none).toEqual({
      accelerator: "tcg",
      why: "/dev/kvm does not exist, or this user may not open it",
    });
    const { kernel: _, ...untried } = files;
    expect((await chooseAccelerator(host, untried)).why).toContain("was not tested");
    expect(host.tried).toEqual([]);
  });
});
