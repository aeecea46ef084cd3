import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkModules } from "../../src/firstboot/check/index.ts";
import { releases } from "../../src/guest/release.ts";
import { describeWith } from "../fakes/missing.ts";
import { inGuest, rootNeeds } from "./additions-root.ts";

const modules = join(import.meta.dirname, "../../recipes/modules");
const program = (name: string) =>
  readFileSync(join(modules, name, `payload/opt/tbuild/${name}/run.sh`), "utf8");
const python = "/usr/bin/python3";

/** Runs a module's program in a throw-away root, between shell lines. */
function run(name: string, script: string): { code: number | null; out: string; err: string } {
  return inGuest(python, `run=/opt/tbuild/${name}/run.sh\n${script}`, {
    [`opt/tbuild/${name}/run.sh`]: program(name),
  });
}

describe("the modules that come with tbuild", () => {
  it("have no errors for any release, and do not collide with each other", async () => {
    const folders = (await readdir(modules)).map((name) => join(modules, name));
    const everywhere = Object.entries(releases).map(([major, { python: version }]) => ({
      name: `ol${major}`,
      python: version,
    }));
    const { findings, reports } = await checkModules(folders, everywhere);
    expect(findings.filter(({ level }) => level === "error")).toEqual([]);
    expect(reports.map(({ name }) => name).sort()).toEqual([
      "grid",
      "hosts",
      "ntp",
      "ssh-equivalence",
      "storage",
    ]);
  });
});

describeWith(rootNeeds, "the module hosts", () => {
  it("writes its lines once, in order, and removes them", () => {
    const { out, code } = run(
      "hosts",
      `printf '127.0.0.1 localhost\\n' > /etc/hosts
export ENTRY_0='10.0.0.1 n1.example.com n1' ENTRY_10='fd00::a n10' ENTRY_2='10.0.0.2 n2'
$run configure; $run configure; cat /etc/hosts
ENTRY_0='10.0.0.9 n1' $run reconfigure; grep -c n1 /etc/hosts
$run cleanup; echo --; cat /etc/hosts`,
    );
    expect(code).toBe(0);
    expect(out).toBe(
      "127.0.0.1 localhost\n# begin tbuild hosts\n10.0.0.1 n1.example.com n1\n10.0.0.2 n2\nfd00::a n10\n# end tbuild hosts\n2\n--\n127.0.0.1 localhost\n",
    );
  });

  it.each(["10.0.0.1", "n1 10.0.0.1", "10.0.0.1 n1; reboot", "10.0.0.1 $(id)"])(
    "refuses %s, and changes nothing",
    (line) => {
      const { out, code, err } = run(
        "hosts",
        `cp /etc/hosts /h; export ENTRY_0='10.0.0.2 n2' ENTRY_1='${line}'; $run configure || echo "rc $?"; cmp /etc/hosts /h`,
      );
      expect({ code, out }).toEqual({ code: 0, out: "rc 2\n" });
      expect(err).toContain(`"${line}" is not an address with names`);
    },
  );
});

describeWith(rootNeeds, "the module ntp", () => {
  it.each(["/etc/chrony.conf", "/etc/ntp.conf"])("replaces the servers in %s", (file) => {
    const { out, code } = run(
      "ntp",
      `rm -f /etc/chrony.conf /etc/ntp.conf; printf 'driftfile /d\\nserver old iburst\\npool p\\n' > ${file}
export SERVERS=t1.example.com,10.0.0.5; $run configure; $run configure; cat ${file}`,
    );
    expect({ code, out }).toEqual({
      code: 0,
      out: "driftfile /d\nserver t1.example.com iburst\nserver 10.0.0.5 iburst\n",
    });
  });

  it("says if there is no time service, and refuses a value that is no list", () => {
    const { out, err } = run(
      "ntp",
      `rm -f /etc/chrony.conf /etc/ntp.conf; SERVERS=t1 $run configure || echo "rc $?"; SERVERS='a b' $run configure || echo "rc $?"; SERVERS= $run configure`,
    );
    expect(out).toBe("rc 2\nrc 2\n");
    expect(err).toMatch(/neither chrony nor ntp is installed\n.*"a b" is not a list/);
  });
});

describeWith([...rootNeeds, "ssh-keygen"], "the module ssh-equivalence", () => {
  it("gives each user the key once, readable only by them; cleanup removes the private key", () => {
    const { out, code, err } = run(
      "ssh-equivalence",
      `useradd -m grid; useradd -m oracle; ssh-keygen -q -t rsa -b 2048 -N '' -f /k
export USERS=grid,oracle PUBLIC_KEY="$(cat /k.pub)" PRIVATE_KEY="$(awk '{ printf "%s\\\\n", $0 }' /k)" KNOWN_HOST_0='n1 ssh-rsa AAAA'
$run configure; $run configure
for user in grid oracle; do
  cmp /k /home/$user/.ssh/id_rsa; grep -c . /home/$user/.ssh/authorized_keys /home/$user/.ssh/known_hosts
  stat -c '%a %U %n' /home/$user/.ssh /home/$user/.ssh/*
done
$run cleanup; ls /home/grid/.ssh`,
    );
    expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(
      "/home/grid/.ssh/authorized_keys:1\n/home/grid/.ssh/known_hosts:1\n700 grid /home/grid/.ssh\n",
    );
    expect(out).toContain("600 oracle /home/oracle/.ssh/id_rsa\n");
    expect(out.trimEnd().endsWith("authorized_keys\nid_rsa.pub\nknown_hosts")).toBe(true);
  });

  it("changes nothing if a user is missing, a folder is a link, or half of the key is missing", () => {
    const { out, err } = run(
      "ssh-equivalence",
      `useradd -m grid; export PUBLIC_KEY='ssh-rsa AAAA' PRIVATE_KEY=x
USERS=grid,nosuch $run configure || echo "rc $?"; ls -A /home/grid | grep -c ssh || :
ln -s /etc /home/grid/.ssh; USERS=grid $run configure || echo "rc $?"; ls /etc/id_rsa 2>/dev/null || echo none
USERS=grid PRIVATE_KEY= $run configure || echo "rc $?"`,
    );
    expect(out).toBe("rc 2\n0\nrc 2\nnone\nrc 2\n");
    expect(err).toMatch(/no user "nosuch"[\s\S]*is a link[\s\S]*needs private-key and public-key/);
  });
});

describeWith([...rootNeeds, "losetup", "sfdisk", "mkfs.ext4", "mkfs.xfs"], "the module storage", () => {
  // Not every kernel has partitions on loop devices: the first partition is a second device over the same file.
  const loop = (lines: string, size = "40M") =>
    run(
      "storage",
      `mount -t tmpfs -o size=1g t /mnt; truncate -s ${size} /mnt/d; d=$(losetup -f --show /mnt/d)
p=$(losetup -o 1048576 -f --show /mnt/d); ln -s $p \${d}p1
trap 'umount /u01 2>/dev/null || :; rm \${d}p1; losetup -d $d $p' EXIT; : > /etc/fstab
${lines}`,
    );

  it.each(["ext4", "xfs"])(
    "makes a partition and %s, mounts it by UUID, and leaves it alone the next time",
    (fs) => {
      const { out, code, err } = loop(
        `export DISK_0=$d:/u01:${fs}; $run configure; cat /etc/fstab; findmnt -no FSTYPE /u01; echo kept > /u01/f
$run configure; cat /u01/f; grep -c u01 /etc/fstab; sfdisk -d $d | grep -c start=`,
        // XFS needs 300 MiB.
        "400M",
      );
      expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
      expect(out).toMatch(
        new RegExp(
          `^storage: /dev/loop\\d+ is /u01 \\(${fs}\\)\\nUUID=\\S+ /u01 ${fs} defaults 0 0\\n${fs}\\nstorage: /u01 is in /etc/fstab already; no disk was changed for it\\nkept\\n1\\n1\\n$`,
        ),
      );
    },
  );

  it.each([
    ["a file system", "mkfs.ext4 -q $d", "is not empty: nothing was changed"],
    ["a partition table", "echo 2048,, | sfdisk -q $d", "is not empty: nothing was changed"],
    [
      "a physical volume",
      "printf LABELONE > /x; dd if=/x of=$d bs=512 seek=1 conv=notrunc 2>/dev/null; printf 'LVM2 001' | dd of=$d bs=1 seek=536 conv=notrunc 2>/dev/null; mkfs.xfs -q -f $d",
      "is not empty",
    ],
  ])("never changes a disk with %s", (_, prepare, words) => {
    const { out, err } = loop(
      `${prepare}; sha256sum < $d > /a; DISK_0=$d:/u01:ext4 $run configure || echo "rc $?"; sha256sum < $d | cmp - /a; cat /etc/fstab`,
      prepare.includes("xfs") ? "400M" : "40M",
    );
    expect(out).toBe("rc 2\n");
    expect(err).toContain(words);
  });

  it.each([
    "0:/u01:ext4",
    "99:/u01:ext4",
    "1:u01:ext4",
    "1:/u01/../etc:ext4",
    "1:/u01:ntfs",
    "1:/u01:ext4:a b",
    "1:/u01:ext4:v:x",
    "1:/:ext4",
    "$d:/u02:ext4",
    "$p:/u01/:ext4",
  ])("refuses %s before any disk changes", (value) => {
    const { out } = loop(
      `export DISK_0=$d:/u01:ext4 DISK_1="${value}"; sha256sum < $d > /a; $run configure || echo "rc $?"; sha256sum < $d | cmp - /a`,
    );
    expect(out).toBe("rc 2\n");
  });
});
