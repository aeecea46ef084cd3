import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readChecksums } from "../../../src/bundles/read/checksums.ts";
import { readOvf } from "../../../src/bundles/read/read-ovf.ts";
import { readXml } from "../../../src/bundles/read/read-xml.ts";
import { ovfDescriptor } from "../../../src/bundles/write/ovf.ts";
import { TbuildError } from "../../../src/errors.ts";
import { sampleManifest } from "../../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"b".repeat(64)}`, bytes: 2 ** 30, dataBytes: 1 } as const;

const ovf = (inner: string, head = "") =>
  `<?xml version="1.0"?>${head}<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">${inner}</Envelope>`;

const machine = (resource: string) =>
  `<VirtualSystem ovf:id="a"><VirtualHardwareSection><Item><rasd:HostResource>${resource}</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item></VirtualHardwareSection></VirtualSystem>`;

describe("an OVF", () => {
  it("of our own is read back: machine, disks, and the contract with what is a password", () => {
    const manifest = sampleManifest(disk);
    const read = readOvf("x.ovf", ovfDescriptor(manifest, [{ href: "System.vmdk", bytes: 12345 }]));
    expect(read).toMatchObject({
      name: "ol6-sample-1.0.0",
      vcpus: 2,
      memoryMib: 2048,
      nics: ["public", "interconnect"],
      domainType: "XEN_PVM",
      disks: [{ href: "System.vmdk", fileBytes: 12345, gzip: false, capacity: 2 ** 30 }],
    });
    expect(new Map(read.contract?.map((one) => [one.key, one.password]))).toEqual(
      new Map([
        ["com.oracle.linux.root-password", true],
        ["org.tbuild.grid.mode", false],
      ]),
    );
  });

  it("of VMware's kind is read: no prefixes, capacity in units, several disks in the machine's order", () => {
    const item = (id: string) =>
      `<Item><rasd:HostResource>ovf:/disk/${id}</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item>`;
    const read = readOvf(
      "x.ovf",
      ovf(`<References><File ovf:href="one.vmdk" ovf:id="f1" ovf:size="10"/><File href="two 2.vmdk.gz" id="f2" compression="gzip" chunkSize="7"/></References>
        <DiskSection><Disk capacity="50" capacityAllocationUnits="byte * 2^30" diskId="d1" fileRef="f1"/><Disk capacity="3" capacityAllocationUnits="MegaBytes" diskId="d2" fileRef="f2"/></DiskSection>
        <VirtualSystem id="x"><VirtualHardwareSection>${item("d2")}${item("d1")}</VirtualHardwareSection></VirtualSystem>`),
    );
    expect(read.disks).toEqual([
      { href: "two 2.vmdk.gz", gzip: true, chunkBytes: 7, capacity: 3 * 2 ** 20 },
      { href: "one.vmdk", gzip: false, fileBytes: 10, capacity: 50 * 2 ** 30 },
    ]);
  });

  it.each([
    [
      "an external entity",
      ovf("&x;", '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
      "document type",
    ],
    [
      "a document type from elsewhere",
      ovf("", '<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd">'),
      "document type",
    ],
    [
      "a bomb of entities",
      ovf("&b;", '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'),
      "document type",
    ],
    ["an entity that nobody declared", ovf("&x;"), "not well-formed"],
    ["an element that does not end", ovf("<a>"), "not well-formed"],
    ["no XML at all", "\u007fELF", "not well-formed"],
    ["nothing", "", "not well-formed"],
    ["elements in elements without end", ovf("<a>".repeat(1000)), "more XML"],
    ["elements without end", ovf("<a/>".repeat(30_000)), "more XML"],
    ["another root", "<domain/>", "is no OVF"],
    ["no machine", ovf(""), "describes no machine"],
    ["no disk", ovf("<VirtualSystem/>"), "has no disk"],
    ["a disk that is nowhere", ovf(machine("ovf:/disk/none")), "does not have"],
    ["a disk of the host", ovf(machine("/dev/sda")), "does not have"],
    [
      "a disk without a file",
      ovf(`<DiskSection><Disk diskId="d" capacity="1"/></DiskSection>${machine("ovf:/disk/d")}`),
      "in no file",
    ],
    [
      "a disk that is a difference",
      ovf(
        `<References><File href="a" id="f"/></References><DiskSection><Disk diskId="d" fileRef="f" parentRef="e"/></DiskSection>${machine("/disk/d")}`,
      ),
      "difference",
    ],
  ])("with %s is refused", (_what, text, words) => {
    expect(() => readOvf("x.ovf", text)).toThrow(TbuildError);
    expect(() => readOvf("x.ovf", text)).toThrow(words);
  });

  it("of two machines, or of version 2, is refused as what it is", () => {
    expect(() => readOvf("x.ovf", ovf(machine("/a") + machine("/b")))).toThrow("describes 2 machines");
    const two = ovf("").replaceAll("envelope/1", "envelope/2");
    expect(() => readOvf("x.ovf", two)).toThrow("OVF 2");
  });

  it("keeps text and attributes as they are, whatever stands in them", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "<", "&", '"', "'", "]]>", "é", " ") }), (value) => {
        const escaped = value.replaceAll(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
        const read = readXml("x", `<a b="${escaped}">${escaped}</a>`);
        expect([read.attributes.get("b"), read.text]).toEqual([value, value]);
      }),
    );
  });
});

describe("the sums of an OVF package", () => {
  const hex = "0123456789abcdef0123456789ABCDEF01234567";
  it.each([
    ["as the standard writes them", `SHA1(a.ovf)= ${hex}`],
    ["with blanks", `SHA1 (a.ovf) = ${hex}  `],
    ["without any", `SHA1(a.ovf)=${hex}`],
    ["with the line ends of Windows", `SHA1(a.ovf)= ${hex}\r\n\r\n`],
    ["in small letters", `sha1(a.ovf)= ${hex}`],
  ])("are read %s", (_how, text) => {
    expect(readChecksums("a.mf", text)).toEqual([
      { algorithm: "sha1", file: "a.ovf", hex: hex.toLowerCase() },
    ]);
  });

  it.each(["rubbish", "MD5(a)= 00", `SHA1(a)= ${hex}0`, `SHA256(a)= ${hex}`, "SHA1()= ", `SHA1 a ${hex}`])(
    "are refused with their line: %s",
    (line) => {
      expect(() => readChecksums("a.mf", `SHA1(b)= ${hex}\n${line}`)).toThrow(/^a\.mf:2: /);
    },
  );
});
