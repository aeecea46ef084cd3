import { describe, expect, it } from "vitest";
import { vmCfg, xlCfg } from "../../../src/bundles/write/vm-cfg.ts";
import type { Manifest } from "../../../src/model/manifest.ts";
import { firstBootSentence } from "../../../src/model/manifest-sentences.ts";
import { readVmCfg } from "../../../src/vm-cfg/document.ts";
import { machineOf } from "../../../src/vm-cfg/machine.ts";
import { sampleManifest } from "../../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"b".repeat(64)}`, bytes: 2 ** 30, dataBytes: 1 } as const;
const domainTypes = ["XEN_PVM", "XEN_HVM", "XEN_HVM_PV_DRIVERS"] as const;

/** The import of a vm.cfg with gaps between its disks. */
const imported = sampleManifest(disk, {
  disks: [
    disk,
    { ...disk, name: "asm1", slot: "xvdd", mode: "w!" },
    { ...disk, name: "ro", slot: "xvdf", mode: "r" },
  ],
  machine: {
    vcpus: 2,
    maxVcpus: 8,
    memoryMib: 512,
    maxMemoryMib: 4096,
    nics: ["br0", "br1"],
    vifs: ["mac=00:21:f6:00:00:01,bridge=br0", "bridge=br1"],
    drives: ["xvdb"],
    settings: {
      bootloader: "/usr/bin/pygrub",
      extra: "console=hvc0",
      OVM_os_type: "Oracle Linux 6",
      OVM_high_availability: true,
      exalogic: { a: [1, null] },
    },
  },
});

describe("vm.cfg of a template", () => {
  it.each(domainTypes)("of %s is read back", (domainType) => {
    const config = readVmCfg(vmCfg(sampleManifest(disk, { domainType })));
    expect(config.remarks).toEqual([]);
    expect(config.values.get("disk")).toEqual(["file:System.img,xvda,w"]);
    expect(config.values.get("OVM_description")).toContain(`It's "small" & <sealed>`);
    expect(machineOf(config).domainType).toBe(domainType);
  });

  it("keeps everything of the imported one", () => {
    const config = readVmCfg(vmCfg(imported));
    expect(config.values.get("disk")).toEqual([
      "file:System.img,xvda,w",
      "file:asm1.img,xvdd,w!",
      "file:ro.img,xvdf,r",
    ]);
    expect(machineOf(config)).toMatchObject({
      vcpus: 2,
      maxVcpus: 8,
      memoryMib: 512,
      maxMemoryMib: 4096,
      vifs: ["mac=00:21:f6:00:00:01,bridge=br0", "bridge=br1"],
      settings: imported.machine.settings,
    });
    const hvm = readVmCfg(vmCfg({ ...imported, domainType: "XEN_HVM" }));
    expect(hvm.values.get("disk")).toContain(",xvdb:cdrom,r");
  });

  it("gives disks without a slot the free slots", () => {
    const many = Array.from({ length: 30 }, (_, index) => ({ ...disk, name: `d${index}` }));
    const config = readVmCfg(vmCfg(sampleManifest(disk, { disks: [{ ...disk, slot: "xvdb" }, ...many] })));
    const slots = machineOf(config).disks.map(({ slot }) => slot);
    expect(slots.slice(0, 3)).toEqual(["xvdb", "xvda", "xvdc"]);
    expect(slots.at(-1)).toBe("xvdae");
    expect(new Set(slots).size).toBe(31);
  });

  it("names its encoding if it is not ASCII, because Python 2 would refuse it", () => {
    const first = (summary: string) => vmCfg(sampleManifest(disk, { summary })).toString().split("\n")[0];
    expect(first("plain")).toMatch(/^# ol6-sample/);
    expect(first("für Zürich\u0000 — 数")).toBe("# -*- coding: utf-8 -*-");
    const text = vmCfg(sampleManifest(disk, { summary: "a\0\n'''\u2028b\\" })).toString();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(text).not.toMatch(/[\0-\x08\x0b-\x1f]/);
    expect(readVmCfg(text).values.get("OVM_description")).toContain("a\0\n'''\u2028b\\ (");
  });

  it("claims no unknown release or first boot", () => {
    const unknown = sampleManifest(disk, {
      release: { name: "unknown", major: 0, update: 0 },
      kernel: "unknown",
    });
    const text = vmCfg(unknown).toString();
    expect(text).not.toMatch(/OVM_os_type|Oracle Linux/);
    expect(text).toContain(
      "# It was not verified that it is sealed; whether it configures itself at first boot is unknown.",
    );
  });

  it.each<[string, Partial<Manifest>, RegExp]>([
    [
      "an import that is armed",
      { armed: true },
      /^It was not verified .*; it configures itself at first boot/,
    ],
    ["an import that is not", { armed: false }, /^It was not verified .*; it is not armed/],
    ["what was sealed", { seal: sealed(true) }, /^Sealed: it configures itself at first boot/],
    ["what was sealed and not armed", { seal: sealed(false) }, /^Sealed; it is not armed/],
  ])("of %s says so", (_what, changes, sentence) => {
    expect(firstBootSentence(sampleManifest(disk, changes))).toMatch(sentence);
  });
});

describe("the xl configuration of a template", () => {
  it.each(domainTypes)("of %s contains nothing that xl refuses", (domainType) => {
    for (const manifest of [sampleManifest(disk, { domainType }), { ...imported, domainType }]) {
      const text = xlCfg(manifest, ({ name }) => `/images/${name}.img`).toString();
      for (const line of text.trim().split("\n"))
        expect(line).toMatch(/^(?:#.*|[a-z][a-z0-9_]* = (?:\d+|'.*'|".*"|\[.*\]))$/);
      const machine = machineOf(readVmCfg(text));
      expect(machine.disks[0]).toMatchObject({ target: "/images/System.img", slot: "xvda", mode: "w" });
      expect(machine.domainType).toBe(domainType === "XEN_PVM" ? "XEN_PVM" : "XEN_HVM");
    }
  });

  it("keeps places, modes and limits", () => {
    const machine = machineOf(readVmCfg(xlCfg(imported, ({ name }) => `/i/${name}`)));
    expect(machine.disks.map(({ slot, mode }) => `${slot} ${mode}`)).toEqual(["xvda w", "xvdd w", "xvdf r"]);
    expect(machine).toMatchObject({ maxMemoryMib: 4096, maxVcpus: 8, settings: { extra: "console=hvc0" } });
  });
});

function sealed(armed: boolean): NonNullable<Manifest["seal"]> {
  return { how: "offline", skipped: [], kept: [], armed, audited: [] };
}
