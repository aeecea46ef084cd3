import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { sshHost } from "../../src/host/ssh.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { buildNetwork, type Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { makeTbuild, repository, type Tbuild } from "./tbuild.ts";

const isSlow = process.env.TBUILD_SLOW === "1";
const title = "clones that notice themselves by their MAC address";
const host = localHost();
const hook = "/etc/tbuild/clone.d/10-count";
const status = "/usr/libexec/tbuild-clone status";

describe.runIf(isSlow)(isSlow ? title : `${title} (TBUILD_SLOW=1 runs it)`, { timeout: 3_600_000 }, () => {
  let folder: string;
  let tbuild: Tbuild;
  let hypervisor: Hypervisor;
  const machines = ["original", "copy"];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-clones-"));
    for (const name of ["recipes", "kickstart"])
      await cp(join(repository, name), join(folder, name), { recursive: true });
    tbuild = await makeTbuild("e2e-clones", join(folder, "recipes"));
    const places = { folder: join(folder, "machines"), memory: join(folder, "memory") };
    const site = { kind: "qemu", accelerator: "tcg", patience: 4 } as const;
    await writeFile(join(folder, "site.yaml"), JSON.stringify({ hypervisor: site }));
    hypervisor = await openHypervisor(host, site, places);
  });
  afterAll(async () => {
    for (const name of machines) await hypervisor.destroy(name);
    await tbuild.run("clean");
    await rm(tbuild.home, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });

  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await tbuild.run(...args);
    expect(code, `${stderr}\n${stdout.split("\n").slice(-30).join("\n")}`).toBe(0);
    return stdout;
  };
  /** A disc with the values of a machine; each has another root password. */
  const disc = async (template: string, name: string, number: number, more = "") => {
    await writeFile(join(folder, `${name}.password`), `of-${name}-7731\n`);
    const { netmask, gateway } = hypervisor.buildAddresses;
    const values = join(folder, `${name}.yaml`);
    await writeFile(
      values,
      `com.oracle.linux.network.hostname: ${name}.example.com
com.oracle.linux.network.device.0: eth0
com.oracle.linux.network.onboot.0: "yes"
com.oracle.linux.network.bootproto.0: static
com.oracle.linux.network.ipaddr.0: ${hypervisor.buildAddresses.address(number)}
com.oracle.linux.network.netmask.0: ${netmask}
com.oracle.linux.network.gateway.0: ${gateway}
com.oracle.linux.root-password: { file: ${join(folder, `${name}.password`)} }
${more}`,
    );
    const iso = join(folder, `${name}.iso`);
    await ok("message", template, "--values", values, "--as", "ovf", "--output", iso);
    return iso;
  };
  let major: 6 | 7 = 6;
  const machine = async (name: string, image: string, mac: string, number: number, cdroms: string[]) => {
    await hypervisor.define({
      name,
      domainType: "hvm",
      vcpus: 1,
      memoryMib: 1024,
      disks: [{ slot: 0, mode: "write", content: { copyOf: image } }],
      cdroms,
      nics: [{ network: buildNetwork, mac, address: hypervisor.buildAddresses.address(number) }],
      guest: { release: major },
    });
  };
  /** Starts a machine, and logs in with the password of `from`. */
  const booted = async (name: string, from = name): Promise<Host> => {
    await hypervisor.start(name);
    const askpass = join(folder, `${from}.askpass`);
    await writeFile(askpass, `#!/bin/sh\nexec cat '${join(folder, `${from}.password`)}'\n`, { mode: 0o700 });
    const address = await hypervisor.address(name);
    if (!address) throw new Error("qemu knows the address");
    const guest = sshHost({ ...address, user: "root", login: { askpass } });
    const answers = () =>
      guest.run(["true"], { timeoutMs: 60_000 }).then(
        () => true,
        () => undefined,
      );
    return await waitFor("ssh", async () => ((await answers()) ? guest : undefined), {
      timeoutMs: 900_000,
    }).catch(async (error) => {
      throw new Error(`${error}\n${(await hypervisor.consoleText(name)).slice(-3000)}`);
    });
  };
  const said = async (guest: Host, script: string) => (await guest.run(["sh", "-c", script])).stdout.trim();
  const stopped = async (name: string, guest: Host) => {
    await said(guest, "sync; (sleep 1; exec poweroff) >/dev/null 2>&1 </dev/null &");
    await hypervisor.waitStopped(name, { timeoutMs: 900_000 });
  };
  const runs = (guest: Host) => said(guest, "cat /var/log/clone-hook");
  const verdict = async (guest: Host) => JSON.parse(await said(guest, status));
  const same = { verdict: "same", pending: false };

  it.each(["ol6", "ol7"])(
    "%s: a machine stays as it is, and a copy with another card configures itself once",
    async (release) => {
      major = release === "ol7" ? 7 : 6;
      const recipe = `${release}-noticing`;
      await writeFile(
        join(folder, "recipes", `${recipe}.yaml`),
        `extends: ${release}-base
name: ${recipe}
version: 1.0.0
summary: notices clones
firstBoot: { detect: mac }
bundles: [qcow2]
trial: { clones: 1 }
files:
  - path: ${hook}
    mode: "0755"
    content: |
      #!/bin/sh
      echo "of $TBUILD_MACS_BEFORE now $TBUILD_MACS" >> /var/log/clone-hook
      if [ -e /etc/hook-fails ]; then echo "no licence for this clone"; exit 3; fi
`,
      );
      await ok("recipe", recipe, "--rehearse");
      const template = `${recipe}-rehearsal`;
      const bundle = join(tbuild.home, `bundles/${template}-1.0.0/${template}-1.0.0.qcow2`);
      const image = join(folder, `${release}.raw`);
      await host.run(["qemu-img", "convert", "-O", "raw", bundle, image]);
      const [first, second] = ["00:21:f6:00:00:0a", "00:21:f6:00:00:0b"];

      await machine("original", image, first, 5, [await disc(template, "original", 5)]);
      let guest = await booted("original");
      expect(await runs(guest)).toBe(`of  now ${first}`);
      const keys = await said(guest, "cat /etc/ssh/ssh_host_*key.pub");
      await stopped("original", guest);
      guest = await booted("original");
      expect(await runs(guest)).toBe(`of  now ${first}`);
      expect(await verdict(guest)).toMatchObject(same);
      expect(await said(guest, "cat /etc/ssh/ssh_host_*key.pub")).toBe(keys);
      // The copy's first try will fail.
      await said(guest, "touch /etc/hook-fails");
      await stopped("original", guest);

      const disk = join(folder, "original.raw");
      await hypervisor.fetchDisk("original", 0, disk);
      await hypervisor.destroy("original");
      await machine("copy", disk, second, 6, [await disc(template, "copy", 6)]);
      await rm(disk);
      guest = await booted("copy");
      const once = `of  now ${first}\nof ${first} now ${second}`;
      expect(await runs(guest)).toBe(once);
      expect(await said(guest, "cat /var/log/ovm-template-config.log")).toContain(
        "no licence for this clone",
      );
      expect(await verdict(guest)).toMatchObject({ pending: true });
      await said(guest, "rm /etc/hook-fails");
      await stopped("copy", guest);

      const configured = `${once}\nof ${first} now ${second}`;
      for (const _boot of [1, 2]) {
        guest = await booted("copy");
        expect(await runs(guest)).toBe(configured);
        expect(await verdict(guest)).toMatchObject(same);
        expect(await said(guest, "hostname")).toBe("copy.example.com");
        expect(await said(guest, "ip -o link show eth0")).toContain(second);
        expect(await said(guest, "ip -o addr show eth0")).toContain(
          ` ${hypervisor.buildAddresses.address(6)}/`,
        );
        expect(await said(guest, "cat /etc/ssh/ssh_host_*key.pub")).not.toBe(keys);
        await stopped("copy", guest);
      }
      await hypervisor.destroy("copy");
    },
  );
});
