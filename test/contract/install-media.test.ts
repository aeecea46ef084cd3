import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  truncate,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { stageAddons } from "../../src/media/addons.ts";
import { bootIso } from "../../src/media/boot-iso.ts";
import { installCommandLine } from "../../src/media/command-line.ts";
import { appendToInitrd, newcCpio } from "../../src/media/initrd.ts";
import { openIso } from "../../src/media/iso.ts";
import type { Medium } from "../../src/media/media.ts";
import { extractBoot, readMedium } from "../../src/media/medium.ts";
import { networkBoot, writeNetworkBoot } from "../../src/media/network-boot.ts";
import { oemdrv } from "../../src/media/oemdrv.ts";
import { remaster } from "../../src/media/remaster.ts";
import type { ImageMaking } from "../../src/media/xorriso.ts";
import { describeWith, itWith } from "../fakes/missing.ts";
import { itSlow } from "../fakes/slow.ts";
import { type Installer, type Layout, layouts, syntheticDisc } from "../media/synthetic-disc.ts";
import { drivers } from "../test-guest.ts";
import { mediaCache, testMedium } from "../test-medium.ts";

const host = localHost();
let folder: string;
let installer: Installer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-install-media-"));
  installer = await testInstaller();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A kernel, and an initrd with an `init` that reads its command line like Anaconda's, and shows what it found. */
async function testInstaller(): Promise<Installer> {
  const medium = await testMedium(6);
  const kernel = join(folder, "vmlinuz");
  await extractBoot(await readMedium(medium.iso), kernel, join(folder, "unused"));
  const extracted = join(mediaCache, "debs/extracted");
  const modules = await drivers(extracted, [
    "ata_piix",
    "sr_mod",
    "sd_mod",
    "isofs",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "virtio_pci",
    "virtio_net",
  ]);
  const init = `#!/busybox sh
/busybox mkdir -p /proc /sys /dev /m
/busybox mount -t proc proc /proc; /busybox mount -t sysfs sysfs /sys; /busybox mount -t devtmpfs dev /dev
for module in ${modules.map((module) => module.name).join(" ")}; do /busybox insmod /$module; done
/busybox --install -s /bin 2>/dev/null || { /busybox mkdir -p /bin; /busybox --install -s /bin; }
export PATH=/bin
exec >/dev/ttyS0 2>&1 </dev/ttyS0
echo; echo "COMMAND LINE $(cat /proc/cmdline)"
device() { for try in 1 2 3 4 5 6; do findfs "$(printf %b "$1")" 2>/dev/null && return; sleep 1; done; }
from() { mount -r "$1" /m && cat "/m$2" && umount /m; }
for word in $(cat /proc/cmdline); do
  case $word in
    *ks=http:*) ifconfig eth0 10.0.2.15 up; echo KICKSTART; wget -q -O - "\${word#*ks=}" ;;
    *ks=file:*) echo KICKSTART; cat "\${word#*file:}" ;;
    ks=cdrom:*) for cd in /dev/sr*; do mount -r $cd /m && { [ -f /m/ks.cfg ] && echo KICKSTART && cat /m/ks.cfg; umount /m; }; done ;;
    inst.ks=hd:*) place=\${word#inst.ks=hd:}; echo KICKSTART; from "$(device "\${place%%:*}")" "\${place#*:}" ;;
    inst.stage2=hd:*) mount -r "$(device "\${word#inst.stage2=hd:}")" /m && { ls /m/*/*.img | sed 's/^/STAGE2 /'; umount /m; } ;;
  esac
done
poweroff -f
`;
  const busybox = await readFile(join(extracted, "busybox-static/bin/busybox"));
  return {
    kernel,
    initrd: newcCpio([
      { path: "init", data: Buffer.from(init), mode: 0o755 },
      { path: "busybox", data: busybox, mode: 0o755 },
      ...modules.map(({ name, data }) => ({ path: name, data })),
    ]),
  };
}

/** Starts a machine, and returns its serial output until it is off. */
async function booted(...args: string[]): Promise<string> {
  const disk = join(folder, "blank.img");
  await writeFile(disk, "");
  await truncate(disk, 64 << 20);
  const qemu = spawn("qemu-system-x86_64", [
    ...["-accel", "tcg", "-machine", "pc", "-cpu", "qemu64", "-m", "512", "-no-reboot", "-nodefaults"],
    ...["-display", "none", "-vga", "std", "-serial", "stdio", "-boot", "order=cd"],
    // A blank disk comes first, as our instructions say: the installer must skip it.
    ...["-drive", `file=${disk},format=raw,if=ide,index=0`],
    ...args,
  ]);
  let said = "";
  qemu.stdout.setEncoding("latin1").on("data", (text) => (said += text));
  qemu.stderr.setEncoding("utf8").on("data", (text) => (said += text));
  const patience = setTimeout(() => qemu.kill("SIGKILL"), 150_000);
  await new Promise((done) => qemu.once("close", done));
  clearTimeout(patience);
  return said.replaceAll("\r", "");
}

const drive = (iso: string, index = 2) => [
  "-drive",
  `file=${iso},format=raw,if=ide,index=${index},media=cdrom,readonly=on`,
];

async function making(name: string): Promise<ImageMaking> {
  const scratch = join(folder, name);
  await mkdir(scratch, { recursive: true });
  return { host, scratch };
}

const releases = layouts.map((layout) => [layout.release, layout] as const);
const kickstartOf = (layout: Layout) => `# for ${layout.release}\ncdrom\npoweroff\n`;
const shown = (layout: Layout) => `KICKSTART\n${kickstartOf(layout)}`;

describeWith(
  ["xorriso", "mformat", "grub-mkimage", "xz", "zstd", "qemu-system-x86_64"],
  "what is made of the discs of Oracle Linux 5 to 9",
  () => {
    const discs = new Map<string, string>();
    const discOf = (layout: Layout) => {
      const known = discs.get(layout.release) ?? syntheticDisc(folder, layout, installer);
      discs.set(layout.release, known);
      return known;
    };

    it.each(releases)("OL%s is read without mounting it", async (_release, layout) => {
      const medium = await readMedium(discOf(layout));
      const [major, update] = layout.release.split(".").map(Number);
      expect(medium).toMatchObject({
        major,
        update,
        volumeId: layout.volumeId,
        arch: "x86_64",
        kernel: "isolinux/vmlinuz",
        initrd: "isolinux/initrd.img",
        stage2: layout.stage2,
        repositories: layout.repositories,
      });
      expect(medium.family).toMatch(/^Oracle Linux/);
      expect(medium.starts.isolinux).toBe("isolinux/isolinux.cfg");
      expect(medium.starts.efi?.menus).toEqual(
        layout.efi && [layout.efi === "legacy" ? "EFI/BOOT/BOOTX64.conf" : "EFI/BOOT/grub.cfg"],
      );
      expect(medium.xen?.kernel).toBe(major === 5 ? "images/xen/vmlinuz" : undefined);
    });

    it.each(releases)(
      "OL%s, remastered, installs by itself and is otherwise the same disc",
      async (_release, layout) => {
        const medium = await readMedium(discOf(layout));
        const made = join(folder, `remastered ${layout.release}.iso`);
        await remaster(await making(`remaster-${layout.release}`), medium, made, {
          kickstart: kickstartOf(layout),
          talksOn: "serial",
        });
        const { file: _, bytes: __, ...same } = medium;
        expect(await readMedium(made)).toMatchObject(same);
        const uefi = await uefiMenus(made, medium);
        expect(uefi).toHaveLength(layout.efi ? 2 : 0);
        for (const menu of uefi)
          expect(menu).toContain(medium.major >= 7 ? " inst.ks=hd:LABEL=" : " ks=cdrom:/ks.cfg ");
        const said = await booted(...drive(made));
        const commandLine = installCommandLine(medium, { kickstart: "medium", talksOn: "serial" });
        expect(said).toContain(commandLine);
        expect(said).toContain(shown(layout));
        if (medium.major >= 7) expect(said).toContain(`STAGE2 /m/${layout.stage2}`);
      },
    );

    it.each(releases.filter(([, { packing }]) => packing === "gzip" || packing === "lzma"))(
      "OL%s's initrd, packed as it is there, has the kickstart",
      async (_release, layout) => {
        const medium = await readMedium(discOf(layout));
        const [kernel, vendor, initrd] = ["k", "v", "i"].map((name) => join(folder, name)) as [
          string,
          string,
          string,
        ];
        await extractBoot(medium, kernel, vendor);
        await appendToInitrd(vendor, [{ path: "ks.cfg", data: Buffer.from(kickstartOf(layout)) }], initrd);
        const line = installCommandLine(medium);
        const said = await booted(
          "-kernel",
          kernel,
          "-initrd",
          initrd,
          "-append",
          line,
          ...drive(medium.file),
        );
        expect(said).toContain(`COMMAND LINE ${line}\n`);
        expect(said).toContain(shown(layout));
      },
    );

    it("a boot ISO starts the installer, which finds the untouched disc in the second drive", async () => {
      const layout = layoutOf("7.9");
      const medium = await readMedium(discOf(layout));
      const made = join(folder, "boot.iso");
      await bootIso(await making("boot"), medium, made, {
        kickstart: kickstartOf(layout),
        talksOn: "serial",
      });
      const said = await booted(...drive(made, 2), ...drive(medium.file, 3));
      expect(said).toContain(
        `COMMAND LINE BOOT_IMAGE=/isolinux/vmlinuz initrd=/isolinux/initrd.img inst.ks=file:/ks.cfg inst.stage2=hd:LABEL=OL-7.9\\x20Server.x86_64 `,
      );
      expect(said).toContain(shown(layout));
      expect(said).toContain("STAGE2 /m/LiveOS/squashfs.img");
      expect((await stat(made)).size).toBeLessThan((await stat(medium.file)).size);
    });

    itWith(["/usr/share/OVMF/OVMF_CODE_4M.fd"], "a remastered disc starts by UEFI too", async () => {
      const layout = layoutOf("8.9");
      const medium = await readMedium(discOf(layout));
      const made = join(folder, "uefi.iso");
      await remaster(await making("uefi"), medium, made, {
        kickstart: kickstartOf(layout),
        talksOn: "serial",
      });
      const said = await booted(...(await uefi()), ...drive(made));
      expect(said).toContain(installCommandLine(medium, { kickstart: "medium", talksOn: "serial" }));
      expect(said).toContain(shown(layout));
    });

    itSlow("a boot ISO starts by UEFI too", async () => {
      const layout = layoutOf("9.2");
      const medium = await readMedium(discOf(layout));
      const made = join(folder, "boot-uefi.iso");
      const how = { kickstart: kickstartOf(layout), talksOn: "serial" } as const;
      expect(await bootIso(await making("boot-uefi"), medium, made, how)).toEqual({ uefi: true });
      const said = await booted(...(await uefi()), ...drive(made, 2), ...drive(medium.file, 3));
      expect(said).toContain(installCommandLine(medium, { kickstart: "initrd", talksOn: "serial" }));
      expect(said).toContain(shown(layout));
      expect(said).toContain("STAGE2 /m/images/install.img");
    });

    it("a disc with a UEFI boot image outside its files is reported", async () => {
      const disc = discOf(layoutOf("8.9"));
      const moved = join(folder, "moved.iso");
      const tree = join(folder, "tree-8.9");
      await host.run([
        ...[
          "xorriso",
          "-as",
          "mkisofs",
          "-quiet",
          "-o",
          moved,
          "-V",
          (await readMedium(disc)).volumeId,
          "-R",
        ],
        ...["-append_partition", "2", "0xef", join(tree, "images/efiboot.img")],
        ...["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"],
        ...["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "-eltorito-alt-boot"],
        ...["-e", "--interval:appended_partition_2:all::", "-no-emul-boot", tree],
      ]);
      const { starts } = await readMedium(moved);
      expect(starts.efi).toBeUndefined();
      expect(starts.efiOutside).toBe(true);
    });

    /** A TFTP and a web server with the form `network`, and a machine with nothing but a network card. */
    async function startsFromServer(
      release: string,
      bootfile: string,
      { loaders = [], firmware = [] }: { loaders?: readonly string[]; firmware?: readonly string[] } = {},
    ): Promise<void> {
      const layout = layoutOf(release);
      const medium = await readMedium(discOf(layout));
      const tftp = join(folder, `tftp-${release}`);
      await mkdir(tftp);
      const server = createServer(async (request, response) => {
        response.end(await readFile(join(tftp, request.url ?? "")).catch(() => "none"));
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const boot = networkBoot(medium, kickstartOf(layout), `http://10.0.2.2:${port}`);
      await extractBoot(medium, join(tftp, "vmlinuz"), join(tftp, "initrd.img"));
      await writeNetworkBoot(tftp, boot);
      for (const loader of loaders) await copyFile(loader, join(tftp, basename(loader)));
      const said = await booted(
        ...firmware,
        ...["-netdev", `user,id=n,tftp=${tftp},bootfile=${bootfile}`],
        ...["-device", "virtio-net-pci,netdev=n", "-boot", "order=n"],
      );
      server.close();
      expect(said).toContain(boot.commandLine);
      expect(said).toContain(
        `KICKSTART\n# for ${release}\nurl --url=http://10.0.2.2:${port}/disc\npoweroff\n`,
      );
    }

    const pxelinux = ["/usr/lib/PXELINUX/pxelinux.0", "/usr/lib/syslinux/modules/bios/ldlinux.c32"];
    itWith([...pxelinux], "a boot server starts the installer with its kickstart, by pxelinux", () =>
      startsFromServer("6.10", "pxelinux.0", { loaders: pxelinux }),
    );

    itSlow("a boot server starts the installer with its kickstart, by iPXE", () =>
      startsFromServer("9.2", "boot.ipxe"),
    );

    const netGrub = "/usr/lib/grub/x86_64-efi/monolithic/grubnetx64.efi";
    itWith(
      ["/usr/share/OVMF/OVMF_CODE_4M.fd", netGrub],
      "a boot server starts the installer with its kickstart, by GRUB on UEFI",
      async () => startsFromServer("8.9", "grubnetx64.efi", { loaders: [netGrub], firmware: await uefi() }),
    );

    itWith(
      ["root", "loop", "mkfs.xfs"],
      "where files can share blocks, a remastered disc costs what was added, and starts all the same",
      async () => {
        const layout = layoutOf("9.2");
        const [image, mount] = [join(folder, "xfs.img"), join(folder, "xfs")];
        await writeFile(image, "");
        await truncate(image, 400 << 20);
        await host.run(["mkfs.xfs", "-q", "-m", "reflink=1", image]);
        await mkdir(mount);
        await host.run(["mount", "-o", "loop", image, mount]);
        try {
          const original = join(mount, "original.iso");
          await copyFile(discOf(layout), original);
          const digest = await sha256(original);
          const used = async () => {
            const { blocks, bfree, bsize } = await statfs(mount);
            return (blocks - bfree) * bsize;
          };
          const before = await used();
          const made = join(mount, "made.iso");
          const { shared } = await remaster(await making("shared"), await readMedium(original), made, {
            kickstart: kickstartOf(layout),
            talksOn: "serial",
          });
          await host.run(["sync", "-f", mount]);
          expect(shared).toBe(true);
          expect((await used()) - before).toBeLessThan((await stat(original)).size / 3);
          expect(await sha256(original)).toBe(digest);
          expect(await booted(...drive(made))).toContain(shown(layout));
        } finally {
          await host.run(["umount", mount]);
        }
      },
    );

    it("packages for a site without network are a repository on the disc, beside its own files", async () => {
      const medium = await readMedium(discOf(layoutOf("7.9")));
      const rpms = (await testMedium(6)).repositories.ol6_addons ?? "";
      const how = await making("addons");
      const addons = await stageAddons(how, medium, rpms);
      const made = join(folder, "addons.iso");
      await remaster(how, medium, made, { kickstart: "cdrom\n", talksOn: "screen", addons });
      await using iso = await openIso(made);
      const [rpm = ""] = (await readdir(rpms)).filter((name) => name.endsWith(".rpm"));
      await iso.extract(`addons/${rpm}`, join(folder, rpm));
      expect(await sha256(join(folder, rpm))).toBe(await sha256(join(rpms, rpm)));
      expect((await readMedium(made)).repositories).toEqual([".", "addons", "addons/HighAvailability"]);
    });

    it("an OEMDRV volume has its label and the kickstart, as a CD and as a disk", async () => {
      const medium = await readMedium(discOf(layoutOf("8.9")));
      for (const form of ["iso", "disk"] as const) {
        const made = join(folder, `oemdrv.${form}`);
        await oemdrv(await making(`oemdrv-${form}`), medium, made, { kickstart: "cdrom\n", form });
        expect((await host.run(["blkid", "-p", "-o", "value", "-s", "LABEL", made])).stdout).toBe("OEMDRV\n");
        const kickstart =
          form === "disk"
            ? (await host.run(["mtype", "-i", made, "::ks.cfg"])).stdout
            : await kickstartOn(made);
        expect(kickstart).toBe("cdrom\n");
      }
    });

    it.each(["5.11", "6.10"])(
      "an OEMDRV volume is refused for OL%s, which would ignore it",
      async (release) => {
        const medium = await readMedium(discOf(layoutOf(release)));
        await expect(
          oemdrv(await making("never"), medium, join(folder, "never"), { kickstart: "", form: "iso" }),
        ).rejects.toMatchObject({ fault: "usage", message: expect.stringContaining("for drivers only") });
      },
    );
  },
);

/** The firmware, with variables of its own. */
async function uefi(): Promise<string[]> {
  const variables = join(folder, "vars.fd");
  await copyFile("/usr/share/OVMF/OVMF_VARS_4M.fd", variables);
  return ["/usr/share/OVMF/OVMF_CODE_4M.fd,readonly=on", variables].flatMap((file) => [
    "-drive",
    `if=pflash,format=raw,file=${file}`,
  ]);
}

const layoutOf = (release: string): Layout => {
  const layout = layouts.find((one) => one.release === release);
  if (!layout) throw new Error(release);
  return layout;
};

/** Both menus of UEFI: beside the FAT image, and in it. */
async function uefiMenus(made: string, { starts }: Medium): Promise<string[]> {
  const [menu] = starts.efi?.menus ?? [];
  if (starts.efi === undefined || menu === undefined) return [];
  await using iso = await openIso(made);
  const image = join(folder, "efiboot.img");
  await iso.extract(starts.efi.image, image);
  return [
    new TextDecoder().decode(await iso.read(menu)),
    (await host.run(["mtype", "-i", image, `::${menu}`])).stdout,
  ];
}

async function kickstartOn(made: string): Promise<string> {
  await using iso = await openIso(made);
  return new TextDecoder().decode(await iso.read("ks.cfg"));
}

async function sha256(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}
