import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { vmCfg, xlCfg } from "../../src/bundles/write/vm-cfg.ts";
import { domainTypes } from "../../src/choices.ts";
import { localHost } from "../../src/host/local.ts";
import { xenConfig } from "../../src/hypervisor/xen/config.ts";
import { readVmCfg, vmCfgBytes } from "../../src/vm-cfg/document.ts";
import { editVmCfg } from "../../src/vm-cfg/edit.ts";
import { describeWith } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";
import { unpackedDebs } from "../pygrub.ts";
import { imported, sampleDisk } from "../vm-cfg/imported.ts";

const host = localHost();
const odd = resolve(import.meta.dirname, "../vm-cfg/samples/odd");
const judges = resolve(import.meta.dirname, "../vm-cfg/judges.py");

const found: Readonly<Record<string, string>> = {
  "gaps between disks": `name = 'gap'\nbootloader = '/usr/bin/pygrub'\nextra = 'console=hvc0'
disk = ['file:System.img,xvda,w', 'file:asm1.img,xvdd,w!', 'file:ro.img,xvdf,r', 'file:x.iso,xvdb:cdrom,r']
vif = ['mac=00:21:f6:00:00:01,bridge=br0', 'bridge=br1']\nOVM_os_type = 'Oracle Linux 6'\nOVM_high_availability = True\n`,
  "xl's syntax": `name="h0"; type="hvm"\nmemory = 512\ndisk = [ "format=raw, vdev=xvda, access=rw, target=/x/a b.img" ]\n`,
  "a HVM of the Manager": `builder = 'hvm'\nkernel = '/usr/lib/xen/boot/hvmloader'\ndevice_model = '/usr/lib/xen/bin/qemu-dm'
disk = ['file:/a.img,hda,w']\nvif = ['type=netfront,mac=00:21:f6:00:00:02,bridge=b']\ncpus = '0-3,^2'\nkeymap = 'de-ch'
vfb = ['type=vnc,vncpasswd=secret,vncunused=1']\ncpu_weight = 27500\ncpu_cap = 0\ntimer_mode = 2\non_crash = 'coredump-restart'\n`,
  "words of every alphabet": `OVM_simple_name = 'Zürich 数'\nOVM_description = '''two\nlines;'''\nboot = 'dc'\nextra = 'a="b" \\101'
builder='hvm'\ndisk = ['tap:aio:/a.img,xvda,w']\nusbdevice = 'tablet'\nexpose_host_uuid = 0\n`,
};

describeWith(["python3", "apt-get", "dpkg-deb"], "a vm.cfg that tbuild writes", () => {
  let folder: string;
  let libraries: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-vm-cfg-"));
    const debs = ["misc4.17", "toollog1", "call1", "evtchn1", "devicemodel1", "foreignmemory1", "gnttab1"];
    const names = [...debs, "toolcore1", "hypfs1", "store4"].map((one) =>
      one === "toollog1" ? "libxentoollog1" : `libxen${one}`,
    );
    libraries = join(await unpackedDebs("xl", [...names, "libyajl2", "libfdt1"]), "usr/lib/x86_64-linux-gnu");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function judged(judge: "grammar" | "xl", files: readonly Uint8Array[]): Promise<string[]> {
    const paths = files.map((_, index) => join(folder, `${judge}-${index}.cfg`));
    for (const [index, path] of paths.entries()) await writeFile(path, files[index] ?? "");
    const { stdout } = await host.run(["/usr/bin/python3", judges, judge, ...paths], {
      env: { LD_LIBRARY_PATH: libraries, PYTHONDONTWRITEBYTECODE: "1" },
    });
    return stdout.trim().split("\n");
  }

  it("is accepted by Python 2's grammar and by xl itself, for every domain type", async () => {
    const all = domainTypes.map((domainType) =>
      sampleManifest(sampleDisk, { domainType, summary: "Zürich" }),
    );
    expect(await judged("grammar", all.map(vmCfg))).toEqual(["ok", "ok", "ok"]);
    const xl = await judged(
      "xl",
      all.map((one) => xlCfg(one, () => "/i/System.img")),
    );
    expect(new Set(xl)).toEqual(new Set(["ok, /i/System.img at xvda"]));
  });

  it("is accepted by xl, for every kind of machine at a Xen site", async () => {
    const machine = {
      name: "m-1",
      uuid: "11111111-2222-3333-4444-555555555555",
      vcpus: 1,
      memoryMib: 512,
      disks: [
        { slot: 0, mode: "write", file: "/var/a, b.img", isOwn: true },
        { slot: 1, mode: "read-only", file: "/var/r.img", isOwn: true },
        { slot: 3, mode: "shared", file: "/var/s.img", isOwn: false },
      ],
      cdroms: ["/var/disc.iso"],
      nics: [{ network: "build", mac: "00:21:f6:00:00:01" }],
    } as const;
    const boot = { kernel: "/k", ramdisk: "/r", commandLine: `console=hvc0 a='b "c'` };
    const configs = (["pvm", "pvhvm", "hvm"] as const).flatMap((domainType) => [
      xenConfig({ ...machine, domainType }, { build: "xenbr0" }),
      xenConfig({ ...machine, domainType }, { build: "xenbr0" }, boot),
      xenConfig({ ...machine, domainType, firmware: "uefi" }, { build: "xenbr0" }),
    ]);
    const said = await judged("xl", configs);
    expect(said).toHaveLength(configs.length);
    const disks = ["/var/a, b.img at xvda", "/var/r.img at xvdb", "/var/s.img at xvdd"];
    for (const [index, line] of said.entries())
      expect(line).toBe(["ok", ...disks, `/var/disc.iso at ${index < 3 ? "xvde" : "hdd"}`].join(", "));
  });

  it.each(Object.entries(found))("is accepted after the import of one with %s", async (_what, config) => {
    const { python2, xl, manifest } = imported(config);
    expect(await judged("grammar", [python2])).toEqual(["ok"]);
    const [said = ""] = await judged("xl", [xl]);
    expect(said).toMatch(/^ok, \/i\/d0\.img at /);
    for (const one of manifest.disks) expect(said).toContain(`at ${one.slot}`);
    expect(`${python2}${xl}`).not.toContain("secret");
  });

  it("is accepted after the import of each hand-written sample", async () => {
    const samples = (await readdir(odd)).filter(
      (name) => name.endsWith(".cfg") && !name.startsWith("refused-"),
    );
    const all = await Promise.all(samples.map(async (name) => imported(await readFile(join(odd, name)))));
    const [python2, xl] = [
      await judged(
        "grammar",
        all.map((one) => one.python2),
      ),
      await judged(
        "xl",
        all.map((one) => one.xl),
      ),
    ];
    expect(samples.filter((_, index) => python2[index] !== "ok")).toEqual([]);
    expect(samples.filter((_, index) => !xl[index]?.startsWith("ok"))).toEqual([]);
    expect(all.map((one) => `${one.python2}${one.xl}`).join()).not.toContain("geheim");
  });

  it("is accepted after an edit, and only the edited lines differ", async () => {
    for (const config of Object.values(found)) {
      const document = readVmCfg(config);
      const edited = editVmCfg(document, { memory: 4096, OVM_description: "größer" });
      expect(await judged("grammar", [vmCfgBytes(edited)])).toEqual(["ok"]);
      const [before, after] = [document.text.split("\n"), edited.text.split("\n")];
      const lost = before.filter((line) => line !== "" && !after.includes(line));
      expect(
        lost.every((line) => /memory|OVM_description|lines;/.test(line)),
        lost.join("\n"),
      ).toBe(true);
    }
  });

  it("is read by xl as odd.json says", async () => {
    const samples = (await readdir(odd)).filter((name) => name.endsWith(".cfg"));
    const { stdout } = await host.run(
      ["/usr/bin/python3", judges, "xl-values", ...samples.map((name) => join(odd, name))],
      { env: { LD_LIBRARY_PATH: libraries, PYTHONDONTWRITEBYTECODE: "1" } },
    );
    const recorded = JSON.parse(await readFile(`${odd}.json`, "utf8")) as Record<string, { xl: unknown }>;
    expect(JSON.parse(stdout)).toEqual(
      Object.fromEntries(Object.entries(recorded).map(([name, { xl }]) => [name, xl])),
    );
  });

  it("would be refused by these parsers if it were wrong", async () => {
    const wrong = ["a = 'ü'\n", "a = = 1\n"].map((text) => Buffer.from(text));
    for (const said of await judged("grammar", wrong)) expect(said).not.toBe("ok");
    const forXl = ["OVM_x = 'a'\n", "disk = ['a,b,c,d,e,f']\n"].map((text) => Buffer.from(text));
    for (const said of await judged("xl", forXl)) expect(said).toContain("refused by xl");
  });
});
