import { rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { temporaryFolder } from "../../src/host/temporary.ts";
import { startXenHost, type XenHost, xenSite } from "./xen-host.ts";

const host = localHost();
const root = resolve(import.meta.dirname, "../..");
const tbuild = (args: readonly string[], allow: readonly number[] = []) =>
  host.run([process.execPath, join(root, "dist/bin/main.js"), ...args], { cwd: root, allow });

describe("a rehearsal template, installed as HVM in qemu and converted to PVM", () => {
  let folder: string;
  let site: string;
  let xenHost: XenHost;
  beforeAll(async () => {
    folder = (await temporaryFolder("template")).path;
    // Seconds where `make demo` has built it.
    await tbuild(["recipe", "ol6-grid", "--rehearse"]);
    xenHost = await startXenHost();
    site = join(folder, "site.yaml");
    await writeFile(site, JSON.stringify({ hypervisor: xenSite(xenHost) }));
  }, 3_600_000);
  afterAll(async () => {
    await xenHost?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it("is booted by pygrub at a site of kind xen, configured through xenstore, and quiet at its second boot", async () => {
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
  }, 3_600_000);

  it("is deployed there: two nodes with a shared disk, configured, and destroyed with nothing left", async () => {
    const file = join(folder, "pair.yaml");
    await writeFile(join(folder, "root-password"), "xen-rootpassword-7731\n");
    await writeFile(
      file,
      `name: pair
template: ol6-grid-rehearsal
shared: [{ name: asm1, size: 16M }]
machines:
  - name: pair[1-2]
    memory: 768M
    nics: [{ network: public, address: "192.168.77.{number+40}/24", gateway: 192.168.77.1 }]
    shared: [asm1]
values: { com.oracle.linux.root-password: { file: ${join(folder, "root-password")} } }
`,
    );
    const deploy = async (...more: string[]) => {
      const argv = ["--site", site, "deploy", file, "--json", "--yes", ...more];
      const { stdout, stderr, exitCode } = await tbuild(argv, [1, 3, 6]);
      expect(exitCode, `${stdout.split("\n").slice(-30).join("\n")}\n${stderr}`).toBe(0);
      const lines = stdout.trim().split("\n");
      return lines.map((line) => JSON.parse(line));
    };
    expect((await deploy()).at(-1)).toMatchObject({ type: "done", unconfirmed: [] });
    const { stdout: seen } = await xenHost.run(
      "xl list | tail -n +3; xl block-list pair1; xl block-list pair2",
    );
    expect(seen).toMatch(/^pair1 [\s\S]*^pair2 /m);
    // xvda is 51712, xvdb 51728.
    expect(seen.match(/^51728 /gm)).toHaveLength(2);
    expect((await deploy()).at(-1)).toMatchObject({ type: "plan", idle: true });
    await deploy("--destroy");
    const { stdout: left } = await xenHost.run("xl list | tail -n +3; find /var/lib/tbuild -type f");
    expect(left).toBe("");
  }, 3_600_000);

  it("has a configuration for xl that xl takes", async () => {
    await tbuild(["template", "bundle", "ol6-grid-rehearsal", "--format", "xl", "--out", folder]);
    const { stdout } = await host.run(["sh", "-c", 'tar -xzOf "$0"/*.tgz --wildcards "*/vm.cfg"', folder]);
    await xenHost.host.writeFile("/root/vm.cfg", Buffer.from(stdout));
    const { stdout: said } = await xenHost.run("xl create -n /root/vm.cfg");
    expect(said).toContain("ol6-grid");
  });
});
