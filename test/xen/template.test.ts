import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { temporaryFolder } from "../../src/host/temporary.ts";
import { startXenHost, type XenHost, xenSite } from "./xen-host.ts";

const host = localHost();
const root = resolve(import.meta.dirname, "../..");
const tbuild = (args: readonly string[]) =>
  host.run([process.execPath, join(root, "dist/bin/main.js"), ...args], { cwd: root });

describe("a rehearsal template, installed as HVM in qemu and converted to PVM", () => {
  let folder: string;
  let xenHost: XenHost;
  beforeAll(async () => {
    folder = (await temporaryFolder("template")).path;
    // Seconds where `make demo` has built it.
    await tbuild(["recipe", "ol6-grid", "--rehearse"]);
    xenHost = await startXenHost();
  }, 3_600_000);
  afterAll(async () => {
    await xenHost?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it("is booted by pygrub at a site of kind xen, configured through xenstore, and quiet at its second boot", async () => {
    const site = join(folder, "site.yaml");
    await writeFile(site, JSON.stringify({ hypervisor: xenSite(xenHost) }));
    const { stdout } = await tbuild([
      // Two clones have more memory than the Xen host.
      ...["--site", site, "recipe", "ol6-grid", "--rehearse", "--set", "trial.clones=1"],
    ]);
    expect(stdout).toContain("boot-trial");
    const shown = await tbuild(["template", "show", "ol6-grid-rehearsal", "--json"]);
    const { trial } = JSON.parse(shown.stdout) as { trial: string[] };
    expect(trial).toEqual(
      expect.arrayContaining([expect.stringContaining("rebooted, and nothing ran again")]),
    );
    expect((await xenHost.run("xl list | tail -n +3")).stdout).toBe("");
  });

  it("has a configuration for xl that xl takes", async () => {
    await tbuild(["template", "bundle", "ol6-grid-rehearsal", "--format", "xl", "--out", folder]);
    const { stdout } = await host.run(["sh", "-c", 'tar -xzOf "$0"/*.tgz --wildcards "*/vm.cfg"', folder]);
    await xenHost.host.writeFile("/root/vm.cfg", Buffer.from(stdout));
    const { stdout: said } = await xenHost.run("xl create -n /root/vm.cfg");
    expect(said).toContain("ol6-grid");
  });
});
