import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../../src/host/temporary.ts";
import { quickStart } from "../../src/image/ways/uml-machine.ts";
import { describeWith } from "../fakes/missing.ts";

const program = readFileSync(
  join(import.meta.dirname, "../../recipes/modules/storage/payload/opt/tbuild/storage/run.sh"),
  "utf8",
);

/**
 * A separate kernel with partitions and device mapper: this machine's programs on a throw-away layer, and four empty disks,
 * ubdb to ubde. Slots have names of virtio disks; their partitions exist under both names.
 */
const init = (folder: string) => `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
mount -t proc proc /proc; mount -t sysfs sysfs /sys
modules=/usr/lib/uml/modules/$(uname -r)/kernel
for one in drivers/md/dm-mod fs/overlayfs/overlay fs/mbcache fs/jbd2/jbd2 lib/crc16 crypto/crc32c_generic lib/libcrc32c fs/ext4/ext4 fs/xfs/xfs; do insmod $modules/$one.ko 2>/dev/null; done
mount -t tmpfs tmpfs /mnt; mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
mount -t proc proc proc; mount -t sysfs sysfs sys; mount -t devtmpfs dev dev; mount -t tmpfs tmpfs run
# LVM waits for a udev that does not run here.
printf 'activation { udev_sync = 0 udev_rules = 0 }\\ndevices { use_devicesfile = 0 }\\n' > etc/lvm/lvm.conf
mkdir -p opt/tbuild/storage; cp ${folder}/run.sh opt/tbuild/storage/; : > etc/fstab
echo; echo begin
chroot . sh ${folder}/script 2>&1
echo "end $?"
echo o > /proc/sysrq-trigger; sleep 60
`;

// The output of one boot, by its "== NAME" lines.
const script = `
set -u
run=/opt/tbuild/storage/run.sh
say() { echo "== $1"; }
say first
DISK_0=/dev/ubdb:/u01:ext4 DISK_1=/dev/ubdc:/u02:xfs:vgdata $run configure; echo "rc $?"
say state
for at in /u01 /u02; do findmnt -no SOURCE,FSTYPE $at | tr -s ' '; done
sfdisk -d /dev/ubdb | grep -o 'type=.*'; sfdisk -d /dev/ubdc | grep -o 'type=.*'
vgs --noheadings -o vg_name,lv_count vgdata | xargs; lvs --noheadings -o lv_name,lv_attr vgdata | cut -c1-14 | xargs
echo kept > /u01/file; echo kept > /u02/file
say again
DISK_0=/dev/ubdb:/u01:ext4 DISK_1=/dev/ubdc:/u02:xfs:vgdata $run configure; echo "rc $?"; cat /u01/file /u02/file; grep -c '^UUID=' /etc/fstab
say reboot
umount /u01 /u02; vgchange -qan vgdata > /dev/null; vgchange -qay vgdata > /dev/null; mount -a; cat /u01/file /u02/file
say more
mkdir -p /u03/app; chmod 2775 /u03/app; echo made > /u03/app/by-recipe
DISK_0=/dev/ubdb:/u01:ext4 DISK_2=/dev/ubdd:/u03/:ext3 $run configure; echo "rc $?"; findmnt -no FSTYPE /u03; cat /u03/app/by-recipe; stat -c %a /u03/app
say group
DISK_0=/dev/ubde:/u04:ext4:vgdata $run configure; echo "rc $?"; sfdisk -d /dev/ubde 2>&1 | grep -c start; findmnt /u04; grep -c u04 /etc/fstab
say stored
umount /u03; sed -i /u03/d /etc/fstab; sha256sum /dev/ubdd1 > /a; DISK_0=/dev/ubdd:/u03:ext4 $run configure; echo "rc $?"; sha256sum /dev/ubdd1 | cmp - /a && echo same
say member
umount /u02; sed -i /u02/d /etc/fstab; DISK_0=/dev/ubdc:/u05:ext4 $run configure; echo "rc $?"; mount /dev/vgdata/data /u02 && cat /u02/file
`;

const needs = ["linux.uml", "sfdisk", "lvm", "mkfs.ext4", "mkfs.ext3", "mkfs.xfs", "findmnt", "root"];
describeWith(needs, "the module storage on disks with partitions and LVM", () => {
  let said: ReadonlyMap<string, string>;
  beforeAll(async () => {
    await using folder = await temporaryFolder("storage");
    const at = folder.path;
    writeFileSync(join(at, "init"), init(at));
    writeFileSync(join(at, "run.sh"), program);
    writeFileSync(join(at, "script"), script);
    for (const name of ["init", "run.sh"]) chmodSync(join(at, name), 0o755);
    const disks = ["a", "b", "c", "d", "e"].map((letter, number) => {
      const file = join(at, `disk-${letter}`);
      writeFileSync(file, "");
      truncateSync(file, number === 0 ? 1048576 : 400 * 1048576);
      return `ubd${number}=${file}`;
    });
    mkdirSync(join(at, "uml"));
    const { stdout } = spawnSync(
      "linux.uml",
      [
        ...["mem=512M", ...disks, "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"],
        ...[`init=${join(at, "init")}`, "con=null", "con0=null,fd:1", ...quickStart, `uml_dir=${at}/uml/`],
      ],
      { encoding: "utf8", timeout: 120_000, killSignal: "SIGKILL", env: { PATH: process.env.PATH } },
    );
    const lines = stdout.replaceAll("\r", "").replaceAll("Running in chroot, ignoring request.\n", "");
    expect(lines).toMatch(/^end 0$/m);
    said = new Map(
      lines
        .split(/^== /m)
        .slice(1)
        .map((part) => {
          const end = part.indexOf("\n");
          return [part.slice(0, end), part.slice(end + 1).replace(/^end 0\n[\s\S]*/m, "")];
        }),
    );
  });

  it("makes partition, volume group, file system and mount", () => {
    expect(said.get("first")).toBe(
      "storage: /dev/ubdb is /u01 (ext4)\nstorage: /dev/ubdc is /u02 (xfs, volume group vgdata)\nrc 0\n",
    );
    expect(said.get("state")).toBe(
      "/dev/ubdb1 ext4\n/dev/mapper/vgdata-data xfs\ntype=83\ntype=8e\nvgdata 1\ndata -wi-ao-\n",
    );
  });

  it("changes nothing the second time, and fstab mounts it all after a reboot", () => {
    expect(said.get("again")).toBe(
      "storage: /u01 is in /etc/fstab already; no disk was changed for it\nstorage: /u02 is in /etc/fstab already; no disk was changed for it\nrc 0\nkept\nkept\n2\n",
    );
    expect(said.get("reboot")).toBe("kept\nkept\n");
  });

  it("prepares another disk, and copies the existing files of its folder", () => {
    expect(said.get("more")).toMatch(
      /was in \/u03 was copied to \/dev\/ubdd\nstorage: \/dev\/ubdd is \/u03 \(ext3\)\nrc 0\next3\nmade\n2775\n$/,
    );
  });

  it("refuses a volume group that exists, before it changes the disk", () => {
    expect(said.get("group")).toBe(
      "storage: there is a volume group vgdata already: nothing was changed\nrc 2\n0\n0\n",
    );
  });

  it("never changes a disk with content: a partition, or a member of a volume group", () => {
    expect(said.get("stored")).toBe("storage: /dev/ubdd is not empty: nothing was changed\nrc 2\nsame\n");
    expect(said.get("member")).toBe("storage: /dev/ubdc is not empty: nothing was changed\nrc 2\nkept\n");
  });
});
