import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readChecksums } from "../../../src/bundles/read/checksums.ts";
import { readOvf } from "../../../src/bundles/read/read-ovf.ts";
import { ovfDescriptor } from "../../../src/bundles/write/ovf.ts";
import { TbuildError } from "../../../src/errors.ts";
import { readXml, xmlText } from "../../../src/io/read-xml.ts";
import { sampleManifest } from "../../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"b".repeat(64)}`, bytes: 2 ** 30, dataBytes: 1 } as const;

const ovf = (inner: string, head = "") =>
  `<?xml version="1.0"?>${head}<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">${inner}</Envelope>`;

const machine = (resource: string) =>
  `<VirtualSystem ovf:id="a"><VirtualHardwareSection><Item><rasd:HostResource>${resource}</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item></VirtualHardwareSection></VirtualSystem>`;

describe("an OVF", () => {
  it("of ours is read back: machine, disks, and the contract with its passwords", () => {
    const manifest = sampleManifest(disk);
    const read = readOvf("x.ovf", ovfDescriptor(manifest, [{ href: "System.vmdk", bytes: 12345 }]));
    expect(read).toMatchObject({
      name: "ol6-sample-1.0.0",
      vcpus: 2,
      memoryMib: 2048,
      nics: ["public", "interconnect"],
      domainType: "XEN_PVM",
      notes: [],
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
    ["elements in elements without end", ovf("<a>".repeat(1000)), "too many elements"],
    ["elements without end", ovf("<a/>".repeat(30_000)), "too many elements"],
    ["another root", "<domain/>", "is not an OVF"],
    ["no machine", ovf(""), "describes no machine"],
    ["no disk", ovf("<VirtualSystem/>"), "has no disk"],
    ["a disk that is nowhere", ovf(machine("ovf:/disk/none")), "does not have"],
    ["a disk of the host", ovf(machine("/dev/sda")), "does not have"],
    [
      "a disk of a file that is not described",
      ovf(`<DiskSection><Disk diskId="d" fileRef="f" capacity="1"/></DiskSection>${machine("ovf:/disk/d")}`),
      "has no file",
    ],
    [
      "a blank disk of no size",
      ovf(`<DiskSection><Disk diskId="d"/></DiskSection>${machine("ovf:/disk/d")}`),
      "is blank, and its size is not stated",
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

  const files = '<References><File ovf:href="d.raw" ovf:id="f"/></References>';
  const item = (inner: string, attributes = "") =>
    `<Item ${attributes}>${inner.replaceAll(/(\w+)=([^;]+);/g, "<rasd:$1>$2</rasd:$1>")}</Item>`;
  const virtual = (items: string) =>
    `<VirtualSystem ovf:id="v"><VirtualHardwareSection>${items}</VirtualHardwareSection></VirtualSystem>`;

  it.each(["ovf:/disk/d", "/disk/d", "ovf:disk/d", "disk/d", "d"])("names its disk as %s", (resource) => {
    const disk =
      '<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f" parentRef="" ovf:capacity="1048576"/></DiskSection>';
    const text = ovf(`${files}${disk}${virtual(item(`ResourceType=17;HostResource=${resource};`))}`);
    expect(readOvf("x.ovf", text)).toMatchObject({ nics: [], disks: [{ href: "d.raw", capacity: 1048576 }] });
  });

  it("with a blank disk keeps it, in its place", () => {
    const disks =
      '<DiskSection><Disk ovf:diskId="e" ovf:capacity="2" ovf:capacityAllocationUnits="byte * 2^20"/><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection>';
    const items = ["e", "d"].map((id) => item(`ResourceType=17;HostResource=ovf:/disk/${id};`)).join("");
    expect(readOvf("x.ovf", ovf(files + disks + virtual(items))).disks).toEqual([
      { gzip: false, capacity: 2 * 2 ** 20 },
      { href: "d.raw", gzip: false },
    ]);
  });

  it("with several configurations is read as the default one", () => {
    const options =
      '<DeploymentOptionSection><Configuration ovf:id="small"/><Configuration ovf:id="large" ovf:default="true"/></DeploymentOptionSection>';
    const disk = '<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection>';
    const items = [
      item("InstanceID=1;ResourceType=3;VirtualQuantity=1;"),
      item("InstanceID=1;ResourceType=3;VirtualQuantity=8;", 'ovf:configuration="large"'),
      item("InstanceID=2;ResourceType=4;VirtualQuantity=512;", 'ovf:configuration="small"'),
      item(
        "InstanceID=3;ResourceType=4;AllocationUnits=MB;VirtualQuantity=4096;",
        'ovf:configuration="large huge"',
      ),
      item("InstanceID=3;ResourceType=4;AllocationUnits=MB;VirtualQuantity=1;", 'ovf:bound="min"'),
      item("InstanceID=4;ResourceType=17;HostResource=ovf:/disk/d;"),
    ].join("");
    expect(readOvf("x.ovf", ovf(files + disk + options + virtual(items)))).toMatchObject({
      vcpus: 8,
      memoryMib: 4096,
    });
    expect(
      readOvf("x.ovf", ovf(files + disk + options.replace(' ovf:default="true"', "") + virtual(items))),
    ).toMatchObject({ vcpus: 1, memoryMib: 512 });
  });

  it.each<[string, string, string[]]>([
    [
      "",
      '<x:FooSection xmlns:x="x" ovf:required="true"/>',
      ['the OVF requires "FooSection", which tbuild does not read'],
    ],
    ["", '<x:FooSection xmlns:x="x"/>', ['the OVF requires "FooSection", which tbuild does not read']],
    ["", '<x:FooSection xmlns:x="x" ovf:required="false"/>', []],
    [
      "",
      '<x:Machine xmlns:x="x" ovf:required="1"/>',
      ['the OVF requires "Machine", which tbuild does not read'],
    ],
    ["", '<x:Machine xmlns:x="x"/><EulaSection/><NetworkSection ovf:required="true"/>', []],
    [
      item("ResourceType=9999;ElementName=a thing;", 'ovf:required="true"'),
      "",
      ['the OVF requires "a thing" (ResourceType "9999"), which the template will lack'],
    ],
    [item("ResourceType=9999;ElementName=a thing;") + item("ResourceType=6;", 'ovf:required="true"'), "", []],
    [
      '<x:Config xmlns:x="x" ovf:required="true"/>',
      "",
      ['the OVF requires "Config", which tbuild does not read'],
    ],
  ])("notes requirements that tbuild does not read: %s%s", (hardware, section, notes) => {
    const disk = '<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection>';
    const disks = item("ResourceType=17;HostResource=ovf:/disk/d;");
    const inside = virtual(disks + hardware).replace("</VirtualSystem>", `${section}</VirtualSystem>`);
    for (const text of [files + disk + inside, files + disk + section + virtual(disks + hardware)])
      expect(readOvf("x.ovf", ovf(text)).notes).toEqual(notes);
  });

  const simple = (items: string, sections = "") =>
    ovf(
      `${files}${sections}<DiskSection><Disk ovf:diskId="d" ovf:fileRef="f"/></DiskSection>${virtual(`${item("ResourceType=17;HostResource=ovf:/disk/d;")}${items}`)}`,
    );

  it.each<[string, number | undefined, string[]]>([
    ["AllocationUnits=byte * 2^20;VirtualQuantity=1024;", 1024, []],
    ["AllocationUnits=byte * 1024 * 1024;VirtualQuantity=1024;", 1024, []],
    ["AllocationUnits=KiloBytes;VirtualQuantity=1048576;", 1024, []],
    ["VirtualQuantity=1024;", 1024, []],
    ["VirtualQuantity=1073741824;", 1024, ["its memory has no unit; 1073741824 was read as bytes"]],
    ["VirtualQuantity=lots;", undefined, ['its memory is not understood: "lots"']],
    ["VirtualQuantity=0;", undefined, ['its memory is not understood: "0"']],
    [
      "AllocationUnits=pages;VirtualQuantity=1024;",
      undefined,
      ['its memory is not understood: "1024" in units of "pages"'],
    ],
    ["", undefined, []],
  ])("has the memory %s", (inner, memoryMib, notes) => {
    const read = readOvf("x.ovf", simple(item(`ResourceType=4;${inner}`)));
    expect([read.memoryMib, read.notes]).toEqual([memoryMib, notes]);
  });

  it("names sizes of disks, hardware and Secure Boot that are left out", () => {
    const config =
      '<v:Config xmlns:v="v" ovf:required="false" v:key="bootOptions.efiSecureBootEnabled" v:value="true"/>';
    const text = simple(config).replace('ovf:diskId="d"', 'ovf:diskId="d" ovf:capacity="-5"');
    const two = text.replace("</VirtualSystem>", "<VirtualHardwareSection/></VirtualSystem>");
    expect(readOvf("x.ovf", two).notes).toEqual([
      "it has several hardware sections; the first was used",
      'the capacity of a disk is not understood: "-5"',
      "its Secure Boot is left out",
    ]);
  });

  it("names a number of CPUs that it does not understand", () => {
    const read = readOvf("x.ovf", simple(item("ResourceType=3;VirtualQuantity=0;")));
    expect([read.vcpus, read.notes]).toEqual([undefined, ['its number of CPUs is not understood: "0"']]);
  });

  it("names a TPM and devices of the host, and no drive, controller or sound card", () => {
    const devices = [
      item("ResourceType=1;ResourceSubType=vmware.vtpm;ElementName=Virtual TPM;"),
      item("ResourceType=32768;Type=hostdev;Caption=pci_0000_3b_00_0;"),
      item("ResourceType=12;ElementName=GPU;"),
      item("ResourceType=1;ResourceSubType=vmware.soundcard.hdaudio;ElementName=Sound;"),
      item("ResourceType=23;ResourceSubType=vmware.usb.xhci;ElementName=USB;"),
      item("ResourceType=15;ElementName=CD;"),
      item("ResourceType=6;ResourceSubType=lsilogic;"),
    ].join("");
    expect(readOvf("x.ovf", simple(devices)).notes).toEqual([
      'the device "Virtual TPM" is left out',
      'the device "pci_0000_3b_00_0" is left out',
      'the device "GPU" is left out',
    ]);
  });

  it("names the MAC address and the model of a network card, a licence and other configurations", () => {
    const cards = [
      item("ResourceType=10;Connection=a;Address=00:21:f6:01:02:03;ResourceSubType=VmxNet3;"),
      item("ResourceType=10;Connection=b;Address=7;ResourceSubType=xennet;"),
      item("ResourceType=10;Connection=c;MACAddress=00:21:f6:01:02:04;"),
    ].join("");
    const sections =
      '<EulaSection><License>Pay.</License></EulaSection><DeploymentOptionSection><Configuration ovf:id="small"/><Configuration ovf:id="large"/></DeploymentOptionSection>';
    expect(readOvf("x.ovf", simple(cards, sections)).notes).toEqual([
      'network card 1: its MAC address 00:21:f6:01:02:03 and its model "VmxNet3" are left out',
      "network card 3: its MAC address 00:21:f6:01:02:04 is left out",
      "its licence (EULA) is left out",
      'configuration "small" was used; "large" is left out',
    ]);
  });

  it.each([
    ['<v:Config xmlns:v="v" ovf:required="false" v:key="firmware" v:value="efi"/>', "uefi"],
    ['<v:Config xmlns:v="v" ovf:required="false" v:key="firmware" v:value="bios"/>', undefined],
    ['<v:Hardware xmlns:v="v"><v:Firmware type="EFI"/></v:Hardware>', "uefi"],
    ["", undefined],
  ])("says the firmware by %s", (inner, firmware) => {
    expect(readOvf("x.ovf", simple(inner)).firmware).toBe(firmware);
  });

  it("has its disks in the order of their addresses on each controller", () => {
    const disks = ["a", "b", "c", "d"]
      .map((id, at) => `<Disk ovf:diskId="${id}" ovf:capacity="${512 * (at + 1)}"/>`)
      .join("");
    const of = (places: readonly string[]) =>
      places.map((place, at) => item(`ResourceType=17;HostResource=ovf:/disk/${"abcd"[at]};${place}`));
    const orderOf = (places: readonly string[]) =>
      readOvf("x.ovf", ovf(`<DiskSection>${disks}</DiskSection>${virtual(of(places).join(""))}`)).disks.map(
        ({ capacity = 0 }) => "abcd"[capacity / 512 - 1],
      );
    expect(orderOf([1, 0, 15, 2].map((at) => `Parent=3;AddressOnParent=${at};`)).join("")).toBe("badc");
    expect(
      orderOf([
        "Parent=4;AddressOnParent=1;",
        "Parent=3;AddressOnParent=0;",
        "Parent=4;AddressOnParent=0;",
        "Parent=3;AddressOnParent=2;",
      ]).join(""),
    ).toBe("cabd");
    expect(orderOf(["Parent=3;AddressOnParent=1;", "Parent=3;", "", ""]).join("")).toBe("abcd");
  });

  it("of version 0.9, and of oVirt, is read", () => {
    const text = `<ovf:Envelope xmlns:ovf="http://www.vmware.com/schema/ovf/1/envelope" xmlns:rasd="r" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
      <References><File ovf:href="group/volume" ovf:id="volume" ovf:size="7"/></References>
      <Section xsi:type="ovf:DiskSection_Type"><Disk ovf:diskId="volume" ovf:fileRef="group/volume" ovf:size="10"/></Section>
      <Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type"><Name>vm</Name><Section xsi:type="ovf:VirtualHardwareSection_Type">
      ${item("ResourceType=4;AllocationUnits=MegaBytes;VirtualQuantity=1024;")}${item("ResourceType=10;Connection=ovirtmgmt;")}${item("ResourceType=17;HostResource=group/volume;")}</Section></Content></ovf:Envelope>`;
    expect(readOvf("x.ovf", text)).toMatchObject({
      name: "vm",
      memoryMib: 1024,
      nics: ["ovirtmgmt"],
      notes: [],
      disks: [{ href: "group/volume", fileBytes: 7 }],
    });
  });

  it("in UTF-16, or in the encoding that it names, is read", () => {
    const text = '<?xml version="1.0" encoding="UTF-16"?><a b="ü"/>';
    const wide = Buffer.from(text, "utf16le");
    for (const bytes of [Buffer.concat([Buffer.of(0xff, 0xfe), wide]), wide, Buffer.from(wide).swap16()])
      expect(readXml("x", xmlText("x", bytes)).attributes.get("b")).toBe("ü");
    const latin = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a b="ü"/>', "latin1");
    expect(readXml("x", xmlText("x", latin)).attributes.get("b")).toBe("ü");
    expect(() => xmlText("x", Buffer.from('<?xml version="1.0" encoding="klingon"?><a/>'))).toThrow(
      "klingon",
    );
  });

  it("of two machines, or of version 2, is refused with the reason", () => {
    expect(() => readOvf("x.ovf", ovf(machine("/a") + machine("/b")))).toThrow("describes 2 machines");
    const two = ovf("").replaceAll("envelope/1", "envelope/2");
    expect(() => readOvf("x.ovf", two)).toThrow("OVF 2");
  });

  it("keeps text and attributes byte for byte", () => {
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
