import { copyFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Place } from "../../src/deploy/place.ts";
import { places } from "../../src/deploy/places/table.ts";
import { isIdle } from "../../src/deploy/plan.ts";
import { localHost } from "../../src/host/local.ts";
import { temporaryFolder } from "../../src/host/temporary.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { Site } from "../../src/recipe/site.ts";
import { type Deploying, deploy, deployTemplate, destroy, plan } from "../deploy/sample-deployment.ts";
import { extDisk } from "../guest-image.ts";
import { testGuest } from "../test-guest.ts";
import { startXenHost, type XenHost, xenSite } from "./xen-host.ts";

const host = localHost();
const patienceMs = 600_000;
const nodes = (memory = "256M") => `
name: xen
template: ol6-grid
shared: [{ name: asm, size: 8M }]
machines:
  - name: node[1-2]
    memory: ${memory}
    nics: [{ network: public }, { network: storage }]
    disks: [{ name: u01, size: 4M }]
    shared: [asm]
`;

// Each writes its MAC into its own part of the shared disk, until it has read that of the other one.
const script = `/busybox mkdir -p /sbin
for end in poweroff reboot; do printf "#!/busybox sh\\n/busybox $end -f\\n" > /sbin/$end; /busybox chmod 755 /sbin/$end; done
mac=$(/busybox cat /sys/class/net/eth0/address)
part=$(/busybox printf '%d' "0x\${mac##*:}")
echo "machine $mac with $(/busybox ls /sys/block | /busybox tr '\\n' ' ')"
while :; do
  echo "mac $mac" | /busybox dd of=/dev/xvdb bs=4096 seek=$part conv=notrunc,fsync 2>/dev/null
  echo 3 > /proc/sys/vm/drop_caches
  others=$(/busybox grep -ao 'mac ..:..:..:..:..:..' /dev/xvdb | /busybox grep -v "$mac")
  [ -z "$others" ] || { echo "the other is $others"; break; }
  /busybox sleep 1
done
while :; do /busybox sleep 1; done`;

describe("a deployment on a Xen host", () => {
  let folder: string;
  let xenHost: XenHost;
  let xen: Hypervisor;
  let options: Deploying;
  let image: string;
  beforeAll(async () => {
    folder = (await temporaryFolder("deployment")).path;
    options = { stateFile: join(folder, "xen.json"), stopGraceMs: 120_000, version };
    const { kernel, initrd } = await testGuest(
      folder,
      script,
      writeFile,
      ["xen-blkfront", "xen-netfront"],
      "hvc0",
    );
    const menu =
      "default=0\ntitle one\n root (hd0,0)\n kernel /boot/vmlinuz-1 console=hvc0\n initrd /boot/initrd-1\n";
    image = join(folder, "System.img");
    const files = {
      "/boot/grub/menu.lst": menu,
      "/boot/vmlinuz-1": { data: await readFile(kernel) },
      "/boot/initrd-1": { data: await readFile(initrd) },
    };
    const old = ["-t", "ext4", "-O", "^64bit,^metadata_csum"];
    await extDisk(image, { files }, { mebibytes: 48, options: old });
    xenHost = await startXenHost();
    const at = { folder: join(folder, "machines"), memory: join(folder, "memory") };
    xen = await openHypervisor(host, xenSite(xenHost), at);
  });
  afterAll(async () => {
    await xenHost?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const version = async () => ({
    manifest: { ...deployTemplate, domainType: "XEN_PVM" as const },
    isHere: true,
  });
  const open = async (): Promise<Place> => {
    const kind = (await places.hypervisor?.()) ?? expect.unreachable();
    return kind.open({
      host,
      folder: join(folder, "place"),
      memory: join(folder, "memory"),
      hypervisor: xen,
      site: Site.parse({}),
      signal: new AbortController().signal,
      restoreDisk: (_disk, to) => copyFile(image, to),
      environment: () => undefined,
      askSecret: () => Promise.reject(new Error("nobody is asked")),
    });
  };
  const consoleSays = (machine: string, what: RegExp) =>
    waitFor(
      `${machine}: ${what}`,
      async (last) => {
        const said = await xen.consoleText(machine);
        if (last) expect(said).toMatch(what);
        return what.exec(said) ?? undefined;
      },
      { timeoutMs: patienceMs, everyMs: 2000 },
    );

  it("has two machines of one template that share a disk, on two bridges", async () => {
    await deploy(await open(), nodes(), options);
    const macs = new Map<string, string>();
    for (const machine of ["node1", "node2"]) {
      const [, mac = "", disks] = await consoleSays(machine, /machine (\S+) with ([^\r\n]*)/);
      macs.set(machine, mac);
      expect(disks).toMatch(/xvda xvdb xvdc/);
    }
    expect(await consoleSays("node1", new RegExp(`the other is mac ${macs.get("node2")}`))).toBeDefined();
    expect(await consoleSays("node2", new RegExp(`the other is mac ${macs.get("node1")}`))).toBeDefined();
    const bridges = await xenHost.run(
      "xl list | tail -n +3; ls /sys/class/net/xenbr0/brif /sys/class/net/xenbr1/brif",
    );
    expect(bridges.stdout).toMatch(/^node1 [\s\S]*^node2 /m);
    expect(bridges.stdout.match(/vif\d+\.0/g)).toHaveLength(2);
    expect(bridges.stdout.match(/vif\d+\.1/g)).toHaveLength(2);
    expect(isIdle((await plan(await open(), nodes(), options)).plan)).toBe(true);
  });

  it("has machines that continue by themselves after a reboot", async () => {
    const domain = async () => (await xenHost.run("xl domid node2")).stdout.trim();
    const before = await domain();
    await xenHost.run("xl reboot node2");
    await consoleSays("node2", /machine [\s\S]*machine [\s\S]*the other is/);
    expect(await domain()).not.toBe(before);
    expect(isIdle((await plan(await open(), nodes(), options)).plan)).toBe(true);
  });

  it("is changed where the file changes: a machine shuts down, and starts with the new memory", async () => {
    const text = nodes("300M");
    await deploy(await open(), text, options);
    const { stdout } = await xenHost.run("xl list | tail -n +3 | awk '{ print $1, $3 }'");
    expect(stdout.trim().split("\n").sort()).toEqual(["node1 300", "node2 300"]);
    expect(isIdle((await plan(await open(), text, options)).plan)).toBe(true);
  });

  it("is destroyed with nothing left on the Xen host or here", async () => {
    await destroy(await open(), options);
    const { stdout } = await xenHost.run("xl list | tail -n +3; find /var/lib/tbuild -type f");
    expect(stdout).toBe("");
    for (const name of ["machines", "disks", "templates", "reports"])
      expect(await readdir(join(folder, "place", name)).catch(() => [])).toEqual([]);
  });
});
