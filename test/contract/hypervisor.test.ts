import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import type { Hypervisor, VmDisk, VmSpec } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/index.ts";
import { chooseAccelerator } from "../../src/hypervisor/qemu/accelerator.ts";
import { testGuest } from "../test-guest.ts";

let folder: string;
let hypervisor: Hypervisor;
const host = localHost();
const open = (places: string, sshPort?: number) =>
  openHypervisor(
    host,
    { kind: "qemu", accelerator: "tcg", ...(sshPort !== undefined && { sshPort }) },
    { folder: places, memory: join(folder, "memory") },
  );
const guest = (script: string) => testGuest(folder, script, writeFile);

function spec(disk: VmDisk = { blank: 64 * 1024 * 1024 }): VmSpec {
  return {
    name: "contract-vm",
    mode: "hvm",
    vcpus: 1,
    memoryMib: 256,
    disks: [disk],
    cdroms: [],
    nics: [{ network: "build", mac: "00:21:f6:00:00:01" }],
    guest: { release: 6 },
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-hypervisor-"));
  hypervisor = open(join(folder, "machines"));
});
afterEach(() => hypervisor.destroy("contract-vm"));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("qemu", () => {
  it("goes from absent to stopped to running to stopped to absent, and twice is fine", async () => {
    expect(await hypervisor.state("contract-vm")).toBe("absent");
    await hypervisor.destroy("contract-vm");
    await hypervisor.define(spec());
    await expect(hypervisor.define(spec())).rejects.toThrow(/a machine of this name exists/);
    expect(await hypervisor.state("contract-vm")).toBe("stopped");
    await hypervisor.start(
      "contract-vm",
      await guest(
        "echo hello from the guest; /busybox sleep 2; /busybox dd if=/dev/urandom of=/dev/vda bs=512 count=1 2>/dev/null",
      ),
    );
    expect(await hypervisor.state("contract-vm")).toBe("running");
    // Another process finds it by its name.
    expect(await open(join(folder, "machines")).state("contract-vm")).toBe("running");
    await waitFor(
      "the guest's line",
      async () =>
        (await readFile(hypervisor.consoleFiles("contract-vm").log, "utf8")).includes("hello from the guest")
          ? true
          : undefined,
      { timeoutMs: 60_000 },
    );
    await hypervisor.picture("contract-vm", join(folder, "screen.png"));
    expect((await readFile(join(folder, "screen.png"))).subarray(1, 4).toString()).toBe("PNG");
    const lines: string[] = [];
    for await (const line of hypervisor.console("contract-vm")) lines.push(line);
    expect(lines.join("\n")).toContain("hello from the guest");
    expect(await hypervisor.waitStopped("contract-vm", { timeoutMs: 60_000 })).toBe("guest-shutdown");
    await hypervisor.stop("contract-vm");
    await hypervisor.fetchDisk("contract-vm", 0, join(folder, "fetched.img"));
    expect((await readFile(join(folder, "fetched.img"))).subarray(0, 512).some((byte) => byte !== 0)).toBe(
      true,
    );
    await hypervisor.destroy("contract-vm");
    expect(await hypervisor.state("contract-vm")).toBe("absent");
    expect(await hypervisor.list()).not.toContain("contract-vm");
  });

  it("carries messages both ways", async () => {
    await hypervisor.define(spec());
    await hypervisor.start(
      "contract-vm",
      await guest(
        'p=; until [ -c "$p" ]; do /busybox usleep 100000; p=$(echo /dev/vport*p1); done\nexec 3<>$p; echo \'{"key":"ask","value":"name?"}\' >&3; read -r line <&3; echo "got $line"; echo "$line" | /busybox sed "s/told/heard/" >&3; /busybox sleep 3',
      ),
    );
    await using messages = await hypervisor.messages("contract-vm");
    await waitFor("the question", async () => messages.received().find((message) => message.key === "ask"), {
      timeoutMs: 60_000,
    });
    await messages.send("told", 'a "quoted" word');
    await waitFor(
      "the echo",
      async () =>
        messages.received().find((message) => message.key === "heard" && message.value === 'a "quoted" word'),
      { timeoutMs: 60_000 },
    );
  });

  it("tells a killed qemu and a reset from a shutdown", async () => {
    await hypervisor.define(spec());
    await hypervisor.start("contract-vm", await guest("/busybox sleep 600"));
    const pid = Number(await readFile(join(folder, "machines/contract-vm/pid"), "utf8"));
    process.kill(pid, "SIGKILL");
    expect(await hypervisor.waitStopped("contract-vm", { timeoutMs: 60_000 })).toBe("killed");
    await hypervisor.start("contract-vm", await guest("/busybox reboot -f"));
    expect(await hypervisor.waitStopped("contract-vm", { timeoutMs: 60_000 })).toBe("guest-reset");
  });

  it("grows a disk out of an image that it never changes", async () => {
    const base = join(folder, "base.img");
    await writeFile(base, Buffer.alloc(8 * 1024 * 1024, 7));
    await hypervisor.define(spec({ grownFrom: base }));
    await hypervisor.start(
      "contract-vm",
      await guest("/busybox dd if=/dev/zero of=/dev/vda bs=1024 count=100 conv=fsync 2>/dev/null"),
    );
    expect(await hypervisor.waitStopped("contract-vm", { timeoutMs: 60_000 })).toBe("guest-shutdown");
    expect((await readFile(base)).every((byte) => byte === 7)).toBe(true);
  });

  it("says what runs machines here, for the manifest", async () => {
    expect(await hypervisor.describe()).toMatch(/^qemu \d+\.\d+\.\d+, (?:kvm|tcg)$/);
  });

  it("names a port that is taken, where the site fixed it", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
    );
    const fixed = open(join(folder, "machines"), port);
    try {
      await fixed.define(spec());
      await expect(fixed.start("contract-vm", await guest(":"))).rejects.toThrow(
        `port ${port} on 127.0.0.1 is in use`,
      );
    } finally {
      server.close();
    }
  });

  it("notices that the host's disk is full", async () => {
    const small = join(folder, "small");
    await host.run(["mkdir", small]);
    await host.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", small]);
    const crowded = open(small);
    try {
      await crowded.define(spec());
      await crowded.start(
        "contract-vm",
        await guest("/busybox dd if=/dev/urandom of=/dev/vda bs=1M count=40 conv=fsync"),
      );
      await expect(crowded.waitStopped("contract-vm", { timeoutMs: 90_000 })).rejects.toThrow(
        /the host's disk is full: \d+ MiB are free/,
      );
    } finally {
      await crowded.destroy("contract-vm");
      await host.run(["umount", small]);
    }
  });

  it("does not trust a /dev/kvm under which qemu starts no kernel", async () => {
    const kernel = join(folder, "no-kernel");
    await writeFile(kernel, "this is no kernel\n".repeat(1000));
    const device = join(folder, "kvm");
    await writeFile(device, "");
    const choice = await chooseAccelerator(host, {
      cacheFile: join(folder, "accelerator.json"),
      kernel,
      device,
    });
    expect(choice).toEqual({
      accelerator: "tcg",
      why: "/dev/kvm is there, but a kernel does not start under it",
    });
  });

  it("starts a machine by UEFI where it is asked to", async () => {
    await hypervisor.define({ ...spec(), firmware: "uefi" });
    await hypervisor.start("contract-vm");
    await waitFor(
      "UEFI's word on the console",
      async () =>
        /BdsDxe|UEFI/.test(await readFile(hypervisor.consoleFiles("contract-vm").log, "latin1")) || undefined,
      { timeoutMs: 90_000 },
    );
    await hypervisor.stop("contract-vm", { force: true });
  });
});
