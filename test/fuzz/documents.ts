import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { fileSource } from "../../src/bundles/read/byte-source.ts";
import { readChecksums } from "../../src/bundles/read/checksums.ts";
import { readOvf } from "../../src/bundles/read/read-ovf.ts";
import { tarEntries } from "../../src/bundles/read/tar-entries.ts";
import { unpackTemplate } from "../../src/bundles/read/unpack.ts";
import { importNetconfig } from "../../src/deploy/import-netconfig.ts";
import { parseContract } from "../../src/firstboot/contract.ts";
import { readModule } from "../../src/firstboot/module.ts";
import { localHost } from "../../src/host/local.ts";
import { challengesIn } from "../../src/io/challenges.ts";
import { openCompression } from "../../src/io/compression.ts";
import { xmlText } from "../../src/io/read-xml.ts";
import { checkKickstart } from "../../src/kickstart/check.ts";
import {
  importedText,
  importKickstart,
  releaseOfKickstart,
} from "../../src/kickstart/import/import-kickstart.ts";
import { listed, properties, readAnswers, readXmlAnswer, referenceIn } from "../../src/manager/cli/answer.ts";
import { described } from "../../src/media/description.ts";
import { openIso } from "../../src/media/iso.ts";
import { readMedium } from "../../src/media/medium.ts";
import { faultOfRpm } from "../../src/media/rpm-file.ts";
import { manifestDigest, manifestText, readManifest } from "../../src/model/manifest.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { rules } from "../../src/recipe/rules.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { checkPack, makePack } from "../../src/store/folder/pack.ts";
import { readCatalog } from "../../src/store/records/catalog.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { readVmCfg, vmCfgBytes } from "../../src/vm-cfg/document.ts";
import { editVmCfg } from "../../src/vm-cfg/edit.ts";
import { machineOf } from "../../src/vm-cfg/machine.ts";
import { tarFile } from "../bundles/read/tar-file.ts";
import { mbr } from "../image/disk-tables.ts";
import { sampleManifest } from "../manifest-sample.ts";
import { layouts, syntheticDisc } from "../media/synthetic-disc.ts";
import { type Entrance, made } from "./entrance.ts";

const host = localHost();
const manifest = manifestText(
  sampleManifest({ name: "System", digest: `sha256:${"a".repeat(64)}`, bytes: 1 << 30, dataBytes: 1 << 20 }),
);
const repository = resolve(import.meta.dirname, "../..");
const recipes = join(repository, "recipes");
const mostBytes = 64 << 20;

const vmCfg = `# -*- coding: utf-8 -*-
OVM_simple_name = 'System'
name = "0004fb"
memory = 2048; maxmem = 4096
vcpus = 2
disk = ['file:System.img,xvda,w',
  'phy:/dev/sdb,xvdb,w!', "format=raw, vdev=xvdc, access=ro, target=/a/b.iso", 'tap:qcow2:x.qcow2,xvdd,w', ]
vif = ['mac=00:21:f6:00:00:01,bridge=xenbr0']
OVM_os_type = 'Oracle Linux 6'
extra = """a
b""" 'c'
vnc = (512)
boot = '\\101' + 'b'
`;

const ovf = `<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
<References><File ovf:href="disk.img" ovf:id="f1" ovf:size="1048576"/></References>
<DiskSection><Info>d</Info><Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^20" ovf:format="http://x#raw"/></DiskSection>
<NetworkSection><Info>n</Info><Network ovf:name="bridged"/></NetworkSection>
<VirtualSystem ovf:id="x"><Info>v</Info><Name>x</Name><OperatingSystemSection ovf:id="109"><Info>o</Info><Description>Oracle Linux 6</Description></OperatingSystemSection>
<VirtualHardwareSection><Info>h</Info><System><vssd:VirtualSystemType>vmx-7</vssd:VirtualSystemType></System>
<Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>
<Item><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>2048</rasd:VirtualQuantity><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits></Item>
<Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType><rasd:Connection>bridged</rasd:Connection></Item>
<Item><rasd:InstanceID>4</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType><rasd:HostResource>ovf:/disk/d1</rasd:HostResource></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>
`;

const disk = Buffer.concat([mbr([{ type: 0x83, start: 2048, count: 100 }]), Buffer.alloc(1 << 20)]).subarray(
  0,
  1 << 20,
);
const ova = tarFile([
  { name: "x.ovf", data: ovf },
  { name: "disk.img", data: disk.toString("latin1") },
]);
const ovm = tarFile([
  {
    name: "x/vm.cfg",
    data: "name='x'\nmemory=1024\nvcpus=1\ndisk=['file:x/System.img,xvda,w']\nvif=['bridge=x']\n",
  },
  { name: "x/System.img", data: disk.toString("latin1") },
]);

async function asFile(input: Buffer, folder: string, name: string): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, input);
  return file;
}

async function samples(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".ks"));
  return Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
}

const module = () => readFile(join(import.meta.dirname, "../firstboot/by-hand/answer/answer"), "utf8");

/** Descriptions, archives and media from elsewhere. */
export const documentEntrances: readonly Entrance[] = [
  {
    name: "vm.cfg",
    tries: 80,
    inputs: async () => [vmCfg],
    async enter(input) {
      const document = readVmCfg(input);
      machineOf(document);
      readVmCfg(vmCfgBytes(editVmCfg(document, { memory: 512, name: "new" })));
    },
  },
  {
    name: "an OVF descriptor",
    tries: 80,
    inputs: async () => [ovf],
    enter: async (input) => readOvf("x.ovf", xmlText("x.ovf", input)),
  },
  {
    name: "a list of checksums",
    tries: 30,
    inputs: async () => [`SHA256(disk.img)= ${"a".repeat(64)}\nSHA1(x.ovf)= ${"b".repeat(40)}\n`],
    enter: async (input) => readChecksums("x.mf", input.toString()),
  },
  {
    name: "a tar",
    needs: ["tar"],
    tries: 60,
    async inputs(folder) {
      await mkdir(join(folder, "t"));
      await writeFile(join(folder, "t", `a-${"long-".repeat(30)}name`), "data");
      await writeFile(join(folder, "t", "sparse"), Buffer.alloc(1 << 20));
      await writeFile(join(folder, "t", "file"), "x".repeat(5000));
      const of = (...options: string[]) => made(["tar", ...options, "-C", folder, "-c", "t"]);
      return [
        of("--format=gnu"),
        of("--format=posix"),
        of("--format=gnu", "-S"),
        of("--format=posix", "-S"),
        of("--format=v7", "--exclude=a-*"),
      ];
    },
    async enter(input, folder) {
      await using source = await fileSource(await asFile(input, folder, "x.tar"));
      for await (const _ of tarEntries("x.tar", source));
    },
  },
  {
    name: "an archive, imported",
    needs: ["qemu-img"],
    tries: 10,
    inputs: async () => [ova, ovm, gzipSync(ova), gzipSync(ovm)],
    async enter(input, folder) {
      await unpackTemplate(host, await asFile(input, folder, "x"), folder, { mostBytes });
    },
  },
  {
    name: "a kickstart",
    tries: 20,
    inputs: () => samples(join(repository, "test/kickstart/samples")),
    async enter(input) {
      const text = input.toString();
      for (const major of [5, 6, 7, 8, 9]) checkKickstart(text, major);
      const release = releaseOfKickstart(text);
      const base = (await loadRecipe(recipes, `${release}-base`)).recipe;
      importedText(await importKickstart(text, "imported", base), "x.ks");
    },
  },
  {
    name: "a recipe",
    tries: 20,
    inputs: async () => [
      await readFile(join(recipes, "ol6-grid.yaml"), "utf8"),
      await readFile(join(recipes, "ol8-base.yaml"), "utf8"),
    ],
    async enter(input, folder) {
      for (const base of ["ol6-base.yaml", "ol6-db.yaml"])
        await writeFile(join(folder, base), await readFile(join(recipes, base)));
      await loadRecipe(folder, await asFile(input, folder, "mine.yaml"), rules);
    },
  },
  {
    name: ".treeinfo and .discinfo",
    tries: 60,
    inputs: async () => [
      "[general]\nfamily = Oracle Linux Server\nname = Oracle Linux Server 6.10\nversion = 6.10\narch = x86_64\nvariant = Server\ntimestamp = 1\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n[stage2]\nmainimage = images/install.img\n",
      "1529919471.5\nOracle Linux 6.10\nx86_64\n1,2,3\n",
    ],
    async enter(input) {
      const text = input.toString();
      described({ treeinfo: text, discinfo: "", volumeId: "OL6.10 x86_64 Disc 1 20180625" });
      described({ treeinfo: "", discinfo: text, volumeId: text.slice(0, 32) });
    },
  },
  {
    name: "a disc",
    needs: ["xorriso"],
    tries: 20,
    async inputs(folder) {
      const discs: Buffer[] = [];
      for (const [index, layout] of layouts.slice(0, 3).entries()) {
        await mkdir(join(folder, `${index}`));
        discs.push(await readFile(syntheticDisc(join(folder, `${index}`), layout)));
      }
      return discs;
    },
    async enter(input, folder) {
      const file = await asFile(input, folder, "x.iso");
      await readMedium(file);
      await using iso = await openIso(file);
      for (const { name } of (await iso.list("")).slice(0, 40)) await iso.list(name);
    },
  },
  {
    name: "an rpm",
    needs: ["rpmbuild"],
    tries: 20,
    async inputs(folder) {
      const spec =
        "Name: x\nVersion: 1\nRelease: 1\nSummary: s\nLicense: l\nBuildArch: noarch\n%description\nd\n%files\n";
      await writeFile(join(folder, "x.spec"), spec);
      made(["rpmbuild", "-bb", "--quiet", "--define", `_topdir ${folder}/rpm`, join(folder, "x.spec")]);
      return [await readFile(join(folder, "rpm/RPMS/noarch/x-1-1.noarch.rpm"))];
    },
    enter: async (input, folder) => faultOfRpm(await asFile(input, folder, "x.rpm")),
  },
  {
    name: "a manifest",
    tries: 60,
    inputs: async () => [manifest],
    enter: async (input) => manifestDigest(readManifest("1.0.0.json", input.toString())),
  },
  {
    name: "the records of a recipe repo",
    tries: 20,
    inputs: async () => {
      const pointer = {
        version: "1.0.0",
        digest: `sha256:${"a".repeat(64)}`,
        since: "2026-11-25T10:00:00.000Z",
      };
      return [
        JSON.stringify({ ...pointer, before: [pointer] }, null, 1),
        JSON.stringify({ v1: pointer }, null, 1),
        JSON.stringify({ reason: "x", since: pointer.since }, null, 1),
        manifest,
      ];
    },
    async enter(input, folder) {
      const at = join(folder, "templates/ol6-sample");
      for (const part of ["channels", "tags"]) await mkdir(join(at, part), { recursive: true });
      for (const name of ["channels/stable.json", "tags/v1.json", "1.0.0.revoked.json"])
        await writeFile(join(at, name), input);
      await writeFile(join(at, "1.0.0.json"), input.includes("domainType") ? input : manifest);
      await readCatalog(folderStore(host, join(folder, "store")), recordsIn(host, folder));
    },
  },
  {
    name: "a pack of chunks",
    tries: 30,
    async inputs() {
      const compression = await openCompression();
      const chunk = async (data: Buffer) => ({
        digest: createHash("sha256").update(data).digest("hex"),
        length: data.length,
        stored: (await compression.compress(data)) ?? data,
      });
      return [makePack([await chunk(Buffer.alloc(60_000, "abc")), await chunk(Buffer.from("short"))])];
    },
    async enter(input, folder) {
      const file = await asFile(input, folder, "x.pack");
      await checkPack(file, "", await openCompression());
    },
  },
  {
    name: "a module's header",
    tries: 40,
    inputs: async () => [await module()],
    async enter(input, folder) {
      await mkdir(join(folder, "mine"));
      await asFile(input, join(folder, "mine"), "mine");
      await readModule(join(folder, "mine"));
    },
  },
  {
    name: "a contract",
    tries: 80,
    inputs: async () => [
      `[('90', u'authentication', [{u'key': u'com.oracle.linux.root-password', 'description': "It's \\u00e9", 'required': True, 'hidden': False, 'password': True}]), ("50", "grid", [{"key": "a.b", "required": "no"}])]`,
      `[["90", "authentication", [{"key": "com.oracle.linux.root-password", "required": true, "hidden": null}]]]`,
    ],
    enter: async (input) => parseContract(input.toString()),
  },
  {
    name: "the challenges of a registry",
    tries: 60,
    inputs: async () => [
      'Bearer realm="https://auth/token",service="registry",scope="repository:x:pull", Basic realm=x, Negotiate YII==',
    ],
    enter: async (input) => challengesIn([input.toString("latin1")]),
  },
  {
    name: "deploycluster's netconfig.ini",
    tries: 30,
    inputs: async () => [
      "# a \\\nexport NODE1=db1 NODE1IP='192.0.2.11'\nNODE2=\"d\\\nb2\"\nif [ -e /x ]; then\nA=$(id)\nfi\ncat <<EOF\nB=1\nEOF\nPUBMASK=255.255.255.0\n",
      `NODE1=a${"\\\nb".repeat(100_000)}\nNODE1IP=192.0.2.11\n`,
      `A=${"$(".repeat(2000)}`,
      `A=${'"x"y'.repeat(5000)}`,
    ],
    enter: async (input) =>
      importNetconfig({ name: "netconfig.ini", text: input.toString("utf8") }, undefined, {
        template: "ol6-grid",
        netmask: "255.255.255.0",
        privateNetmask: "255.255.255.0",
      }),
  },
  {
    name: "an answer of Oracle VM Manager's CLI",
    tries: 30,
    inputs: async () => [
      "OVM> list Vm\nCommand: list Vm\nStatus: Success\nTime: 2020-02-26 08:58:47,940 EST\nData: \n  id:0004fb  name:00:21:f6\nOVM> show Vm id=1\n\rCommand: show Vm id=1\n\rStatus: Failure\n\rJobId: 7\n\rData: \n\r  Vnic 1 = 0004fb  [a [b]]\n\rError Msg: OVMAPI_4010E\n\rOVM> Connection closed.",
      '<?xml version="1.0"?><ShowCommandResult><Property><PropertyName>Name</PropertyName><PropertyValue>a</PropertyValue></Property></ShowCommandResult>',
      `Command: x\nStatus: Success\nData:\n  a${" ".repeat(100_000)}b\n  id:${"x".repeat(100_000)}`,
    ],
    enter: async (input) => {
      const text = input.toString("utf8");
      for (const block of readAnswers(text)) {
        listed(block);
        for (const { value } of properties(block)) referenceIn(value);
      }
      readXmlAnswer(text);
    },
  },
];
