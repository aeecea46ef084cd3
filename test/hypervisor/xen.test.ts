import { inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import type { Runner } from "../../src/host/host.ts";
import { addressOf } from "../../src/hypervisor/xen/address.ts";
import { xenConfig } from "../../src/hypervisor/xen/config.ts";
import { readDomains } from "../../src/hypervisor/xen/domains.ts";
import { readInfo } from "../../src/hypervisor/xen/examine.ts";
import type { Definition } from "../../src/hypervisor/xen/machine.ts";
import { XenOptions } from "../../src/hypervisor/xen/options.ts";
import { pngOfPpm } from "../../src/hypervisor/xen/picture.ts";
import { startScript } from "../../src/hypervisor/xen/scripts.ts";
import { notStarted, startDomain } from "../../src/hypervisor/xen/start.ts";
import { packetOf, readPackets } from "../../src/hypervisor/xen/xenstore.ts";
import { readVmCfg } from "../../src/vm-cfg/document.ts";
import { machineOf } from "../../src/vm-cfg/machine.ts";

describe("what xl prints", () => {
  // As Xen 4.17.7 printed it.
  const list = `Name                                        ID   Mem VCPUs	State	Time(s)   UUID                            Reason-Code	Security Label
Domain-0                                     0   512     1     r-----      20.8 00000000-0000-0000-0000-000000000000        -                -
a name with 1 2 3                            4   256     1     -b----       1.0 11111111-2222-3333-4444-555555555555        -                -
done                                         5   128     1     ---s--       2.1 11111111-2222-3333-4444-555555555556        1                -
broken                                       6   128     1     ----c-       2.1 11111111-2222-3333-4444-555555555557        3                -
(null)                                       7     0     1     --p--d       0.0 11111111-2222-3333-4444-555555555558        -                -
`;
  it("is a list of domains, with why they stopped", () => {
    expect(readDomains(list).map(({ name, id, reason }) => [name, id, reason])).toEqual([
      ["Domain-0", 0, undefined],
      ["a name with 1 2 3", 4, undefined],
      ["done", 5, 1],
      ["broken", 6, 3],
      ["(null)", 7, undefined],
    ]);
    expect(readDomains("xl: something else\n")).toEqual([]);
  });
  it("describes the host", () => {
    const info = readInfo("host                   : dom0\nvirt_caps              : pv hvm hap\nno colon\n");
    expect(info.get("virt_caps")).toBe("pv hvm hap");
  });
});

describe("the configuration of a machine for xl", () => {
  const machine: Definition = {
    name: "m-1",
    uuid: "11111111-2222-3333-4444-555555555555",
    domainType: "pvm",
    vcpus: 2,
    memoryMib: 512,
    disks: [
      { slot: 0, mode: "write", file: "/var/a, b.img", isOwn: true },
      { slot: 1, mode: "read-only", file: "/var/r.img", isOwn: true },
      { slot: 3, mode: "shared", file: "/var/s.img", isOwn: false },
      { slot: 4, mode: "write", file: "/dev/vg/data", isOwn: false },
    ],
    cdroms: ["/var/disc.iso"],
    nics: [
      { network: "build", mac: "00:21:f6:00:00:01" },
      { network: "storage", mac: "00:21:f6:00:00:02" },
      { network: "elsewhere", mac: "00:21:f6:00:00:03" },
    ],
  };
  const bridges = { build: "xenbr0", storage: "xenbr1" };
  const written = (more: Partial<Definition> = {}, boot?: Parameters<typeof xenConfig>[2]) =>
    xenConfig({ ...machine, ...more }, bridges, boot).toString();

  it("has its disks by slot, its cards by bridge, and pygrub", () => {
    const text = written();
    for (const part of [
      // qemu serves writable files; read-only files get a loop device, and block devices need neither.
      "vdev=xvda, access=rw, backendtype=qdisk, target=/var/a, b.img",
      "vdev=xvdb, access=ro, target=/var/r.img",
      "vdev=xvdd, access=rw, backendtype=qdisk, target=/var/s.img",
      "vdev=xvde, access=rw, target=/dev/vg/data",
      "vdev=xvdf, access=ro, target=/var/disc.iso",
      "mac=00:21:f6:00:00:02,bridge=xenbr1",
      "mac=00:21:f6:00:00:03,bridge=xenbr0",
      "type = 'pv'",
      "bootloader = 'pygrub'",
    ])
      expect(text).toContain(part);
    const read = machineOf(readVmCfg(text));
    expect(read.domainType).toBe("XEN_PVM");
    expect(read.memoryMib).toBe(512);
  });
  it("starts a kernel instead, where it is told to", () => {
    const boot = { kernel: "/k", ramdisk: "/r", commandLine: "console=hvc0 a='b \"c'" };
    const text = written({}, boot);
    expect(text).not.toContain("pygrub");
    expect(readVmCfg(text).values.get("cmdline")).toBe(boot.commandLine);
  });
  it("has drives, a serial port and a screen under HVM", () => {
    const text = written({ domainType: "pvhvm", firmware: "uefi" });
    for (const part of [
      "vdev=hdd, access=ro, devtype=cdrom",
      "serial = 'pty'",
      "bios = 'ovmf'",
      "type = 'hvm'",
    ])
      expect(text).toContain(part);
  });
});

describe("a machine that Xen does not start", () => {
  const fault = (said: readonly string[], logs = "") => {
    const error = new TbuildError("environment", "exit code 3 on dom0", {
      lines: said,
      code: "command-failed",
    });
    return notStarted(error, "m-1", "dom0", logs);
  };
  it("is reported with the output of Xen's tools, and the ends of their logs", () => {
    const { message, lines } = fault(["libxl: error: one"], "/var/log/xen/bootloader.1.log:\n\nno kernel\n");
    expect(message).toBe("m-1: Xen on dom0 does not start it");
    expect(lines.slice(0, 3)).toEqual(["libxl: error: one", "/var/log/xen/bootloader.1.log:", "no kernel"]);
  });
  // As libxl 4.17 says it.
  it.each([
    [
      "libxl_aoutils.c:539:async_exec_timeout: killing execution of /etc/xen/scripts/block add because of timeout",
      /too busy/,
    ],
    [
      "libxl_dm.c:3381:device_model_postconfig_done: Domain 1:Post DM startup configs failed, rc=-9",
      /too busy/,
    ],
    ["libxl_bootloader.c:661:bootloader_finished: Domain 1:bootloader failed - consult logfile", /pygrub/],
    ["libxl_dom.c:589:libxl__build_dom: xc_dom_parse_image failed", /cannot run the kernel/],
    ["libxl_mem.c:300: failed to free memory for the domain", /Free memory/],
    ["something else", /\/var\/log\/xen on dom0/],
  ])("has a next step for: %s", (said, hint) => {
    expect(fault([said]).hint).toMatch(hint);
  });
});

describe("a start on a slow Xen host", () => {
  const slow = "libxl_create.c:1896:domcreate_devmodel_started: Domain 1:device model did not start: -9";
  const start = { vm: "m-1", console: "console/tty", restarts: false };
  async function triesOf(tries: number, said: readonly string[]): Promise<number> {
    let begun = 0;
    const run: Runner["run"] = async (argv, { onLine } = {}) => {
      const line = argv.includes(startScript) ? said[begun++] : undefined;
      if (line !== undefined) onLine?.(line);
      if (line !== undefined)
        throw new TbuildError("environment", "exit code 3", { lines: [line], code: "command-failed" });
      return { exitCode: 0, stdout: "", stderr: "", bytes: new Uint8Array() };
    };
    await startDomain({ name: "dom0", run }, "/m", { ...start, tries }).catch((error) => {
      expect(error.message).toBe("m-1: Xen on dom0 does not start it");
      begun = -begun;
    });
    return begun;
  }
  it("is tried again after xl's own time limits, and after nothing else", async () => {
    expect(await triesOf(3, [slow, slow])).toBe(3);
    expect(await triesOf(3, [slow, slow, slow])).toBe(-3);
    expect(await triesOf(1, [slow])).toBe(-1);
    expect(await triesOf(3, ["xc_dom_parse_image failed"])).toBe(-1);
  });
});

describe("the picture of a screen", () => {
  const ppm = (head: string, pixels: readonly number[]) =>
    Buffer.concat([Buffer.from(head), Buffer.from(pixels)]);
  it("is a PNG that others can read, pixel by pixel", () => {
    const png =
      pngOfPpm(ppm("P6\n2 2\n255\n", [255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3])) ?? expect.unreachable();
    expect(png.subarray(0, 8).toString("hex")).toBe("89504e470d0a1a0a");
    const chunks = new Map<string, Buffer>();
    for (let at = 8; at < png.length; ) {
      const length = png.readUInt32BE(at);
      const body = png.subarray(at + 4, at + 8 + length);
      chunks.set(body.subarray(0, 4).toString(), body.subarray(4));
      at += length + 12;
    }
    // The sum of an empty IEND is in the PNG specification's every example.
    expect(png.subarray(-4).toString("hex")).toBe("ae426082");
    expect([...chunks.keys()]).toEqual(["IHDR", "IDAT", "IEND"]);
    expect(inflateSync(chunks.get("IDAT") ?? "")).toEqual(
      Buffer.from([0, 255, 0, 0, 0, 255, 0, 0, 0, 0, 255, 1, 2, 3]),
    );
  });
  it.each(["", "P6\n2 2\n255\n", "P5\n1 1\n255\nabc", "P6\n99999 99999\n255\nabc"])(
    "is none of %j",
    (text) => {
      expect(pngOfPpm(Buffer.from(text))).toBeUndefined();
    },
  );
});

describe("the address of a machine", () => {
  const mac = "00:21:f6:00:00:01";
  const none = { neighbours: "", reported: "", attributes: "" };
  it.each([
    ["an unknown one", none, undefined],
    [
      "a neighbour that answers before one that once did",
      {
        ...none,
        neighbours: `10.0.0.1 dev xenbr0 lladdr ${mac} STALE
10.0.0.2 dev xenbr0 lladdr 00:21:F6:00:00:01 REACHABLE
10.0.0.3 dev xenbr0  FAILED
10.0.0.4 dev xenbr0 lladdr 00:21:f6:00:00:02 REACHABLE`,
      },
      "10.0.0.2",
    ],
    [
      "what the guest reports",
      { ...none, reported: '{"lo": ["127.0.0.1/8"], "eth0": ["fe80::1/64", "10.0.0.7/24"]}' },
      "10.0.0.7",
    ],
    ["nothing of a report that is none", { ...none, reported: '{"eth0": 7}' }, undefined],
    ["an agent's", { ...none, attributes: 'vif = ""\n 0 = ""\n  ipv4 = ""\n   0 = "10.0.0.9"' }, "10.0.0.9"],
  ])("is %s", (_, known, expected) => {
    expect(addressOf(mac, known)).toBe(expected);
  });
});

describe("packets of xenstore", () => {
  it("are read whole, however they arrive", () => {
    const bytes = Buffer.concat([
      packetOf(2, Buffer.from("one")),
      packetOf(15, Buffer.from("path\0token\0")),
    ]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const first = readPackets(bytes.subarray(0, cut));
      const second = readPackets(Buffer.concat([first.left, bytes.subarray(cut)]));
      expect([...first.packets, ...second.packets].map(({ type, body }) => [type, body.toString()])).toEqual([
        [2, "one"],
        [15, "path\0token\0"],
      ]);
    }
  });
});

describe("the keys of a site for Xen", () => {
  it("have a bridge for the network build", () => {
    const addresses = { first: "10.0.0.31", gateway: "10.0.0.1", nameServer: "10.0.0.1" };
    expect(XenOptions.safeParse({ bridges: { build: "xenbr0" }, addresses }).success).toBe(true);
    expect(XenOptions.safeParse({ bridges: { storage: "xenbr0" }, addresses }).success).toBe(false);
    expect(XenOptions.safeParse({ bridges: { build: "xenbr0; rm" }, addresses }).success).toBe(false);
    expect(
      XenOptions.safeParse({ host: "-oProxyCommand=x", bridges: { build: "a" }, addresses }).success,
    ).toBe(false);
  });
});
