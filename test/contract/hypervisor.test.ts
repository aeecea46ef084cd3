import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { chooseAccelerator } from "../../src/hypervisor/qemu/accelerator.ts";
import { testGuest } from "../test-guest.ts";
import { hypervisorContract, specOf as spec } from "./hypervisor-contract.ts";

const host = localHost();
const qemu = (folder: string, sshPort?: number) =>
  openHypervisor(
    host,
    { kind: "qemu", accelerator: "tcg", ...(sshPort !== undefined && { sshPort }) },
    { folder: join(folder, "machines"), memory: join(folder, "memory") },
  );

hypervisorContract("qemu", async (folder) => ({
  hypervisor: await qemu(folder),
  reopened: () => qemu(folder),
  guest: (script) => testGuest(folder, script, writeFile, ["virtio_net"]),
  device: (n) => `/dev/vd${"abc"[n]}`,
  async crash(vm) {
    process.kill(Number(await readFile(join(folder, "machines", vm, "pid"), "utf8")), "SIGKILL");
  },
  messageScript: (key, value) =>
    `p=; until [ -c "$p" ]; do /busybox usleep 100000; p=$(echo /dev/vport*p1); done
exec 3<>$p; echo '${JSON.stringify({ key, value })}' >&3; read -r line <&3; echo "got $line"
echo "$line" | /busybox sed "s/told/heard/" >&3; /busybox sleep 3`,
}));

describe("qemu", () => {
  let folder: string;
  let hypervisor: Hypervisor;
  const guest = (script: string) => testGuest(folder, script, writeFile);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-qemu-"));
    hypervisor = await qemu(folder);
  });
  afterEach(() => hypervisor.destroy("contract-vm"));
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("names the program that runs machines here, for the manifest", async () => {
    expect(await hypervisor.describe()).toMatch(/^qemu \d+\.\d+\.\d+, (?:kvm|tcg)$/);
  });

  it("gives guests three times as long without KVM", async () => {
    const patience = async (more: object) =>
      (
        await openHypervisor(
          host,
          { kind: "qemu", accelerator: "tcg", ...more },
          { folder: join(folder, "machines"), memory: join(folder, "memory") },
        )
      ).patience;
    expect(await patience({})).toBe(3);
    expect(await patience({ patience: 2 })).toBe(6);
    expect(await patience({ accelerator: "kvm" })).toBe(1);
  });

  it("names a port in use, if the site fixed it", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, "127.0.0.1", () => resolve((server.address() as { port: number }).port)),
    );
    const fixed = await qemu(folder, port);
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
    const crowded = await qemu(small);
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
    await writeFile(kernel, "this is not a kernel\n".repeat(1000));
    const device = join(folder, "kvm");
    await writeFile(device, "");
    const choice = await chooseAccelerator(host, {
      cacheFile: join(folder, "accelerator.json"),
      kernel,
      device,
    });
    expect(choice).toEqual({
      accelerator: "tcg",
      why: "/dev/kvm exists, but a kernel does not start under it",
    });
  });

  it("starts a machine by UEFI if asked to", async () => {
    await hypervisor.define({ ...spec(), firmware: "uefi" });
    await hypervisor.start("contract-vm");
    await waitFor(
      "UEFI's word on the console",
      async () => /BdsDxe|UEFI/.test(await hypervisor.consoleText("contract-vm")) || undefined,
      { timeoutMs: 90_000 },
    );
    await hypervisor.stop("contract-vm", { force: true });
  });
});
