import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { applyAll, auditAll } from "../../src/guest/operation.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { sealOnline } from "../../src/guest/seal-online.ts";
import type { Host } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { volumesOf } from "../../src/image/disk/disk.ts";
import { mountsOf } from "../../src/image/disk/mounts.ts";
import type { GuestTree } from "../../src/image/tree.ts";
import { chooseAccess } from "../../src/image/ways/index.ts";
import { accesses } from "../../src/image/ways/table.ts";
import { missing } from "../fakes/missing.ts";
import { dirt } from "../guest/dirty.ts";
import { makeDirtyFolder } from "../guest/dirty-folder.ts";
import { mbr } from "../image/disk-tables.ts";
import { unmountImage } from "../unmount-image.ts";

const commands: string[] = [];
const host = localHost((argv) => commands.push(argv[0] ?? ""));
const lacking = missing("debugfs", "e2fsck", "mke2fs", "losetup", "mount", "root", "loop");
const start = 1048576;

/** A disk like a rehearsal's: an MBR, one ext4 partition, 20 000 files that no operation may touch. */
describe.skipIf(lacking !== undefined)(
  `sealing a real image${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    let folder = "";
    let image = "";
    let before: string[] = [];
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-seal-"));
      image = join(folder, "master.img");
      await makeGuest(join(folder, "root"));
      await host.run(["truncate", "-s", "700M", image]);
      const place = `offset=${start}`;
      await host.run([
        "mke2fs",
        "-q",
        "-F",
        "-t",
        "ext4",
        "-L",
        "root",
        "-E",
        place,
        "-d",
        join(folder, "root"),
        image,
        "690M",
      ]);
      await host.run(["dd", `of=${image}`, "conv=notrunc", "status=none"], {
        input: mbr([{ type: 0x83, start: start / 512, count: (690 * 1048576) / 512 }]),
      });
      await using tree = await open("debugfs", image);
      before = await pictureOf(tree);
    });
    afterAll(() => rm(folder, { recursive: true }));

    it("is one run of debugfs, changes only what it should, and leaves a sound file system", async () => {
      const sealed = await copyOf("debugfs.img");
      const access = await chooseAccess(host, sealed, await volumesOf(sealed));
      expect(access.name).toBe("debugfs");
      commands.length = 0;
      {
        await using tree = await access.open(sealed, await mountsOf(sealed));
        await applyAll(tree, sealOperations());
      }
      expect(commands).toEqual(["debugfs"]);
      await using tree = await open("debugfs", sealed);
      expect(await auditAll(tree, sealOperations())).toEqual([]);
      const after = await pictureOf(tree);
      const changed = [...difference(before, after), ...difference(after, before)].map(
        (line) => line.split(" ")[0] ?? "",
      );
      const meant = Object.values(dirt).flatMap(({ files }) => Object.keys(files));
      const made = /^\/etc\/rc\.d(\/rc\d\.d(\/S08ovmd)?)?$|^\/boot\/loader\/entries\/f{32}-/;
      const strange = changed.filter(
        (path) => !meant.some((one) => one === path || one.startsWith(`${path}/`)) && !made.test(path),
      );
      expect(strange).toEqual([]);
      expect((await host.run(["e2fsck", "-fn", `${sealed}?offset=${start}`])).exitCode).toBe(0);
    });

    it("gives the same tree by loop, by debugfs, and in the running guest", async () => {
      const trees: string[][] = [];
      // The running guest uses this machine's programs, which do not include those that regenerate service keys.
      const operations = sealOperations({ skip: ["service-keys"] });
      for (const name of ["debugfs", "loop"] as const) {
        const sealed = await copyOf(`${name}-2.img`);
        {
          await using tree = await open(name, sealed);
          await applyAll(tree, operations);
        }
        await using tree = await open("debugfs", sealed);
        trees.push(await pictureOf(tree));
      }
      const live = await copyOf("live.img");
      const at = join(folder, "mounted");
      await mkdir(at);
      await host.run(["mount", "-o", `loop,offset=${start}`, live, at]);
      try {
        const done = await sealOnline(insideOf(at), operations, { last: ["halt-the-guest"] });
        expect(done.length).toBe(Object.keys(dirt).length - 1);
        await waitFor("the end", async () => (await host.readFile(`${at}/opt/halted`)) && true, {
          timeoutMs: 10_000,
        });
      } finally {
        await waitFor("the end", async () => (await host.readFile(`${at}/opt/halted`)) && true, {
          timeoutMs: 10_000,
        });
        await unmountImage(at);
      }
      {
        await using tree = await open("debugfs", live);
        expect(await tree.text("/opt/calls")).toBe("-s cleanup\novmd enable-initial-config\n");
        await tree.remove("/opt/calls");
        await tree.remove("/opt/halted");
      }
      await using tree = await open("debugfs", live);
      trees.push(await pictureOf(tree));
      expect(difference(trees[0] ?? [], trees[1] ?? [])).toEqual([]);
      expect(difference(trees[1] ?? [], trees[0] ?? [])).toEqual([]);
      expect(difference(trees[0] ?? [], trees[2] ?? [])).toEqual([]);
      expect(difference(trees[2] ?? [], trees[0] ?? [])).toEqual([]);
    });

    it("keeps all extended attributes, and gives a new file the label of its neighbours", async () => {
      const labelled = await copyOf("labelled.img");
      const device = `${labelled}?offset=${start}`;
      const label = (path: string, type: string) =>
        `ea_set ${path} security.selinux "system_u:object_r:${type}:s0"\n`;
      const input = `${label("/etc", "etc_t")}${label("/etc/shadow", "shadow_t")}ea_set /etc/shadow user.note mine\n${label("/etc/fstab", "etc_t")}${label("/etc/oracle-release", "etc_t")}`;
      await host.run(["debugfs", "-w", "-f", "-", device], { input });
      {
        await using tree = await open("debugfs", labelled);
        await tree.edit("/etc/shadow", (text) => `${text}x`);
        await tree.write("/etc/new.conf", "");
        await tree.write("/etc/new.d/one", "");
      }
      await using tree = await open("debugfs", labelled);
      expect((await tree.stat("/etc/shadow"))?.label).toBe("system_u:object_r:shadow_t:s0");
      for (const path of ["/etc/new.conf", "/etc/new.d", "/etc/new.d/one"])
        expect((await tree.stat(path))?.label, path).toBe("system_u:object_r:etc_t:s0");
      const { stdout } = await host.run(["debugfs", "-R", "ea_get /etc/shadow user.note", device]);
      expect(stdout).toContain("mine");
      expect((await host.run(["e2fsck", "-fn", device])).exitCode).toBe(0);
    });

    it("replays a dirty journal before it changes anything, and says so", async () => {
      const dirty = await copyOf("dirty.img");
      // A guest after a power failure: mounted, changed, and copied while the change is only in the journal.
      const at = join(folder, "cut-off");
      await mkdir(at);
      await host.run(["mount", "-o", `loop,offset=${start},data=journal,commit=300`, dirty, at]);
      const cut = join(folder, "cut.img");
      try {
        await writeFile(join(at, "etc/early"), "in the journal");
        await host.run(["sync", join(at, "etc/early")]);
        await host.run(["cp", "--sparse=always", dirty, cut]);
      } finally {
        await unmountImage(at);
      }
      const notes: string[] = [];
      {
        await using tree = await accesses
          .debugfs(host, { note: (text) => notes.push(text) })
          .open(cut, await mountsOf(cut));
        await tree.write("/etc/late", "x");
      }
      expect(notes).toEqual([expect.stringContaining("e2fsck replays its journal")]);
      await using tree = await open("debugfs", cut);
      expect(await tree.text("/etc/late")).toBe("x");
      expect(await tree.text("/etc/early")).toBe("in the journal");
      expect((await host.run(["e2fsck", "-fn", `${cut}?offset=${start}`])).exitCode).toBe(0);
    });

    it("accepts names that do not fit into a debugfs line, and refuses to change an image opened for reading", async () => {
      const refusing = await copyOf("refusing.img");
      const deep = `/etc${`/${"d".repeat(250)}`.repeat(34)}`;
      const files = { "/etc/two\nlines": "x", [`${deep}/${"y\n".repeat(120)}`]: "y", "/etc/after": "z" };
      {
        await using tree = await open("debugfs", refusing);
        for (const [path, text] of Object.entries(files)) await tree.write(path, text);
      }
      {
        await using tree = await open("debugfs", refusing);
        for (const [path, text] of Object.entries(files)) expect(await tree.text(path)).toBe(text);
      }
      expect((await host.run(["e2fsck", "-fn", `${refusing}?offset=${start}`])).exitCode).toBe(0);
      const reading = await accesses
        .debugfs(host)
        .open(refusing, await mountsOf(refusing), { readOnly: true });
      await reading.write("/etc/x", "x");
      await expect(reading[Symbol.asyncDispose]()).rejects.toThrow("read-only");
    });

    async function copyOf(name: string): Promise<string> {
      await host.run(["cp", "--sparse=always", image, join(folder, name)]);
      return join(folder, name);
    }

    async function open(name: keyof typeof accesses, file: string): Promise<GuestTree> {
      return accesses[name](host).open(file, await mountsOf(file));
    }
  },
);

// A machine whose / is `root`: it sees this machine's programs read-only, in its own namespace.
function insideOf(root: string): Host {
  const shell = [
    `mount --bind /usr ${root}/usr`,
    `mount -o remount,ro,bind ${root}/usr`,
    // What this machine is, the guest is not.
    `mount --bind ${root}/etc/oracle-release ${root}/usr/lib/os-release`,
    `mount --bind /dev ${root}/dev`,
    `mount --bind /proc ${root}/proc`,
    `exec chroot ${root} env -i PATH=/opt/stand-in:/usr/sbin:/usr/bin "$@"`,
  ];
  return {
    ...host,
    name: "guest",
    run: (argv, options) =>
      host.run(["unshare", "-m", "sh", "-c", shell.join(" && "), "sh", ...argv], options),
  };
}

async function makeGuest(root: string): Promise<void> {
  await makeDirtyFolder(root);
  const call = '#!/bin/sh\necho "$@" >> /opt/calls\n';
  const standIns = { ovmd: call, service: call, "halt-the-guest": "#!/bin/sh\n: > /opt/halted\n" };
  await mkdir(join(root, "opt/stand-in"), { recursive: true });
  for (const [name, text] of Object.entries(standIns))
    await writeFile(join(root, "opt/stand-in", name), text, { mode: 0o755 });
  for (const dir of ["usr", "dev", "proc"]) await mkdir(join(root, dir), { recursive: true });
  for (const dir of ["bin", "sbin", "lib", "lib64"]) await symlink(`usr/${dir}`, join(root, dir));
}

async function pictureOf(tree: GuestTree): Promise<string[]> {
  const lines: string[] = [];
  for await (const { path, stat } of tree.walk("/")) {
    const content = stat.kind === "file" ? Buffer.from((await tree.read(path)) ?? "").toString("latin1") : "";
    lines.push(
      `${path} ${stat.kind} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.target ?? ""} ${JSON.stringify(content)}`,
    );
  }
  return lines.sort();
}

function difference(one: readonly string[], other: readonly string[]): string[] {
  const there = new Set(other);
  return one.filter((line) => !there.has(line));
}
