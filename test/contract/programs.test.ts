import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { itSlow } from "../fakes/slow.ts";
import { emptyDisk, extDisk, type GuestFiles, guestFolder, ol6Guest, xfsDisk } from "../guest-image.ts";
import { host, sha256Of } from "./dirty-image.ts";
import { inUml } from "./uml-script.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const isRoot = process.getuid?.() === 0;

describeWith(["linux.uml", "mke2fs", "debugfs", "python3", "pvcreate"], "programs of a guest", () => {
  let folder = "";
  let image = "";
  let digest = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-programs-"));
    image = join(folder, "System.img");
    await extDisk(image, await guestWithPrograms());
    digest = await sha256Of(image);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("run, change a copy, and the change can be undone", async () => {
    const script = "echo out; echo err >&2; echo new > /etc/new; echo more >> /etc/fstab; mkdir /srv/dir";
    const ran = await tbuild(["sh", "--yes", image, script]);
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0, stdout: "out\n" });
    expect(ran.stderr).toMatch(/^err\n/);
    expect(ran.stderr).toContain("sh: /etc/, /etc/fstab, /etc/new, and 2 more\n");
    expect((await tbuild(["cat", `${image}:/etc/new`])).stdout).toBe("new\n");
    expect((await host.run(["e2fsck", "-fn", `${image}?offset=${1 << 20}`], { allow: [0] })).exitCode).toBe(
      0,
    );
    expect((await tbuild(["undo", image])).exitCode).toBe(0);
    expect(await sha256Of(image)).toBe(digest);
  });

  it("take arguments, standard input and JSON, and change nothing when they only read", async () => {
    const words = await tbuild(["sh", image, "--", "cat", "/etc/fstab"]);
    expect(words).toMatchObject({ exitCode: 0, stderr: "", stdout: "/dev/sda1 / ext4 defaults 1 1\n" });
    const json = await tbuild(["sh", "--json", image], "echo a; echo b; echo c >&2");
    expect(json).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/a\nb\n/) });
    expect(JSON.parse(json.stdout)).toMatchObject({ changed: false, operations: [], ranges: [] });
    expect(await sha256Of(image)).toBe(digest);
  });

  it("that fail leave the image as it is", async () => {
    const failed = await tbuild(["sh", "--yes", image, "echo x > /etc/x; exit 7"]);
    expect(failed.exitCode).toBe(4);
    expect(failed.stderr).toContain("ended with exit code 7");
    expect(failed.stderr).toContain("The image was not changed.");
    const lacking = await tbuild(["sh", "--yes", image, "--", "nosuch", "-x"]);
    expect(lacking).toMatchObject({
      exitCode: 4,
      stderr: expect.stringContaining("nosuch: No such file or directory"),
    });
    expect(await sha256Of(image)).toBe(digest);
    expect((await readdir(folder)).sort()).toEqual(["System.img"]);
  });

  itSlow(
    "change nothing if a folder of the guest cannot be read: it is unknown what changed in it",
    async () => {
      const damaged = join(folder, "damaged.img");
      const { files, ...rest } = await guestWithPrograms();
      await extDisk(damaged, { ...rest, files: { ...files, "/srv/broken/file": "x" } });
      // Its directory block lies behind the end of the volume.
      const at = `${damaged}?offset=${1 << 20}`;
      await host.run(["debugfs", "-w", "-R", "set_inode_field /srv/broken block[0] 4294901760", at]);
      await host.run(["debugfs", "-w", "-R", "set_inode_field /srv/broken flags 0", at]);
      const before = await sha256Of(damaged);
      const ran = await tbuild(["sh", "--yes", damaged, "echo new > /etc/motd"]);
      expect(ran.exitCode, ran.stderr).toBe(4);
      expect(ran.stderr).toContain("it is not known which files changed: find cannot read all of the guest");
      expect(await sha256Of(damaged)).toBe(before);
      await rm(damaged);
    },
  );

  it("do not reach this machine, the kernel, or the raw disk", async () => {
    const secret = join(folder, "secret");
    const attempts = {
      "mount -t hostfs none /mnt -o /": /mount: .*(?:permission denied|Operation not permitted)/,
      "mount -o remount,rw /proc": /mount: .*(?:permission denied|Operation not permitted)/,
      "unshare --mount true": /Operation not permitted/,
      "unshare --user --mount true": /Operation not permitted/,
      "chroot / true": /Operation not permitted/,
      "mknod /srv/disk b 98 0": /Operation not permitted/,
      "mknod /dev/disk b 98 0": /Read-only file system|Operation not permitted/,
      "echo '|/bin/sh' > /proc/sys/kernel/core_pattern": /Read-only file system/,
      "echo o > /proc/sysrq-trigger": /Read-only file system/,
      "echo x > /sys/kernel/uevent_helper": /Read-only file system|Directory nonexistent/,
      [`echo x > ${secret}`]: /Directory nonexistent|No such file/,
    };
    const script = Object.keys(attempts).map((line) => `(${line}) || echo refused >&2`);
    const ran = await tbuild(["sh", "--plan", image], `${script.join("\n")}\nls -l /proc/[0-9]*/root\n`);
    expect(ran.exitCode, ran.stderr).toBe(0);
    for (const [line, said] of Object.entries(attempts)) expect(ran.stderr, line).toMatch(said);
    expect(ran.stderr.match(/^refused$/gm)).toHaveLength(script.length);
    // Every process that a program sees has the guest's root.
    expect(ran.stdout.match(/-> .*$/gm)?.filter((target) => target !== "-> /")).toEqual([]);
    expect(await readdir(folder)).toEqual(["System.img"]);
  });

  itSlow("get no file systems over folders that are links", async () => {
    const odd = join(folder, "odd.img");
    const { files, links } = await guestWithPrograms();
    const { "/proc/.keep": _proc, "/dev/.keep": _dev, ...others } = files;
    await extDisk(odd, { files: others, links: { ...links, "/proc": "/etc", "/dev": "../../srv" } });
    const ran = await tbuild(["sh", odd, "cat /proc/fstab; ls /srv"]);
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("/dev/sda1 /") });
    await rm(odd);
  });

  itSlow(
    "leave files with the labels of the same paths, and new ones with those of their neighbours",
    async () => {
      const labelled = join(folder, "labelled.img");
      await host.run(["cp", "--sparse=always", image, labelled]);
      const labels = { "/": "root_t", "/etc": "etc_t", "/etc/shadow": "shadow_t", "/etc/fstab": "etc_t" };
      for (const [path, type] of Object.entries(labels)) {
        const set = `ea_set ${path} security.selinux "system_u:object_r:${type}:s0\\000"`;
        await host.run(["debugfs", "-w", "-R", set, `${labelled}?offset=${1 << 20}`]);
      }
      const script = "cp /etc/shadow /etc/s; rm /etc/shadow; mv /etc/s /etc/shadow; echo new > /etc/new";
      const ran = await tbuild(["sh", "--yes", labelled, script]);
      expect(ran.exitCode, ran.stderr).toBe(0);
      const label = async (path: string) =>
        (
          await host.run([
            "debugfs",
            "-R",
            `ea_get ${path} security.selinux`,
            `${labelled}?offset=${1 << 20}`,
          ])
        ).stdout;
      expect(await label("/etc/shadow")).toContain(":shadow_t:");
      expect(await label("/etc/new")).toContain(":etc_t:");
      await rm(labelled);
      await rm(`${labelled}.tbuild-undo-1`);
    },
  );

  it("end with Ctrl-C, and leave no process, file or change", async () => {
    const child = spawn(process.execPath, [
      main,
      "sh",
      "--yes",
      image,
      "echo x > /etc/x; echo started; sleep 600",
    ]);
    let said = "";
    child.stderr.on("data", (data) => {
      said += data;
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGINT");
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(130);
    expect(said).toContain("the image was not changed");
    expect(await sha256Of(image)).toBe(digest);
    expect(await readdir(folder)).toEqual(["System.img"]);
    const { stdout } = await host.run(["pgrep", "-f", `ubd0=.*uml-${child.pid}-`], { allow: [1] });
    expect(stdout).toBe("");
  });

  it("run in a shell on the terminal, which stays as it was", async () => {
    const ran = await host.run(["python3", "-c", shellOnTerminal, process.execPath, main, "sh", image]);
    const [before, after] = ran.stdout.match(/^state .*$/gm) ?? [];
    expect(ran.stdout).toContain("without a network");
    expect(ran.stdout).toContain("size 33 101");
    expect(ran.stdout).toContain("after ctrl-c");
    expect(ran.stdout).toMatch(/sh\S*: \/etc\/, \/etc\/typed/);
    expect(after).toBe(before);
    expect(ran.stdout).toContain("exit code: 0");
    expect(await sha256Of(image)).not.toBe(digest);
    await tbuild(["undo", image]);
    expect(await sha256Of(image)).toBe(digest);
  });

  (isRoot ? itSlow : it.skip)("run in a guest on XFS, and in a qcow2 image", async () => {
    const xfs = join(folder, "xfs.img");
    await xfsDisk(xfs, await guestWithPrograms("xfs"));
    const before = await sha256Of(xfs);
    expect((await tbuild(["sh", "--yes", xfs, "echo x > /etc/x"])).exitCode).toBe(0);
    expect((await tbuild(["cat", `${xfs}:/etc/x`])).stdout).toBe("x\n");
    await tbuild(["undo", xfs]);
    expect(await sha256Of(xfs)).toBe(before);
    const packed = join(folder, "packed.qcow2");
    await host.run(["qemu-img", "convert", "-O", "qcow2", image, packed]);
    expect((await tbuild(["sh", "--yes", packed, "echo x > /etc/x"])).exitCode).toBe(0);
    expect((await tbuild(["cat", `${packed}:/etc/x`])).stdout).toBe("x\n");
  });

  it.skipIf(!isRoot)(
    "that write more than this machine has room for change nothing, though they ended well",
    async () => {
      const place = join(folder, "small");
      await host.run(["mkdir", place]);
      await host.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", place]);
      try {
        const small = join(place, "System.img");
        await host.run(["cp", "--sparse=always", image, small]);
        const { stdout } = await host.run(["sh", "-c", 'df --output=avail -B1M "$1" | tail -1', "sh", place]);
        const much = Number(stdout) - 12;
        const fill = `head -c ${much}M /dev/urandom > ${place}/filler`;
        await host.run(["sh", "-c", fill]);
        const ran = await tbuild(["sh", "--yes", small, "head -c 20000000 /dev/urandom > /srv/x; true"]);
        expect(ran.exitCode, ran.stderr).toBe(3);
        expect(ran.stderr).toContain("could not be written to a copy beside it");
        expect(await sha256Of(small)).toBe(digest);
      } finally {
        await host.run(["umount", place]);
        await host.run(["rmdir", place]);
      }
    },
  );

  (isRoot ? itSlow : it.skip)("run in a guest on a logical volume", async () => {
    const lvm = join(folder, "lvm.img");
    const { files, links } = await guestWithPrograms();
    const mounts = "/dev/vg-a/root / ext4 defaults 1 1\n";
    const root = await guestFolder({ ...(links && { links }), files: { ...files, "/etc/fstab": mounts } });
    await emptyDisk(lvm, 100);
    const noUdev = "--config 'activation { udev_sync=0 udev_rules=0 }'";
    await inUml(
      [lvm],
      `pvcreate -qq ${noUdev} /dev/ubda1; vgcreate -qq ${noUdev} vg-a /dev/ubda1
       lvcreate -qq ${noUdev} -Zn -Wn -L 60M -n root vg-a; mke2fs -q -t ext4 -d ${root} /dev/mapper/vg--a-root
       vgchange -an ${noUdev} vg-a`,
    );
    await rm(root, { recursive: true });
    const before = await sha256Of(lvm);
    const ran = await tbuild(["sh", "--yes", lvm, "echo x > /etc/x"]);
    expect(ran.exitCode, ran.stderr).toBe(0);
    expect((await tbuild(["cat", `${lvm}:/etc/x`])).stdout).toBe("x\n");
    await tbuild(["undo", lvm]);
    expect(await sha256Of(lvm)).toBe(before);
  });

  it("of a remote image are refused", async () => {
    const ran = await tbuild(["sh", "root@ovs1:/OVS/System.img", "true"]);
    expect(ran.exitCode).toBe(3);
    expect(ran.stderr).toContain("programs cannot be run in a remote image");
  });
});

/** A guest with a few programs of this machine, and the libraries that they need. */
async function guestWithPrograms(fs = "ext4"): Promise<GuestFiles> {
  const names = "sh head cat ls cp rm mv mkdir sleep stty mount unshare chroot mknod true".split(" ");
  const files: Record<string, GuestFiles["files"][string]> = {
    ...ol6Guest.files,
    "/etc/fstab": `/dev/sda1 / ${fs} defaults 1 1\n`,
    "/etc/shadow": { data: "root:*:1::::::\n", mode: 0 },
  };
  for (const folder of ["proc", "sys", "dev", "run", "srv", "mnt", "root", "tmp"])
    files[`/${folder}/.keep`] = "";
  for (const name of names) {
    const { stdout } = await host.run(["sh", "-c", 'command -v "$1"', "sh", name]);
    const program = name === "true" ? "/bin/true" : stdout.trim();
    files[`/bin/${name}`] = { data: await readFile(program), mode: 0o755 };
    const needs = await host.run(["ldd", program], { allow: [1] });
    for (const [, library = ""] of needs.stdout.matchAll(/(\/\S+) \(0x/g))
      files[library] = { data: await readFile(library), mode: 0o755 };
  }
  return { ...ol6Guest, files };
}

// Types into a shell on a terminal of 33 rows and 101 columns.
const shellOnTerminal = `
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    time.sleep(0.5)
    script = 'echo "state $(stty -g)"; "$@"; code=$?; echo "state $(stty -g)"; exit $code'
    os.execvp("sh", ["sh", "-c", script, "sh", *sys.argv[1:]])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
seen = b""
def wait(what):
    global seen
    end = time.time() + 120
    while what not in seen and time.time() < end:
        if select.select([fd], [], [], 1)[0]:
            try: data = os.read(fd, 65536)
            except OSError: break
            seen += data
            sys.stdout.write(data.decode(errors="replace"))
    assert what in seen, (what, seen)
    seen = seen[seen.index(what) + len(what):]
wait(b"# ")
os.write(fd, b"echo size $(stty size); echo typed > /etc/typed\\n"); wait(b"size 33"); wait(b"# ")
os.write(fd, b"sleep 600\\n"); time.sleep(1); os.write(fd, b"\\x03"); wait(b"# ")
os.write(fd, b"echo after ctrl-c\\n"); wait(b"# ")
os.write(fd, b"exit\\n"); wait(b"[y/N]")
os.write(fd, b"y\\r"); wait(b"state "); wait(b"\\n")
while True:
    try:
        if not os.read(fd, 65536): break
    except OSError: break
print("exit code:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

function tbuild(args: readonly string[], input = "") {
  return host.run([process.execPath, main, ...args], { input, allow: [1, 2, 3, 4, 5, 6] });
}
