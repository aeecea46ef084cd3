import { execFileSync, spawn } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { bootIso } from "../../src/media/boot-iso.ts";
import { installCommandLine } from "../../src/media/command-line.ts";
import { appendToInitrd, newcCpio } from "../../src/media/initrd.ts";
import { openIso } from "../../src/media/iso.ts";
import { extractBoot, readMedium } from "../../src/media/medium.ts";
import { oemdrv } from "../../src/media/oemdrv.ts";
import { remaster } from "../../src/media/remaster.ts";
import type { ImageMaking } from "../../src/media/xorriso.ts";
import { missing } from "../fakes/missing.ts";
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

/** A kernel, and in its initrd an `init` that does with its command line what Anaconda's does, and shows what it found. */
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

/** Starts a machine, and gives what it says on its serial line until it is off. */
async function booted(...args: string[]): Promise<string> {
  const disk = join(folder, "blank.img");
  await writeFile(disk, "");
  await truncate(disk, 64 << 20);
  const qemu = spawn("qemu-system-x86_64", [
    ...["-accel", "tcg", "-machine", "pc", "-cpu", "qemu64", "-m", "512", "-no-reboot", "-nodefaults"],
    ...["-display", "none", "-vga", "std", "-serial", "stdio", "-boot", "order=cd"],
    // A blank disk comes first, as we tell people to do it: it must be passed over.
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

const kickstartOf = (layout: Layout) => `# for ${layout.release}\ncdrom\npoweroff\n`;
const shown = (layout: Layout) => `KICKSTART\n${kickstartOf(layout)}`;

describe.skipIf(missing("xorriso", "mformat", "grub-mkimage", "xz", "zstd", "qemu-system-x86_64"))(
  "what is made of the discs of Oracle Linux 5 to 9",
  () => {
    const discs = new Map<string, string>();
    const discOf = (layout: Layout) => {
      const known = discs.get(layout.release) ?? syntheticDisc(folder, layout, installer);
      discs.set(layout.release, known);
      return known;
    };

    it.each(layouts)("OL$release is read without mounting it", async (layout) => {
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

    it.each(layouts)(
      "OL$release, remastered, installs by itself and is otherwise the same disc",
      async (layout) => {
        const medium = await readMedium(discOf(layout));
        const made = join(folder, `remastered ${layout.release}.iso`);
        await remaster(await making(`remaster-${layout.release}`), medium, made, {
          kickstart: kickstartOf(layout),
          talksOn: "serial",
        });
        const { file: _, bytes: __, ...same } = medium;
        expect(await readMedium(made)).toMatchObject(same);
        const said = await booted(...drive(made));
        const commandLine = installCommandLine(medium, { kickstart: "medium", talksOn: "serial" });
        expect(said).toContain(commandLine);
        expect(said).toContain(shown(layout));
        if (medium.major >= 7) expect(said).toContain(`STAGE2 /m/${layout.stage2}`);
      },
    );

    it.each(layouts)("OL$release's initrd, packed with $packing, has the kickstart", async (layout) => {
      const medium = await readMedium(discOf(layout));
      const [kernel, vendor, initrd] = ["k", "v", "i"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      await extractBoot(medium, kernel, vendor);
      await appendToInitrd(vendor, [{ path: "ks.cfg", data: Buffer.from(kickstartOf(layout)) }], initrd);
      const line = installCommandLine(medium);
      const said = await booted("-kernel", kernel, "-initrd", initrd, "-append", line, ...drive(medium.file));
      expect(said).toContain(`COMMAND LINE ${line}\n`);
      expect(said).toContain(shown(layout));
    });
  },
);
