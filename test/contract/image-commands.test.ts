import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { planJob } from "../../src/guest/offline.ts";
import { repairOperations } from "../../src/guest/seal/index.ts";
import { missing } from "../fakes/missing.ts";
import { itSlow } from "../fakes/slow.ts";
import { makeDirtyFolder } from "../guest/dirty-folder.ts";
import { mbr } from "../image/disk-tables.ts";
import { unmountImage } from "../unmount-image.ts";
import { host, isSound, kinds, makeDirtyImage, sha256Of, start } from "./dirty-image.ts";

const lacking = missing(
  "mke2fs",
  "e2fsck",
  "mkfs.xfs",
  "mkfs.btrfs",
  "linux.uml",
  "pgrep",
  "qemu-img",
  "python3",
  "losetup",
  "mount",
  "loop",
  "root",
);
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

describe.skipIf(lacking !== undefined)(
  `repair, seal and undo${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    let folder = "";
    let master = "";
    let digest = "";
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-commands-"));
      master = join(folder, "master.img");
      await makeDirtyImage(master, kinds["ext4, as OL6"]);
      digest = await sha256Of(master);
    });
    afterAll(() => rm(folder, { recursive: true }));

    it("show the plan, files and byte ranges, and change nothing", async () => {
      const image = await copyOf("planned.img");
      const { stdout, exitCode } = await tbuild("repair", "--plan", image);
      expect(exitCode).toBe(0);
      expect(stdout).toContain("first-boot: /etc/sysconfig/ovmd");
      expect(stdout).toMatch(/bytes \d+ to \d+/);
      expect(await sha256Of(image)).toBe(digest);
      expect(await readdir(folder)).not.toContain("planned.img.tbuild-undo-1");
    });

    it("show the first of many byte ranges, and where the rest is", async () => {
      const image = await copyOf("many.img");
      const { stdout } = await tbuild("seal", "--plan", image);
      const [, places] = /(\d+) places of the image/.exec(stdout) ?? expect.fail(stdout);
      expect(stdout.match(/^ {4}bytes \d+ to \d+$/gm)).toHaveLength(19);
      expect(stdout).toContain(`    and ${Number(places) - 19} more places (--json lists them all)`);
      const { ranges } = JSON.parse((await tbuild("seal", "--plan", "--json", image)).stdout);
      expect(ranges).toHaveLength(Number(places));
    });

    it("change exactly the bytes that the plan names", async () => {
      const image = await copyOf("bytes.img");
      const { stdout } = await tbuild("repair", "--yes", "--json", image);
      const { ranges, changed, undo } = JSON.parse(stdout) as {
        changed: boolean;
        ranges: { offset: number; bytes: number }[];
        undo: { file: string };
      };
      expect(changed).toBe(true);
      expect(undo.file).toBe(`${image}.tbuild-undo-1`);
      const [before, after] = [await readFile(master), await readFile(image)];
      for (const { offset, bytes } of ranges) before.fill(0, offset, offset + bytes);
      for (const { offset, bytes } of ranges) after.fill(0, offset, offset + bytes);
      expect(before.equals(after)).toBe(true);
    });

    it("are run by a scan on the unarmed templates of a repository, and on nothing else", async () => {
      const repository = join(folder, "Repositories/0004fb00");
      const disk = (name: string) => join(repository, "VirtualDisks", `${name}.img`);
      await mkdir(join(repository, "VirtualDisks"), { recursive: true });
      for (const [kind, name] of [
        ["Templates", "forgotten"],
        ["VirtualMachines", "used"],
      ] as const) {
        await host.run(["cp", "--sparse=always", master, disk(name)]);
        await mkdir(join(repository, kind, name), { recursive: true });
        await writeFile(
          join(repository, kind, name, "vm.cfg"),
          `OVM_simple_name = '${name}'\ndisk = ['file:/OVS/${disk(name)},xvda,w']\n`,
        );
      }
      const unasked = await tbuild("scan", "--repair", repository);
      expect(unasked.exitCode).toBe(2);
      expect(unasked.stderr).toContain("--yes");
      const plan = await tbuild("scan", "--repair", "--plan", repository);
      expect(plan.exitCode).toBe(1);
      expect(plan.stdout).toMatch(/forgotten\.img +.*\n(?:.*\n)* +first-boot: \/etc\/sysconfig\/ovmd/);
      for (const name of ["forgotten", "used"]) expect(await sha256Of(disk(name))).toBe(digest);

      const done = await tbuild("scan", "--repair", "--yes", repository);
      expect(done.exitCode, done.stderr).toBe(0);
      expect(await sha256Of(disk("used"))).toBe(digest);
      await isSound(disk("forgotten"));
      const after = await tbuild("scan", "--json", repository);
      expect(after.exitCode).toBe(0);
      const kinds = after.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).kind);
      expect(kinds).toEqual(["armed template", "used VM"]);
      await tbuild("undo", disk("forgotten"));
      expect(await sha256Of(disk("forgotten"))).toBe(digest);
    });

    it("ask on a terminal, and require --yes elsewhere", async () => {
      const image = await copyOf("asked.img");
      const { exitCode, stderr } = await tbuild("seal", image);
      expect(exitCode).toBe(2);
      expect(stderr).toContain("--yes");
      const answered = async (answer: string) =>
        host.run(["python3", "-c", onTerminal, answer, process.execPath, main, "repair", image], {
          allow: [1],
        });
      expect((await answered("n")).stdout).toContain("not changed");
      expect(await sha256Of(image)).toBe(digest);
      expect((await answered("y")).stdout).toContain("undo with");
      expect(await sha256Of(image)).not.toBe(digest);
    });

    it("exit 1 for a check until the image is sealed, and undo to the bit", async () => {
      const image = await copyOf("checked.img");
      expect((await tbuild("seal", "--check", image)).exitCode).toBe(1);
      const sealed = await tbuild("seal", "--yes", "--scrub", "--keep", "/root/.ssh/authorized_keys", image);
      expect(sealed.exitCode, sealed.stderr).toBe(0);
      const kept = await tbuild(
        "seal",
        "--check",
        "--residue",
        "--keep",
        "/root/.ssh/authorized_keys",
        image,
      );
      expect(kept.exitCode, kept.stdout).toBe(0);
      const all = await tbuild("seal", "--check", "--json", image);
      expect(all.exitCode).toBe(1);
      expect(JSON.parse(all.stdout)).toMatchObject({
        sealed: false,
        pending: [{ name: "build-key", done: ["/root/.ssh"] }],
      });
      await isSound(image);
      expect((await tbuild("undo", "--list", image)).stdout).toContain("seal: first-boot");
      expect((await tbuild("undo", image)).stdout).toContain("undone");
      expect(await sha256Of(image)).toBe(digest);
      expect((await tbuild("undo", image)).exitCode).toBe(2);
    });

    it("report files that no operation knows, until they are kept by name", async () => {
      const image = await copyOf("left.img");
      const [conf, key] = [join(folder, "conf.xml"), join(folder, "key.pem")];
      await writeFile(conf, "<host>build7.example.com</host>\n");
      await writeFile(key, `-----BEGIN PRIVATE KEY-----\n${"Ab9+".repeat(16)}\n-----END PRIVATE KEY-----\n`);
      await host.run(["debugfs", "-w", "-f", "-", `${image}?offset=${start}`], {
        input: `write ${conf} /opt/conf.xml\nwrite ${key} /opt/key.pem\n`,
      });
      const sealed = await tbuild("seal", "--yes", image);
      expect(sealed.exitCode, sealed.stderr).toBe(0);
      expect(sealed.stdout).toContain("left: this host's name in /opt/conf.xml");
      expect(sealed.stdout).toContain("left: a private key in /opt/key.pem");
      const check = await tbuild("seal", "--check", "--json", image);
      expect(check.exitCode).toBe(1);
      expect(JSON.parse(check.stdout)).toMatchObject({
        sealed: false,
        pending: [],
        // The host name is known from the undo record.
        leftovers: {
          found: [
            { path: "/opt/conf.xml", what: "this host's name" },
            { path: "/opt/key.pem", what: "a private key" },
          ],
        },
      });
      const list = ["--keep", "/opt/key.pem,/opt/conf.xml", image];
      expect((await tbuild("seal", "--check", "--no-search", image)).exitCode).toBe(0);
      expect((await tbuild("seal", "--check", ...list)).exitCode).toBe(0);
      for (const name of await readdir(folder))
        if (name.startsWith("left.img.tbuild-undo")) await rm(join(folder, name));
      expect((await tbuild("seal", "--check", "--keep", "/opt/key.pem", image)).exitCode).toBe(0);
      expect((await tbuild("twins", image, image)).exitCode).toBe(1);
    });

    it("refuse twins of a guest that would not configure itself", async () => {
      const home = ["--home", join(folder, "home")];
      const unarmed = await tbuild(...home, "twins", await copyOf("unarmed.img"));
      expect(unarmed.exitCode).toBe(4);
      expect(unarmed.stderr).toContain("its first boot is not armed");
      expect(unarmed.stderr).toContain("tbuild seal");
      const armed = await copyOf("armed.img");
      await tbuild("repair", "--yes", armed);
      const oracles = await tbuild(...home, "twins", armed);
      expect(oracles.exitCode).toBe(3);
      expect(oracles.stderr).toContain("it cannot send messages to Oracle's guest additions");
      expect((await tbuild(...home, "twins", armed, armed, "--recipe", "ol6-grid")).exitCode).toBe(2);
    });

    it("run only the chosen operations, and refuse unknown names", async () => {
      const image = await copyOf("only.img");
      const { stdout } = await tbuild("seal", "--plan", "--json", "--only", "hostname,machine-id", image);
      expect(JSON.parse(stdout).operations.map((one: { name: string }) => one.name)).toEqual([
        "machine-id",
        "hostname",
      ]);
      expect((await tbuild("seal", "--plan", "--skip", "hostnames", image)).exitCode).toBe(2);
      expect((await tbuild("seal", "--list")).stdout).toContain("random-seed");
    });

    it("continue with the other images if one fails, and show it in the exit code", async () => {
      const [one, two] = [await copyOf("one.img"), await copyOf("two.img")];
      const broken = join(folder, "broken.img");
      await writeFile(broken, Buffer.alloc(102_400, "garbage"));
      const { exitCode, stderr } = await tbuild("repair", "--yes", one, broken, two);
      expect(exitCode).toBe(4);
      expect(stderr).toContain("broken.img");
      for (const image of [one, two]) expect(await sha256Of(image)).not.toBe(digest);
    });

    it("refuse a truncated image, and one that another process writes to", async () => {
      const cut = await copyOf("cut.img");
      await truncate(cut, 20 * 1048576);
      expect((await tbuild("seal", "--yes", cut)).exitCode).toBe(5);
      const used = await copyOf("used.img");
      {
        await using _writer = await open(used, "r+");
        const { exitCode, stderr } = await tbuild("seal", "--yes", used);
        expect(exitCode).toBe(3);
        expect(stderr).toContain("is in use");
      }
      expect(await sha256Of(used)).toBe(digest);
      await tbuild("repair", "--yes", used);
      const repaired = await sha256Of(used);
      {
        await using _writer = await open(used, "r+");
        expect(await tbuild("undo", used)).toMatchObject({ exitCode: 3 });
      }
      expect(await sha256Of(used)).toBe(repaired);
    });

    it("refuse an image that comes into use between the plan and the confirmation", async () => {
      const image = await copyOf("taken.img");
      await using planned = await planJob(host, image, { operations: repairOperations({}) });
      const taken = spawn("sh", ["-c", 'exec 3<> "$0"; echo taken; read -r _', image]);
      await once(taken.stdout, "data");
      await expect(planned.apply("test")).rejects.toThrow("is in use, by sh");
      taken.stdin.end();
      await once(taken, "close");
      expect(await sha256Of(image)).toBe(digest);
      await planned.apply("test");
      expect(await sha256Of(image)).not.toBe(digest);
    });

    it.each([
      ["a descriptor leads elsewhere", 2 * 32, 0x7fffffff, "the descriptor of group 2"],
      ["a group counts its blocks wrong", 12, 0x00010001, "has a wrong count of free blocks"],
    ])("refuse a file system in which %s", async (_what, at, value, words) => {
      const image = await copyOf("damaged.img");
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      {
        await using file = await open(image, "r+");
        // Blocks of 1024 bytes: the superblock is block 1, followed by the descriptors.
        await file.write(bytes, 0, 4, start + 2048 + at);
      }
      const damaged = await sha256Of(image);
      const { exitCode, stderr } = await tbuild("repair", "--yes", image);
      expect(exitCode).toBe(5);
      expect(stderr).toContain(words);
      expect(await sha256Of(image)).toBe(damaged);
    });

    it("work on a copy if the access method writes immediately, and can still be undone", async () => {
      const image = await copyOf("loop.img");
      const { stdout, stderr, exitCode } = await tbuild("repair", "--yes", "--via", "loop", image);
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toContain("by loop");
      await isSound(image);
      expect((await tbuild("seal", "--check", "--only", "first-boot", image)).exitCode).toBe(0);
      expect(await readdir(folder)).not.toContain("loop.img.tbuild-work");
      expect((await stat(`${image}.tbuild-undo-1`)).size).toBeLessThan(4 * 1048576);
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(digest);
    });

    it("change a qcow2 image, and undo restores the same file", async () => {
      const image = join(folder, "disk.qcow2");
      await host.run(["qemu-img", "convert", "-O", "qcow2", master, image]);
      const before = await sha256Of(image);
      const { exitCode, stderr } = await tbuild("seal", "--yes", image);
      expect(exitCode, stderr).toBe(0);
      expect((await tbuild("seal", "--check", image)).exitCode).toBe(0);
      await host.run(["qemu-img", "check", image]);
      await host.run(["qemu-img", "convert", "-O", "raw", image, join(folder, "raw.img")]);
      await isSound(join(folder, "raw.img"));
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    });

    it("leave no helper program of a qcow2 image behind when they are killed", async () => {
      const image = join(folder, "killed.qcow2");
      await host.run(["qemu-img", "convert", "-O", "qcow2", master, image]);
      const before = await sha256Of(image);
      const showing = async () => {
        const found = await host.run(["pgrep", "-f", `qemu-storage-daemon.*${image}`], { allow: [1] });
        return found.stdout.trim();
      };
      const child = spawn(process.execPath, [main, "seal", "--yes", image]);
      await vi.waitFor(async () => expect(await showing()).not.toBe(""), { timeout: 20_000, interval: 5 });
      child.kill("SIGKILL");
      await vi.waitFor(async () => expect(await showing()).toBe(""), { timeout: 20_000 });
      const { stderr } = await tbuild("seal", "--plan", image);
      expect(stderr).toContain("was interrupted before it started");
      expect(await sha256Of(image)).toBe(before);
    });

    it("change a guest on XFS, and undo restores the same file", async () => {
      const { image, volume, takeOut } = await diskWith("xfs", "xfs.img");
      const before = await sha256Of(image);
      const { exitCode, stderr } = await tbuild("seal", "--yes", image);
      expect(exitCode, stderr).toBe(0);
      expect((await tbuild("seal", "--check", image)).exitCode).toBe(0);
      await takeOut();
      await host.run(["xfs_repair", "-n", "-f", volume]);
      const residue = await tbuild("seal", "--check", "--residue", image);
      expect(residue.exitCode).toBe(1);
      expect(residue.stdout).toMatch(/left: SSH keys \(\d+ free blocks?\)/);
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    });

    itSlow("search free blocks by User-mode Linux, too", async () => {
      const image = await copyOf("by-uml.img");
      const check = ["seal", "--check", "--residue", "--json"];
      const [direct, uml] = [await tbuild(...check, image), await tbuild(...check, "--via", "uml", image)];
      expect(uml.exitCode, uml.stderr).toBe(1);
      expect(JSON.parse(uml.stdout).classes).toEqual(JSON.parse(direct.stdout).classes);
    });

    itSlow(
      "scrub a guest on XFS: no free block has removed data, and undo restores the same file",
      async () => {
        const { image, volume, takeOut } = await diskWith("xfs", "scrubbed.img");
        const before = await sha256Of(image);
        const scrubbed = await tbuild("seal", "--yes", "--scrub", image);
        expect(scrubbed.exitCode, scrubbed.stderr).toBe(0);
        expect(scrubbed.stdout).toMatch(/[\d.]+ KiB of free blocks are zeroed/);
        const check = await tbuild("seal", "--check", "--residue", image);
        expect(check.exitCode, check.stdout).toBe(0);
        await takeOut();
        await host.run(["xfs_repair", "-n", "-f", volume]);
        await tbuild("undo", image);
        expect(await sha256Of(image)).toBe(before);
      },
    );

    it("work without root by User-mode Linux, whatever the name, and keep labels", async () => {
      const label = "system_u:object_r:net_conf_t:s0";
      const { image, volume, at, takeOut } = await diskWith("xfs", "a name, with all.img", async (root) => {
        await setLabel(join(root, "etc/sysconfig/network"), label);
      });
      const before = await sha256Of(image);
      const { exitCode, stderr, stdout } = await host.run(
        [
          ...["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", process.execPath],
          ...[main, "seal", "--yes", "--via", "uml", image],
        ],
        { allow: [1, 2, 3, 4, 5] },
      );
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toContain("hostname: ");
      await takeOut();
      await host.run(["xfs_repair", "-n", "-f", volume]);
      await host.run(["mount", "-o", "loop,ro", volume, at]);
      try {
        expect(await readFile(join(at, "etc/sysconfig/network"), "utf8")).not.toContain("HOSTNAME=master");
        expect(await labelOf(join(at, "etc/sysconfig/network"))).toBe(label);
      } finally {
        await unmountImage(at);
      }
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    });

    it("find a guest in the subvolumes of a btrfs", async () => {
      const { image, volume, at, takeOut } = await diskWith("btrfs", "btrfs.img");
      const before = await sha256Of(image);
      const inspected = await tbuild("inspect", "--json", image);
      expect(JSON.parse(inspected.stdout).mounts).toMatchObject([
        { at: "/", volume: { subvolume: "root" } },
        { at: "/home", volume: { subvolume: "home" } },
      ]);
      const { exitCode, stderr } = await tbuild("seal", "--yes", image);
      expect(exitCode, stderr).toBe(0);
      expect((await tbuild("seal", "--check", image)).exitCode).toBe(0);
      await takeOut();
      await host.run(["btrfs", "check", "-q", volume]);
      await host.run(["mount", "-o", "loop,ro", volume, at]);
      try {
        expect(await readdir(join(at, "root/etc/ssh"))).not.toContain("ssh_host_rsa_key");
        expect(await readdir(join(at, "home/someone"))).not.toContain(".bash_history");
      } finally {
        await unmountImage(at);
      }
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    });

    it("list the access methods if an unknown one is requested", async () => {
      const { exitCode, stderr } = await tbuild("repair", "--plan", "--via", "magic", master);
      expect(exitCode).toBe(2);
      expect(stderr).toContain("direct, debugfs, ");
    });

    it("use another access method for an image with a feature that tbuild's ext writer does not know", async () => {
      const image = join(folder, "project.img");
      await makeDirtyImage(image, ["-t", "ext4", "-O", "project"]);
      const before = await sha256Of(image);
      const { stdout, stderr, exitCode } = await tbuild("repair", "--yes", image);
      expect(exitCode, stderr).toBe(0);
      expect(stderr).toContain("the change is made beside the image");
      expect(stdout).toContain("by debugfs");
      await isSound(image);
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    });

    /** The dirtiest guest in one partition; `takeOut` copies the partition to `volume` for inspection. */
    async function diskWith(
      fs: "xfs" | "btrfs",
      name: string,
      then: (root: string) => Promise<void> = async () => {},
    ) {
      const [image, volume, at] = ["", ".volume", ".at"].map((end) => join(folder, `${name}${end}`)) as [
        string,
        string,
        string,
      ];
      await host.run(["truncate", "-s", "302M", volume]);
      await host.run([`mkfs.${fs}`, "-q", volume]);
      await mkdir(at);
      await host.run(["mount", "-o", "loop", volume, at]);
      try {
        if (fs === "btrfs") await intoSubvolumes(at);
        else await makeDirtyFolder(at, 100);
        await then(at);
      } finally {
        await unmountImage(at);
      }
      await host.run(["truncate", "-s", "303M", image]);
      await host.run(["dd", `if=${volume}`, `of=${image}`, "bs=1M", "seek=1", "conv=notrunc,sparse"]);
      await host.run(["dd", `of=${image}`, "conv=notrunc"], {
        input: mbr([{ type: 0x83, start: start / 512, count: (302 * 1048576) / 512 }]),
      });
      const takeOut = () =>
        host.run(["dd", `if=${image}`, `of=${volume}`, "bs=1M", "skip=1", "conv=notrunc"]);
      return { image, volume, at, takeOut };
    }

    // The layout of an installer: / and /home are named folders of one file system.
    async function intoSubvolumes(at: string): Promise<void> {
      const [root, home] = [join(at, "root"), join(at, "home")];
      for (const one of [root, home]) await host.run(["btrfs", "subvolume", "create", one]);
      await makeDirtyFolder(root, 100);
      await mkdir(join(home, "someone"));
      await writeFile(join(home, "someone/.bash_history"), "ls\n");
      const passwd = join(root, "etc/passwd");
      await writeFile(
        passwd,
        `${await readFile(passwd, "utf8")}someone:x:1000:1000::/home/someone:/bin/bash\n`,
      );
      await writeFile(
        join(root, "etc/fstab"),
        "/dev/sda1 / btrfs subvol=root 0 0\n/dev/sda1 /home btrfs subvol=home,noatime 0 0\n",
      );
    }

    async function copyOf(name: string): Promise<string> {
      await copyFile(master, join(folder, name));
      return join(folder, name);
    }
  },
);

// Answers a program's question on a terminal.
const onTerminal = `
import os, pty, sys
answer, argv = sys.argv[1], sys.argv[2:]
seen = b""
def read(fd):
    global seen
    data = os.read(fd, 4096)
    seen += data
    if b"[y/N]" in seen:
        os.write(fd, answer.encode() + b"\\r")
        seen = b""
    return data
sys.exit(os.waitstatus_to_exitcode(pty.spawn(argv, read)))
`;

// Node has no call for extended attributes.
async function setLabel(file: string, label: string): Promise<void> {
  const script =
    "import os, sys; os.setxattr(sys.argv[1], 'security.selinux', sys.argv[2].encode() + b'\\0')";
  await host.run(["python3", "-c", script, file, label]);
}

async function labelOf(file: string): Promise<string> {
  const script =
    "import os, sys; print(os.getxattr(sys.argv[1], 'security.selinux').rstrip(b'\\0').decode())";
  return (await host.run(["python3", "-c", script, file])).stdout.trim();
}

function tbuild(...args: string[]) {
  return host.run([process.execPath, main, ...args], { allow: [1, 2, 3, 4, 5] });
}
