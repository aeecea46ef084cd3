import { describe, expect, it } from "vitest";
import { findLeftovers } from "../../src/guest/leftovers/index.ts";
import { applyAll } from "../../src/guest/operation.ts";
import { classReports, identityClasses } from "../../src/guest/residue.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const release = { "/etc/oracle-release": "Oracle Linux Server release 8.10\n" };
const search = { traits: [], pending: [], keep: [] };
const byAddress = "ip=10.3.3.3::10.3.3.1:255.255.255.0::eth0:none";

/** The classes that are left in a guest with these files, and why. */
async function leftIn(
  files: Record<string, string>,
  { keep = [] as string[], pending = [] as string[], links = {} as Record<string, string> } = {},
) {
  const leftovers = await findLeftovers(memoryTree({ ...release, ...files }, { links }), {
    ...search,
    keep,
    pending,
  });
  const applied = identityClasses.flatMap(({ operations }) => operations);
  const reports = classReports([], applied, undefined, leftovers);
  return Object.fromEntries(
    reports.filter(({ state }) => state === "left").map(({ name, why }) => [name, why]),
  );
}

const inMenu = (words: string) =>
  leftIn({ "/etc/default/grub": `GRUB_CMDLINE_LINUX="quiet ${words} x=1"\n` });

describe("a kernel command line", () => {
  it.each([
    ["ip=10.3.3.3", "network", "an address (ip=)"],
    ["ip=10.3.3.3/24::10.3.3.1:::eth0:off", "network", "an address (ip=)"],
    ["ip=[2001:db8::17]::[2001:db8::1]:64::eth0:none", "network", "an address (ip=)"],
    ["ip=2001:db8::17", "network", "an address (ip=)"],
    ["ip=eth0:dhcp:1500:52:54:00:11:22:33", "network", "a link address (ip=)"],
    ["ip=::::vm17:eth0:dhcp", "host name", "a host name (ip=)"],
    ["ifname=eth0:52:54:00:11:22:33", "network", "a link address (ifname=)"],
    ["BOOTIF=01-52-54-00-11-22-33", "network", "a link address (BOOTIF=)"],
    ["rd.iscsi.initiator=iqn.1988-12.com.oracle:f00d", "storage ids", "an iSCSI name (rd.iscsi.initiator=)"],
    ["iscsi_initiator=iqn.1988-12.com.oracle:f00d", "storage ids", "an iSCSI name (iscsi_initiator=)"],
    ["systemd.hostname=vm17", "host name", "a host name (systemd.hostname=)"],
    [
      "systemd.machine_id=0123456789abcdef0123456789abcdef",
      "machine id",
      "a machine id (systemd.machine_id=)",
    ],
  ])("with %s is left in the class %s", async (words, name, what) => {
    expect(await inMenu(words)).toEqual({ [name]: [`${what} in /etc/default/grub`] });
  });

  it("with an address and a host name is left in both classes", async () => {
    const words = "ip=[2001:db8::17]::[2001:db8::1]:64:vm17:eth0:none:1500:52:54:00:11:22:33";
    expect(await inMenu(words)).toEqual({
      network: ["an address (ip=) in /etc/default/grub", "a link address (ip=) in /etc/default/grub"],
      "host name": ["a host name (ip=) in /etc/default/grub"],
    });
    expect(await inMenu("ip=10.3.3.3::10.3.3.1:255.255.255.0:vm17:eth0:none")).toEqual({
      network: ["an address (ip=) in /etc/default/grub"],
      "host name": ["a host name (ip=) in /etc/default/grub"],
    });
  });

  it.each([
    "ip=dhcp",
    "ip=eth0:dhcp",
    "ip=eth0:dhcp:1500",
    "ip=bond0.100:dhcp",
    "ip=:::::eth0:dhcp",
    "ip=::10.3.3.1:255.255.255.0::eth0:dhcp",
    "ip=::::localhost.localdomain:eth0:dhcp",
    "ip=auto6",
    "ip=ibft",
    "ip=$ip",
    "zip=10.3.3.3 rd.ip=10.3.3.3",
    "nameserver=10.3.3.1",
    "ifname=eth0:00:00:00:00:00:00",
    "BOOTIF=$net_default_mac",
    "rd.iscsi.firmware=1 rd.iscsi.initiator=",
    "root=UUID=5b6e0b3c-1111-4000-8000-00000000abcd rd.lvm.lv=ol/root net.ifnames=0 crashkernel=auto",
  ])("with %s identifies no guest", async (words) => expect(await inMenu(words)).toEqual({}));

  it.each([
    ["/boot/grub/grub.conf", `title OL6\n\tkernel /vmlinuz ro ${byAddress}\n`],
    ["/boot/grub2/grub.cfg", `\tlinux16 /vmlinuz ro ${byAddress}\n`],
    ["/boot/loader/entries/0-a.conf", `title a\noptions ro ${byAddress}\n`],
    ["/boot/grub2/grubenv", `# GRUB Environment Block\nkernelopts=${byAddress} ro\n${"#".repeat(40)}`],
    ["/etc/kernel/cmdline", `root=/dev/sda1 ${byAddress}\n`],
    ["/etc/cmdline.d/net.conf", `${byAddress}\n`],
    ["/etc/dracut.conf.d/net.conf", `kernel_cmdline="${byAddress}"\n`],
    ["/etc/tuned/bootcmdline", `TUNED_BOOT_CMDLINE="${byAddress}"\n`],
    ["/etc/tuned/mine/tuned.conf", `[bootloader]\ncmdline=+${byAddress}\n`],
  ])("is found in %s", async (path, text) => {
    expect(await leftIn({ [path]: text })).toEqual({ network: [`an address (ip=) in ${path}`] });
    expect(await leftIn({ [path]: text }, { pending: [path] })).not.toEqual({});
    expect(await leftIn({ [path]: text }, { keep: [path] })).toEqual({});
    expect(await leftIn({ [path]: text.replaceAll(byAddress, "ip=dhcp") })).toEqual({});
    expect(await leftIn({ [path]: `# ${text.replaceAll("\n", "\n# ")}` })).toEqual({});
  });

  it("is reported once where a link leads to it", async () => {
    const menu = { "/boot/efi/EFI/redhat/grubenv": `kernelopts=${byAddress}\n` };
    const links = { "/boot/grub2/grubenv": "../efi/EFI/redhat/grubenv" };
    expect(await leftIn(menu, { links })).toEqual({
      network: ["an address (ip=) in /boot/efi/EFI/redhat/grubenv"],
    });
  });
});

const ifcfg = "/etc/sysconfig/network-scripts/ifcfg-eth0";
const stock = "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\nTYPE=Ethernet\n";

describe("an interface's configuration that reads another file", () => {
  it.each([
    [". /etc/sysconfig/net-local", "/etc/sysconfig/net-local"],
    ['source "/etc/sysconfig/net-local"', "/etc/sysconfig/net-local"],
    ["source ./ident", "/etc/sysconfig/network-scripts/ident"],
    ["[ -f ident ] && . ident", "/etc/sysconfig/network-scripts/ident"],
    ["if true; then . ../ident; fi", "/etc/sysconfig/ident"],
    [". ../../../../etc/ident", "/etc/ident"],
  ])("by %s is followed", async (line, path) => {
    const files = { [ifcfg]: `${stock}${line}\n`, [path]: "IPADDR=192.0.2.17\nHWADDR=52:54:00:aa:bb:cc\n" };
    expect(await leftIn(files)).toEqual({
      network: [`its address (IPADDR) in ${path}`, `its link address (HWADDR) in ${path}`],
    });
    expect(await leftIn(files, { keep: [path] })).toEqual({});
    expect(
      await leftIn({ ...files, [path]: "MTU=9000\nHWADDR=$(cat /sys/class/net/eth0/address)\n" }),
    ).toEqual({});
  });

  it("is followed through more files, and in a circle only once", async () => {
    const files = {
      [ifcfg]: `${stock}. /etc/a\n`,
      "/etc/a": ". /etc/b\n",
      "/etc/b": "IPADDR=192.0.2.17\n. /etc/a\n",
    };
    expect(await leftIn(files)).toEqual({ network: ["its address (IPADDR) in /etc/b"] });
  });

  it("that is too deep, or that only a shell can resolve, is reported as unknown", async () => {
    const chain = Object.fromEntries(
      Array.from({ length: 12 }, (_, n) => [`/etc/n${n}`, `. /etc/n${n + 1}\n`]),
    );
    expect(await leftIn({ ...chain, [ifcfg]: `${stock}. /etc/n0\n` })).toEqual({
      network: ["maybe its address, because it reads another file (/etc/n8) in /etc/n7"],
    });
    expect(await leftIn({ [ifcfg]: `${stock}. /etc/$HOSTNAME.conf\n` })).toEqual({
      network: [`maybe its address, because it reads another file (/etc/$HOSTNAME.conf) in ${ifcfg}`],
    });
  });

  it("that reads a missing file is reported as unknown, unless it tests for the file", async () => {
    expect(await leftIn({ [ifcfg]: `${stock}. /mnt/ident\n` })).toEqual({
      network: [`maybe its address, because it reads /mnt/ident, which does not exist in ${ifcfg}`],
    });
    expect(await leftIn({ [ifcfg]: `${stock}[ -f /mnt/ident ] && . /mnt/ident\n` })).toEqual({});
  });

  it("has no other file in the usual case", async () => {
    const lines = `${stock}# . /etc/a\nNAME="a . /etc/a"\nOPTS="-x source /etc/a"\n`;
    const files = { [ifcfg]: lines, "/etc/a": "IPADDR=192.0.2.17\n" };
    expect(await leftIn(files)).toEqual({});
  });
});

it("A seal removes the routes and names of interfaces in the older files", async () => {
  const tree = memoryTree({
    ...release,
    "/etc/sysconfig/static-routes": "any net 10.0.0.0/8 gw 192.0.2.1\n",
    "/etc/mactab": "# names\neth0 52:54:00:AA:BB:CC\neth1 mac=\n",
  });
  await applyAll(tree, sealOperations({ skip: ["first-boot"], keep: [] }));
  expect(await tree.text("/etc/sysconfig/static-routes")).toBeUndefined();
  expect(await tree.text("/etc/mactab")).toBe("# names\neth1 mac=\n");
});
