import { describe, expect, it } from "vitest";
import { grubMenu, isolinuxMenu, menuTitle } from "../../src/media/boot-menu.ts";
import { installCommandLine } from "../../src/media/command-line.ts";
import { networkBoot } from "../../src/media/network-boot.ts";
import { withoutOemdrv } from "../../src/media/oemdrv.ts";
import { sampleMedium as medium } from "./sample-medium.ts";

const entry = {
  title: menuTitle(medium),
  kernel: "/isolinux/vmlinuz",
  initrd: "/isolinux/initrd.img",
  commandLine: installCommandLine(medium, { kickstart: "medium", talksOn: "screen" }),
};

describe("a boot menu", () => {
  it("of isolinux starts the installer without asking anybody", () => {
    const menu = isolinuxMenu(entry);
    expect(menu).toMatch(/^default tbuild\nprompt 0$/m);
    expect(menu).toMatch(/^label tbuild\n {2}kernel \/isolinux\/vmlinuz$/m);
    expect(menu).toContain(
      "  append initrd=/isolinux/initrd.img inst.ks=hd:LABEL=OL-7.9\\x20Server.x86_64:/ks.cfg inst.stage2=hd:LABEL=OL-7.9\\x20Server.x86_64 inst.cmdline ",
    );
    expect(menu).not.toContain("rd.live.check");
  });

  it("of GRUB 2 keeps the words and the search of the old one, and spells the label as it does", () => {
    const old = (linux: string, label: string) =>
      `set default="1"\nset timeout=60\n  insmod part_gpt\nsearch --no-floppy --set=root -l 'OL-7.9 Server.x86_64'\nmenuentry 'Test' {\n\t${linux} /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=${label} rd.live.check quiet\n}\n`;
    const menu = grubMenu(entry, old("linuxefi", "OL-7.9\\x20Server.x86_64"));
    expect(menu).toContain("insmod part_gpt\nsearch --no-floppy --set=root -l 'OL-7.9 Server.x86_64'\n");
    expect(menu).toContain("\tlinuxefi /isolinux/vmlinuz inst.ks=hd:LABEL=OL-7.9\\x20Server.x86_64:/ks.cfg ");
    expect(menu).toContain("\tinitrdefi /isolinux/initrd.img\n");
    expect(menu).toMatch(/^set default=0\nset timeout=1$/m);
    expect(menu.match(/menuentry/g)).toHaveLength(1);
    const other = grubMenu(entry, old("linux", "OL-7.9\\\\x20Server.x86_64"));
    expect(other).toContain("\tlinux /isolinux/vmlinuz inst.ks=hd:LABEL=OL-7.9\\\\x20Server.x86_64:/ks.cfg ");
  });

  it("of GRUB 0.97 keeps how the old one finds the disc", () => {
    const old =
      "default=0\ntimeout 5\nhiddenmenu\ntitle Oracle Linux Server 6\n\tfindiso\n\tkernel /images/pxeboot/vmlinuz quiet\n\tinitrd /images/pxeboot/initrd.img\n";
    expect(grubMenu(entry, old)).toMatch(
      /^title tbuild installs OL7\.9 and erases the first disk\n\tfindiso\n\tkernel \/isolinux\/vmlinuz inst\.ks=/m,
    );
  });

  it("has no title that a menu could take for something else", () => {
    expect(menuTitle({ ...medium, family: 'Evil" {\n}\nmenuentry' })).toBe(
      "tbuild installs Evil menuentry 7.9 and erases the first disk",
    );
  });
});

describe("a start over the network", () => {
  it.each([
    [5, "ks=http://10.0.0.1/t/ks.cfg method=http://10.0.0.1/t/disc cmdline headless "],
    [6, "ks=http://10.0.0.1/t/ks.cfg method=http://10.0.0.1/t/disc cmdline "],
    [8, "inst.ks=http://10.0.0.1/t/ks.cfg inst.repo=http://10.0.0.1/t/disc inst.cmdline "],
  ])("names kickstart and packages as OL%i wants it", (major, words) => {
    const boot = networkBoot({ ...medium, major }, "install\ncdrom\ntext\n", "http://10.0.0.1/t/");
    expect(boot.commandLine).toContain(words);
    expect(boot.pxelinux).toContain(`append initrd=initrd.img ${boot.commandLine}\n`);
    expect(boot.grub).toContain(
      `if linuxefi /vmlinuz ${boot.commandLine}; then\n    initrdefi /initrd.img\n  else\n`,
    );
    expect(boot.grub).toContain(`  linux /vmlinuz ${boot.commandLine}\n    initrd /initrd.img\n`);
    expect(boot.kickstart).toBe("install\nurl --url=http://10.0.0.1/t/disc\ntext\n");
  });
});

it.each([
  [5, 11, /for drivers only/],
  [6, 10, /for drivers only/],
  [7, 1, /7\.2 is the first/],
])("OL%i.%i takes no kickstart from OEMDRV", (major, update, why) => {
  expect(withoutOemdrv({ ...medium, major, update })).toMatch(why);
});

it.each([
  [7, 2],
  [8, 0],
  [9, 2],
])("OL%i.%i takes its kickstart from OEMDRV", (major, update) => {
  expect(withoutOemdrv({ ...medium, major, update })).toBeUndefined();
});
