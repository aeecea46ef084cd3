import { randomBytes } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkImage, type Outcome, planJob } from "../../src/guest/offline.ts";
import type { Operation } from "../../src/guest/operation.ts";
import { repairOperations, sealOperations } from "../../src/guest/seal/index.ts";
import { undoLast } from "../../src/image/change/undo.ts";
import { readGuest } from "../../src/image/read-guest.ts";
import { missing } from "../fakes/missing.ts";
import { unmountImage } from "../unmount-image.ts";
import { host, isSound, kinds, makeDirtyImage, sha256Of, start } from "./dirty-image.ts";

const lacking = missing("mke2fs", "e2fsck", "debugfs", "python3", "mount", "losetup", "loop", "root");

for (const [kind, options] of Object.entries(kinds))
  describe.skipIf(lacking !== undefined)(
    `an image with ${kind}${lacking ? ` — skipped: ${lacking}` : ""}`,
    () => {
      let folder = "";
      let master = "";
      let before: Picture = new Map();
      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), "tbuild-offline-"));
        master = join(folder, "master.img");
        await makeDirtyImage(master, options);
        await label(master);
        before = await pictureOf(master);
      });
      afterAll(() => rm(folder, { recursive: true }));

      it.each([
        ["repaired", repairOperations({})],
        ["sealed", sealOperations()],
        ["sealed and scrubbed", sealOperations()],
      ] as const)("is %s: nothing else is changed, and undo restores every bit", async (name, operations) => {
        const image = await copyOf(master, `${name}.img`);
        const digest = await sha256Of(image);
        const outcome = await change(image, operations, name.endsWith("scrubbed"));
        await isSound(image);
        const after = await pictureOf(image);
        const intended = outcome.pending.flatMap(({ done }) => done);
        const strange = differingPaths(before, after).filter((path) => !isMeant(path, intended));
        // The new folder for a new link.
        expect(strange.filter((path) => !/^\/etc\/rc\.d(?:\/rc\d\.d)?$/.test(path))).toEqual([]);
        const findings = await checkImage(host, image, { operations });
        expect(findings.pending).toEqual([]);
        const record = await undoLast(image);
        expect(record.bytes).toBeLessThan(512 * 1024);
        expect(await sha256Of(image)).toBe(digest);
        expect((await readdir(folder)).sort()).not.toContain(`${name}.img.tbuild-undo-1`);
      });

      it("keeps inode, owner, mode, attributes and label of edited files, and gives new files their neighbours' labels", async () => {
        const image = await copyOf(master, "edited.img");
        await change(image, sealOperations());
        const after = await pictureOf(image);
        for (const path of ["/etc/shadow", "/etc/sysconfig/ovmd", "/etc/sysconfig/network"]) {
          const [old, now] = [before.get(path), after.get(path)];
          expect(now?.sha, path).not.toBe(old?.sha);
          for (const kept of ["inode", "mode", "uid", "gid", "xattrs", "links"] as const)
            expect(now?.[kept], `${path} ${kept}`).toEqual(old?.[kept]);
        }
        expect(
          Buffer.from(
            after.get("/etc/rc.d/rc3.d/S08ovmd")?.xattrs["security.selinux"] ?? "",
            "hex",
          ).toString(),
        ).toBe("system_u:object_r:etc_t:s0\0");
      });

      it("finds removed data in free blocks, and scrubs it", async () => {
        const image = await copyOf(master, "residue.img");
        const secret = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7 only here\n";
        const seed = await fileWith(randomBytes(512));
        await host.run(["debugfs", "-w", "-f", "-", `${image}?offset=${start}`], {
          input: `write ${await fileWith(secret)} /etc/ssh/ssh_host_dsa_key\nrm /var/lib/random-seed\nwrite ${seed} /var/lib/random-seed\n`,
        });
        await change(image, sealOperations());
        const check = () => checkImage(host, image, { operations: sealOperations(), residue: true });
        const found = await check();
        expect(found.pending).toEqual([]);
        const stateOf = ({ classes }: typeof found, name: string) =>
          classes.find((one) => one.name === name)?.state;
        for (const name of ["SSH keys", "random seed"]) expect(stateOf(found, name), name).toBe("left");
        expect(await rawText(image)).toContain("only here");
        const outcome = await change(image, sealOperations(), true);
        expect(outcome.scrubbed).toBeGreaterThan(0);
        const after = await check();
        for (const name of ["SSH keys", "random seed"]) expect(stateOf(after, name), name).toBe("reset");
        expect(stateOf(after, "services")).toBe("unknown");
        expect(await rawText(image)).not.toContain("only here");
        await isSound(image);
      });

      it("replays a pending journal in the same change, and undoes both", async () => {
        const image = await cutOff(await copyOf(master, "journal.img"));
        const digest = await sha256Of(image);
        const notes: string[] = [];
        await using planned = await planJob(
          host,
          image,
          { operations: repairOperations({}) },
          {
            note: (text) => notes.push(text),
          },
        );
        expect(await sha256Of(image)).toBe(digest);
        await planned.apply("test");
        expect(notes).toEqual([expect.stringContaining("e2fsck replays its journal")]);
        await isSound(image);
        expect(await readGuest(host, image, ({ tree }) => tree.text("/etc/early"))).toBe("in the journal");
        await undoLast(image);
        expect(await sha256Of(image)).toBe(digest);
      });

      // A guest after a power failure: mounted, changed, and copied while the change is only in the journal.
      async function cutOff(image: string): Promise<string> {
        const at = join(folder, "mounted");
        const cut = join(folder, "cut.img");
        await mkdir(at);
        await host.run(["mount", "-o", `loop,offset=${start},data=journal,commit=300`, image, at]);
        try {
          await writeFile(join(at, "etc/early"), "in the journal");
          await host.run(["sync", join(at, "etc/early")]);
          await host.run(["cp", "--sparse=always", image, cut]);
        } finally {
          await unmountImage(at);
        }
        return cut;
      }

      async function fileWith(content: string | Uint8Array): Promise<string> {
        const file = join(await mkdtemp(join(folder, "file-")), "content");
        await writeFile(file, content);
        return file;
      }

      async function copyOf(from: string, name: string): Promise<string> {
        await copyFile(from, join(folder, name));
        return join(folder, name);
      }
    },
  );

async function change(image: string, operations: readonly Operation[], scrub = false): Promise<Outcome> {
  await using planned = await planJob(host, image, { operations, scrub });
  expect(planned.via).toBe("direct");
  await planned.apply("test");
  return planned.result;
}

type Picture = Map<string, Seen>;
interface Seen {
  readonly sha?: string;
  readonly inode?: number;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly links?: number;
  readonly xattrs: Readonly<Record<string, string>>;
}

// Read by the kernel, so tbuild's reader does not check its own writer.
async function pictureOf(image: string): Promise<Picture> {
  const at = await mkdtemp(join(tmpdir(), "tbuild-picture-"));
  await host.run(["mount", "-o", `loop,offset=${start},ro`, image, at]);
  try {
    const { stdout } = await host.run(["python3", join(import.meta.dirname, "picture.py"), at]);
    return new Map(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as [string, Seen]),
    );
  } finally {
    await unmountImage(at);
    await rm(at, { recursive: true });
  }
}

function differingPaths(one: Picture, other: Picture): string[] {
  const paths = new Set([...one.keys(), ...other.keys()]);
  return [...paths].filter((path) => JSON.stringify(one.get(path)) !== JSON.stringify(other.get(path)));
}

function isMeant(path: string, intended: readonly string[]): boolean {
  return intended.some((one) => path === one || path.startsWith(`${one}/`));
}

// Attributes in the inode, in a separate block, and shared by several inodes.
async function label(image: string): Promise<void> {
  const set = (path: string, type: string) =>
    `ea_set ${path} security.selinux "system_u:object_r:${type}:s0\\000"\n`;
  const input = [
    ...["/etc", "/etc/fstab", "/etc/rc.d", "/etc/rc.d/init.d", "/etc/sysconfig/ovmd"].map((path) =>
      set(path, "etc_t"),
    ),
    set("/etc/shadow", "shadow_t"),
    `ea_set /etc/shadow user.note ${"long ".repeat(60)}\n`,
    set("/root/.ssh/authorized_keys", "ssh_home_t"),
  ].join("");
  await host.run(["debugfs", "-w", "-f", "-", `${image}?offset=${start}`], { input });
  // debugfs miscounts attribute blocks of 128-byte inodes.
  await host.run(["e2fsck", "-fp", `${image}?offset=${start}`], { allow: [1] });
}

async function rawText(image: string): Promise<string> {
  expect((await stat(image)).size).toBeLessThan(1 << 28);
  return (await readFile(image)).toString("latin1");
}
