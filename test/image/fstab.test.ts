import { describe, expect, it } from "vitest";
import type { Volume } from "../../src/image/access.ts";
import { coveredPlaces } from "../../src/image/disk/covered.ts";
import { fstabEntries, mountUnitEntry, resolveMounts } from "../../src/image/disk/fstab.ts";

const volume = (name: string, more: Partial<Volume>): Volume => ({
  name,
  fs: "ext4",
  offset: 0,
  bytes: 1,
  ...more,
});

const root = volume("p1", { uuid: "0a-1", label: "root" });
const volumes = [
  root,
  volume("p2", { uuid: "0A-2", label: "my data", partUuid: "d1e2f3a4-02", partLabel: "var" }),
  volume("vg-a/home", { uuid: "0a-3" }),
  volume("p4", { fs: "unknown", refused: "is encrypted with LUKS" }),
  volume("p5", { fs: "swap", uuid: "0a-5" }),
];
const places = (fstab: string) =>
  resolveMounts(fstabEntries(fstab), volumes, root).mounts.map(({ at, volume }) => `${volume.name} ${at}`);
const unresolved = (fstab: string) =>
  resolveMounts(fstabEntries(fstab), volumes, root).unresolved.map(({ why }) => why);

describe("an fstab finds a volume by", () => {
  it.each([
    "UUID=0a-2",
    'UUID="0a-2"',
    "UUID='0a-2'",
    "/dev/disk/by-uuid/0a-2",
    "LABEL=my\\040data",
    "/dev/disk/by-label/my\\x20data",
    "PARTUUID=D1E2F3A4-02",
    "/dev/disk/by-partuuid/d1e2f3a4-02",
    "PARTLABEL=var",
    "/dev/disk/by-partlabel/var",
    "/dev/sda2",
    "/dev/hda2",
    "/dev/xvda2",
    "/dev/vda2",
    "/dev/nvme0n1p2",
    "/dev/mmcblk0p2",
    "/dev/cciss/c0d0p2",
    "/dev/disk/by-id/ata-QEMU_HARDDISK_QM00001-part2",
    "/dev/disk/by-path/pci-0000:00:05.0-part2",
  ])("%s", (device) => {
    expect(places(`LABEL=root / ext4 defaults 1 1\n${device} /var ext4 defaults 1 2\n`)).toEqual([
      "p1 /",
      "p2 /var",
    ]);
  });

  it.each(["/dev/mapper/vg--a-home", "/dev/vg-a/home", "/dev/disk/by-id/dm-name-vg--a-home"])(
    "%s",
    (device) => {
      expect(places(`${device} /home xfs defaults 0 0`)).toEqual(["p1 /", "vg-a/home /home"]);
    },
  );
});

describe("an fstab", () => {
  it.each([
    ["CR-LF", "UUID=0a-2\t/var\text4\tdefaults\t1 2\r\n"],
    ["words after the sixth", "UUID=0a-2 /var ext4 defaults 1 2 # stray words\n"],
    ["a # inside a word", "# a comment\n  # another\nUUID=0a-2 /var ext4 defaults,comment=a#b 1 2\n"],
    ["two words only", "UUID=0a-2 /var"],
    ["noauto", "UUID=0a-2 /var ext4 noauto 0 0"],
    ["no newline at its end", "\n\nUUID=0a-2 /var/ ext4"],
  ])("with %s is read", (_what, text) => {
    expect(places(text)).toEqual(["p1 /", "p2 /var"]);
  });

  it.each(["UUID=0a-2 /my\\040place ext4", "UUID=0a-2 /caf\\303\\251 ext4"])(
    "may escape a place: %s",
    (text) => {
      expect(places(text)[1]).toMatch(/^p2 \/(?:my place|café)$/);
    },
  );

  it.each([
    ["/dev/sdb1 /u01 ext4", "is on another disk"],
    ["/dev/nvme1n1p2 /u01 ext4", "is on another disk"],
    ["UUID=ffff /u01 ext4", "is missing: no volume of this disk has the UUID ffff"],
    ["LABEL=nobody /u01 ext4", "is missing: no volume of this disk has the label nobody"],
    ["/dev/md0 /u01 ext4", "is a software RAID (MD), but no complete one has this name"],
    ["/dev/mapper/luks-1 /u01 ext4", "consists of parts that this disk does not describe"],
    ["/dev/sda4 /u01 ext4", "is p4, which is encrypted with LUKS"],
    ["SERIAL=x /u01 ext4", "SERIAL= is not a known tag"],
    [
      "UUID=0a-2 /../../etc ext4",
      "has /../../etc as its mount point, which is not an absolute path in the guest",
    ],
  ])("names what it cannot find: %s", (text, why) => {
    expect(unresolved(text)).toEqual([why]);
    expect(places(text)).toEqual(["p1 /"]);
  });

  it.each([
    "proc /proc proc defaults 0 0",
    "tmpfs /dev/shm tmpfs size=4G 0 0",
    "nas:/export /mnt nfs4 defaults 0 0",
    "//nas/share /mnt cifs credentials=/etc/c 0 0",
    "/srv/a /srv/b none bind 0 0",
    "/dev/cdrom /media iso9660 ro 0 0",
    "/dev/fd0 /floppy auto noauto 0 0",
    "/images/x.iso /mnt iso9660 loop 0 0",
    "/swapfile none swap sw 0 0",
    "UUID=0a-5 none swap sw 0 0",
    "sshfs#me@host: /mnt fuse defaults 0 0",
  ])("skips entries that are not a file system of a disk: %s", (text) => {
    expect(unresolved(text)).toEqual([]);
    expect(places(text)).toEqual(["p1 /"]);
  });

  it("does not guess between two volumes of one label", () => {
    const twins = [root, volume("p2", { label: "d" }), volume("p3", { label: "d" })];
    expect(resolveMounts(fstabEntries("LABEL=d /u01 ext4"), twins, root).unresolved[0]?.why).toBe(
      "is ambiguous: p2 and p3 have the label d",
    );
  });
});

it("a mount unit of systemd names its mount in the section [Mount]", () => {
  const text =
    "[Unit]\nWhat=/dev/sdz9\n[Mount]\n# x\nWhat = /dev/disk/by-partlabel/var\nWhere=/var\nType=ext4\n";
  const entry = mountUnitEntry(text, "/etc/systemd/system/var.mount") ?? expect.fail();
  expect(
    resolveMounts([entry], volumes, root).mounts.map(({ at, volume }) => `${volume.name} ${at}`),
  ).toEqual(["p1 /", "p2 /var"]);
});

describe("a folder that another one covers is named", () => {
  const covered = (fstab: string, homes: readonly string[] = []) =>
    coveredPlaces(fstabEntries(fstab), homes).map(({ name, why }) => `${name} ${why}`);

  it.each([
    ["/data/var /var none bind 0 0", "/var is a bind mount of /data/var"],
    ["/data/var/ /var/ none rw,rbind 0 0", "/var is a bind mount of /data/var/"],
    ["/data/etcssh /etc/ssh none defaults,bind 0 0", "/etc/ssh is a bind mount of /data/etcssh"],
    ["/data/x /data/../etc/ssh none bind 0 0", "/etc/ssh is a bind mount of /data/x"],
    ["/log /var/log none bind 0 0", "/var/log is a bind mount of /log"],
    ["/data/tmp /tmp none bind 0 0", "/tmp is a bind mount of /data/tmp"],
    ["/data / none bind 0 0", "/ is a bind mount of /data"],
    ["/data/o /u01 none bind 0 0", "/u01 is a bind mount of /data/o"],
    [
      "overlay /var overlay lowerdir=/usr,upperdir=/data/up,workdir=/data/w 0 0",
      "/var is a mount of type overlay",
    ],
    ["bindfs#/data/opt /opt fuse defaults 0 0", "/opt is a mount of type bindfs"],
    ["/data/a:/data/b /srv fuse.mergerfs defaults 0 0", "/srv is a mount of type mergerfs"],
    ["/images/var.img /var ext4 loop 0 0", "/var is a mount of /images/var.img"],
  ])("%s", (line, words) => {
    expect(covered(`LABEL=root / ext4\n${line}`, ["/u01/home/oracle", "/"])).toEqual([
      `${words} in the running guest (/etc/fstab:2), whose contents were not inspected`,
    ]);
  });

  it.each([
    ["it is not where a seal looks", "/srv/a /data/b none bind 0 0"],
    ["it covers itself", "/home /home none bind,nosuid 0 0"],
    ["a chroot shows what is sealed outside", "/etc/named /var/named/chroot/etc/named none bind 0 0"],
    ["a chroot shows the kernel's files", "/proc /srv/chroot/proc none rbind 0 0"],
    ["an export shows what is sealed outside", "/home /srv/nfs4/home none bind 0 0"],
    ["both are emptied", "/tmp /var/tmp none rw,noexec,nosuid,nodev,bind 0 0"],
    ["nothing of it lasts", "/data/run /run/data none bind 0 0"],
    ["its files are on another machine", "nas:/x /nfs nfs\n/nfs/home /home none bind 0 0"],
    ["it is another machine's", "//nas/home /home cifs credentials=/etc/c 0 0"],
    ["it is a medium", "/images/x.iso /var/www/iso iso9660 loop 0 0"],
    ["it is swap", "/var/swapfile none swap sw 0 0"],
    ["it is in memory", "tmpfs /var/log tmpfs defaults 0 0"],
    ["it is a volume", "LABEL=var /var ext4 defaults 0 0"],
  ])("but not if %s", (_why, line) => {
    expect(covered(line)).toEqual([]);
  });

  it("by a mount unit", () => {
    const text = "[Mount]\nWhat=/data/v\nWhere=/var\nType=none\nOptions=bind\n";
    const entry = mountUnitEntry(text, "/etc/systemd/system/var.mount") ?? expect.fail();
    expect(coveredPlaces([entry])).toMatchObject([
      { name: "/var", state: "unknown", why: expect.stringContaining("/etc/systemd/system/var.mount") },
    ]);
  });
});
