import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { temporaryFolder } from "../../src/host/temporary.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { bootableGuest, type Flavour, type Shape } from "../bootable/guest.ts";
import { startXenHost, type XenHost, xenSite } from "./xen-host.ts";

const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

// None has a driver of Xen in its initramfs before.
const guests: readonly (readonly [flavour: Flavour, shape: Shape, root: RegExp])[] = [
  ["el5", "own /boot", /\/dev\/xvda2/],
  ["el6", "own /boot", /\/dev\/xvda2/],
  ["el6", "bare", /\/dev\/xvda/],
  ["el7", "one partition", /\/dev\/xvda1/],
  ["el7", "UEFI", /\/dev\/xvda3/],
  ["el8", "LVM", /\/dev\/mapper\/vg0-root/],
  ["el9", "GPT", /\/dev\/xvda2/],
];

describe("a guest that was converted to PVM, coming from HVM and from KVM", () => {
  let folder: string;
  let xenHost: XenHost;
  let xen: Hypervisor;
  beforeAll(async () => {
    folder = (await temporaryFolder("converted")).path;
    xenHost = await startXenHost();
    const places = { folder: join(folder, "machines"), memory: folder };
    xen = await openHypervisor(host, xenSite(xenHost), places);
  });
  afterAll(async () => {
    await xenHost?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(guests)("comes to its root on Xen (%s, %s)", async (flavour, shape, root) => {
    const image = join(folder, "guest.img");
    await bootableGuest(image, flavour, shape);
    // No firmware boots a bare file system.
    const before = shape === "bare" ? [] : ["hvm", "kvm"];
    for (const mode of [...before, "pvm"])
      await host.run([process.execPath, main, "convert", "--to", mode, "--yes", image]);
    const name = "converted";
    await xen.define({
      name,
      domainType: "pvm",
      vcpus: 1,
      memoryMib: 384,
      cdroms: [],
      nics: [],
      guest: { release: 6 },
      disks: [{ slot: 0, mode: "write", content: { copyOf: image } }],
    });
    try {
      await xen.start(name);
      await xen.waitStopped(name, { timeoutMs: 600_000 });
      expect(await xen.consoleText(name)).toMatch(new RegExp(`GUEST-RUNS on ${root.source} `));
    } finally {
      await xen.destroy(name);
    }
  });
});
