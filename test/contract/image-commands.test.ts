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
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missing } from "../fakes/missing.ts";
import { makeDirtyFolder } from "../guest/dirty-folder.ts";
import { mbr } from "../image/disk-tables.ts";
import { host, isSound, kinds, makeDirtyImage, sha256Of, start } from "./dirty-image.ts";

const lacking = missing(
  "mke2fs",
  "e2fsck",
  "mkfs.xfs",
  "qemu-img",
  "python3",
  "losetup",
  "mount",
  "loop",
  "root",
);
const main = resolve(import.meta.dirname, "../../dist/main.js");

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

    it("are done by a scan to the templates of a repository that nobody armed, and to nothing else", async () => {
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

    it("ask on a terminal, and elsewhere want --yes", async () => {
      const image = await copyOf("asked.img");
      const { exitCode, stderr } = await tbuild("seal", image);
      expect(exitCode).toBe(2);
      expect(stderr).toContain("--yes");
      const answered = async (answer: string) =>
        host.run(["python3", "-c", onTerminal, answer, process.execPath, main, "repair", image], {
          allow: [1],
        });
      expect((await answered("n")).stdout).toContain("nothing was done");
      expect(await sha256Of(image)).toBe(digest);
      expect((await answered("y")).stdout).toContain("takes it back");
      expect(await sha256Of(image)).not.toBe(digest);
    });

    it("check with exit code 1 until the image is sealed, and undo to the bit", async () => {
      const image = await copyOf("checked.img");
      expect((await tbuild("seal", "--check", image)).exitCode).toBe(1);
      const sealed = await tbuild(
        "seal",
        "--yes",
        "--scrub",
        "--keep",
        "/root/.ssh/authorized_keys",
        "--",
        image,
      );
      expect(sealed.exitCode, sealed.stderr).toBe(0);
      const kept = await tbuild(
        "seal",
        "--check",
        "--residue",
        "--keep",
        "/root/.ssh/authorized_keys",
        "--",
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
      expect((await tbuild("undo", image)).stdout).toContain("taken back");
      expect(await sha256Of(image)).toBe(digest);
      expect((await tbuild("undo", image)).exitCode).toBe(2);
    });

    it("take only what they are told to, and refuse names that there are not", async () => {
      const image = await copyOf("only.img");
      const { stdout } = await tbuild(
        "seal",
        "--plan",
        "--json",
        "--only",
        "hostname",
        "machine-id",
        "--",
        image,
      );
      expect(JSON.parse(stdout).operations.map((one: { name: string }) => one.name)).toEqual([
        "machine-id",
        "hostname",
      ]);
      expect((await tbuild("seal", "--plan", "--skip", "hostnames", "--", image)).exitCode).toBe(2);
      expect((await tbuild("seal", "--list")).stdout).toContain("random-seed");
    });

    it("go on with the other images when one cannot be had, and say so in the exit code", async () => {
      const [one, two] = [await copyOf("one.img"), await copyOf("two.img")];
      const broken = join(folder, "broken.img");
      await writeFile(broken, Buffer.alloc(102_400, "garbage"));
      const { exitCode, stderr } = await tbuild("repair", "--yes", one, broken, two);
      expect(exitCode).toBe(4);
      expect(stderr).toContain("broken.img");
      for (const image of [one, two]) expect(await sha256Of(image)).not.toBe(digest);
    });

    it("refuse what is cut off, and an image that another process writes to or changes", async () => {
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
    });

    it.each([
      ["a descriptor leads elsewhere", 2 * 32, 0x7fffffff, "the descriptor of group 2"],
      ["a group counts its blocks wrong", 12, 0x00010001, "counts its blocks wrong"],
    ])("refuse a file system in which %s", async (_what, at, value, words) => {
      const image = await copyOf("damaged.img");
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(value);
      {
        await using file = await open(image, "r+");
        // Blocks of 1024 bytes: the descriptors lie behind the superblock, which is block 1.
        await file.write(bytes, 0, 4, start + 2048 + at);
      }
      const damaged = await sha256Of(image);
      const { exitCode, stderr } = await tbuild("repair", "--yes", image);
      expect(exitCode).toBe(5);
      expect(stderr).toContain(words);
      expect(await sha256Of(image)).toBe(damaged);
    });

    it("work on a copy where the way in changes at once, and are undone all the same", async () => {
      const image = await copyOf("loop.img");
      const { stdout, stderr, exitCode } = await tbuild("repair", "--yes", "--via", "loop", image);
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toContain("by loop");
      await isSound(image);
      expect((await tbuild("seal", "--check", "--only", "first-boot", "--", image)).exitCode).toBe(0);
      expect(await readdir(folder)).not.toContain("loop.img.tbuild-work");
      expect((await stat(`${image}.tbuild-undo-1`)).size).toBeLessThan(4 * 1048576);
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(digest);
    });

    it("change a qcow2 image, and undone it is the same file", async () => {
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

    it("change a guest on XFS, and undone it is the same file", async () => {
      const [image, volume, at] = [join(folder, "xfs.img"), join(folder, "p1.xfs"), join(folder, "xfs")];
      await host.run(["truncate", "-s", "302M", volume]);
      await host.run(["mkfs.xfs", "-q", volume]);
      await mkdir(at);
      await host.run(["mount", "-o", "loop", volume, at]);
      try {
        await makeDirtyFolder(at, 100);
      } finally {
        await host.run(["umount", at]);
      }
      await host.run(["truncate", "-s", "303M", image]);
      await host.run(["dd", `if=${volume}`, `of=${image}`, "bs=1M", "seek=1", "conv=notrunc,sparse"]);
      await host.run(["dd", `of=${image}`, "conv=notrunc"], {
        input: mbr([{ type: 0x83, start: start / 512, count: (302 * 1048576) / 512 }]),
      });
      const before = await sha256Of(image);
      const { exitCode, stderr } = await tbuild("seal", "--yes", image);
      expect(exitCode, stderr).toBe(0);
      expect((await tbuild("seal", "--check", image)).exitCode).toBe(0);
      await host.run(["dd", `if=${image}`, `of=${volume}`, "bs=1M", "skip=1", "conv=notrunc"]);
      await host.run(["xfs_repair", "-n", "-f", volume]);
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    });

    it("name the ways there are when one is asked for that there is not", async () => {
      const { exitCode, stderr } = await tbuild("repair", "--plan", "--via", "magic", master);
      expect(exitCode).toBe(2);
      expect(stderr).toContain("direct, debugfs, ");
    });

    it("leave an image with a feature that its own writer does not know to another way", async () => {
      const image = join(folder, "project.img");
      await makeDirtyImage(image, ["-t", "ext4", "-O", "project"]);
      const before = await sha256Of(image);
      const { stdout, stderr, exitCode } = await tbuild("repair", "--yes", image);
      expect(exitCode, stderr).toBe(0);
      expect(stderr).toContain("in a copy beside the image");
      expect(stdout).toContain("by debugfs");
      await isSound(image);
      await tbuild("undo", image);
      expect(await sha256Of(image)).toBe(before);
    });

    async function copyOf(name: string): Promise<string> {
      await copyFile(master, join(folder, name));
      return join(folder, name);
    }
  },
);

// Answers the question that a program asks on a terminal.
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

function tbuild(...args: string[]) {
  return host.run([process.execPath, main, ...args], { allow: [1, 2, 3, 4, 5] });
}
