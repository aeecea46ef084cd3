import { describe, expect, it } from "vitest";
import { lostOptions, readDisk } from "../../src/vm-cfg/devices.ts";
import { readVmCfg } from "../../src/vm-cfg/document.ts";
import { machineOf } from "../../src/vm-cfg/machine.ts";
import { masked, withoutSecrets } from "../../src/vm-cfg/secrets.ts";

describe("an entry of disk", () => {
  // What xl's own parser (libxlutil 4.17) makes of those that it takes.
  it.each([
    ["file:System.img,xvda,w", { target: "System.img", slot: "xvda", mode: "w" }],
    ["file:asm1.img,xvdd,w!", { target: "asm1.img", slot: "xvdd", mode: "w!" }],
    ["phy:/dev/sdb,xvdb,r", { target: "/dev/sdb", slot: "xvdb", mode: "r", isDevice: true }],
    [
      "/dev/sdb,,hda,rw,backendtype=qdisk",
      { target: "/dev/sdb", slot: "hda", isDevice: true, options: ["backendtype=qdisk"] },
    ],
    ["x.iso,,hdc,cdrom", { target: "x.iso", slot: "hdc", mode: "r", isCdrom: true }],
    ["file:x.iso,xvdb:cdrom,r", { target: "x.iso", slot: "xvdb", mode: "r", isCdrom: true }],
    [",hdd:cdrom,r", { slot: "hdd", mode: "r", isCdrom: true }],
    ["vdev=hdc,devtype=cdrom,access=ro", { slot: "hdc", mode: "r", isCdrom: true }],
    ["format=raw, vdev=xvda, access=rw, target=/a,b", { target: "/a,b", slot: "xvda", mode: "w" }],
    ["vdev=xvda,format=qcow2,target=/a.q", { target: "/a.q", slot: "xvda", format: "qcow2" }],
    ["tap2:aio:/x.img,xvde,w", { target: "/x.img", slot: "xvde", format: "raw" }],
    ["tap:tapdisk:aio:/x,xvda,w", { target: "/x", slot: "xvda", format: "raw" }],
    ["tap:qcow2:/x.img,xvde,w", { target: "/x.img", slot: "xvde", format: "qcow2" }],
    ["qcow2:/x.q,xvdf,rw", { target: "/x.q", slot: "xvdf", format: "qcow2" }],
    ["/p/a.img,qcow2,xvdb", { target: "/p/a.img", slot: "xvdb", format: "qcow2", mode: "w" }],
    ["/x,raw,xvdg,ro", { target: "/x", slot: "xvdg", mode: "r" }],
    ["file:/a,ioemu:hda,w", { target: "/a", slot: "hda" }],
    ["drbd:res,xvdi,w", { target: "res", slot: "xvdi", isDevice: true }],
    ["script=block-foo,vdev=xvdj,target=t", { target: "t", slot: "xvdj", options: ["script=block-foo"] }],
    [
      "vdev=xvda,discard,backend=dom1,direct-io-safe,access=ro,target=/x",
      { target: "/x", slot: "xvda", mode: "r", options: ["discard", "backend=dom1", "direct-io-safe"] },
    ],
    ["/x,raw,xvda,rw,no-discard", { target: "/x", slot: "xvda", options: ["no-discard"] }],
    [
      "discard,/x,,xvda,rw,specification=virtio,transport=mmio",
      { target: "/x", slot: "xvda", options: ["discard", "specification=virtio", "transport=mmio"] },
    ],
    ["file:/OVS/a=b.img,/dev/xvda,w", { target: "/OVS/a=b.img", slot: "xvda" }],
  ])("%s is understood", (text, expected) => {
    expect(readDisk(text)).toMatchObject(expected);
  });

  // xl-disk-configuration(5): everything beside target, format, vdev, access and devtype.
  it.each([
    "backend=dom1",
    "backendtype=qdisk",
    "script=block-drbd",
    "discard",
    "no-discard",
    "direct-io-safe",
    "specification=virtio",
    "transport=mmio",
    "grant-usage=enabled",
    "colo",
    "no-colo",
    "colo-host=h",
    "colo-port=1",
    "colo-export=e",
    "active-disk=/a",
    "hidden-disk=/h",
  ])("names %s as left out", (option) => {
    const note = `vm.cfg: "${option}" of the disk xvda is left out`;
    for (const text of [
      `/x,raw,xvda,rw,${option}`,
      `${option},vdev=xvda,format=raw,target=/x`,
      `file:/x,xvda,w,${option}`,
    ])
      expect(lostOptions(readDisk(text)), text).toEqual([note]);
  });
});

describe("the machine of a vm.cfg", () => {
  const gap = `name = 'gap'
memory = 512
maxmem = 4096
vcpus = 2
maxvcpus = 8
bootloader = '/usr/bin/pygrub'
extra = 'console=hvc0'
disk = ['file:System.img,xvda,w', 'file:x.iso,xvdb:cdrom,r']
vif = ['mac=00:21:f6:00:00:01,bridge=br0', 'bridge=br1']
OVM_os_type = 'Oracle Linux 6'
OVM_high_availability = True
`;

  it("has the modelled keys, and all others unchanged", () => {
    expect(machineOf(readVmCfg(gap))).toMatchObject({
      name: "gap",
      memoryMib: 512,
      maxMemoryMib: 4096,
      vcpus: 2,
      maxVcpus: 8,
      domainType: "XEN_PVM",
      nics: ["br0", "br1"],
      vifs: ["mac=00:21:f6:00:00:01,bridge=br0", "bridge=br1"],
      settings: {
        bootloader: "/usr/bin/pygrub",
        extra: "console=hvc0",
        OVM_os_type: "Oracle Linux 6",
        OVM_high_availability: true,
      },
      notes: [],
    });
  });

  it.each([
    ["OVM_domain_type = 'xen_pvm'", "XEN_PVM"],
    ["OVM_domain_type = 'xen_hvm'", "XEN_HVM"],
    ["OVM_domain_type = 'xen_hvm'\nvif = ['type=netfront,bridge=a']", "XEN_HVM_PV_DRIVERS"],
    ["builder = 'hvm'", "XEN_HVM"],
    ["builder = 'hvm'\nvif = ['bridge=a,type=netfront']", "XEN_HVM_PV_DRIVERS"],
    ["builder = 'linux'\nkernel = '/boot/vmlinuz'", "XEN_PVM"],
    ['type = "pv"', "XEN_PVM"],
    ['type = "hvm"', "XEN_HVM"],
    ['type = "pvh"', undefined],
    ["kernel = '/usr/lib/xen/boot/hvmloader'", "XEN_HVM"],
    ["kernel = '/boot/vmlinuz'", "XEN_PVM"],
    ["bootloader = 'pygrub'", "XEN_PVM"],
    ["memory = 5", undefined],
  ])("%s is of the type %s", (text, domainType) => {
    expect(machineOf(readVmCfg(text)).domainType).toBe(domainType);
  });

  it("neither keeps nor shows a password, and says so", () => {
    const config = readVmCfg(
      "vfb = ['type=vnc,vncpasswd=s3cret,vncunused=1']\nvncpasswd = 's3cret'\nspice = {'spicepasswd': 's3cret'}\nmemory = 1\n",
    );
    const machine = machineOf(config);
    expect(JSON.stringify(machine)).not.toContain("s3cret");
    expect(machine.settings.vfb).toEqual(["type=vnc,vncunused=1"]);
    expect(machine.notes.join("\n")).toContain("vfb contains a password, which is not kept");
    for (const [key, value] of config.values)
      expect(JSON.stringify(masked(key, value))).not.toContain("s3cret");
    expect(masked("vfb", ["type=vnc,vncpasswd=s3cret"])).toEqual(["type=vnc,vncpasswd=***"]);
  });

  it.each([
    ["type=vnc, vncpasswd=s3cret, keymap=de", "type=vnc, vncpasswd=***, keymap=de", "type=vnc, keymap=de"],
    ["vncpasswd=my s3cret,type=vnc", "vncpasswd=***,type=vnc", "type=vnc"],
    ["console=hvc0 rootpw=s3cret ks=cdrom", "console=hvc0 rootpw=*** ks=cdrom", "console=hvc0 ks=cdrom"],
    [
      "ks=http://adm:s3cret@10.0.0.1/ks.cfg",
      "ks=http://adm:***@10.0.0.1/ks.cfg",
      "ks=http://10.0.0.1/ks.cfg",
    ],
    ["inst.rootpw='s3cret s3cret'", "inst.rootpw=***", ""],
    ["user@example.org, http://a/b:c", "user@example.org, http://a/b:c", "user@example.org, http://a/b:c"],
  ])("shows and keeps %s without its password only", (text, shown, kept) => {
    expect(masked("extra", text)).toBe(shown);
    expect(withoutSecrets("extra", text)).toBe(kept);
  });

  it.each(["a.", " ", "a:", "://:", "passwd=", ",passwd=a "])("reads much of %j in no time", (part) => {
    const text = part.repeat(200_000 / part.length);
    const start = performance.now();
    masked("extra", text);
    withoutSecrets("extra", text);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
