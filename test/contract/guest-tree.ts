import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringOf } from "../../src/image/names.ts";
import type { GuestTree } from "../../src/image/tree.ts";

/** The guest for every backend, as a folder of this machine or as plain data. */
export const fixture = {
  files: {
    "/etc/plain": { data: "one\n", mode: 0o640, uid: 3, gid: 70000 },
    "/etc/with space": { data: "two\n", mode: 0o644, uid: 0, gid: 0 },
    '/etc/quote"d': { data: "three\n", mode: 0o644, uid: 0, gid: 0 },
    "/etc/bytes": { data: Buffer.from([0, 1, 10, 13, 255, 0]), mode: 0o600, uid: 0, gid: 0 },
    "/etc/empty": { data: "", mode: 0o444, uid: 0, gid: 0 },
    "/etc/rc.d/init.d/ovmd": { data: "#!/bin/sh\n", mode: 0o755, uid: 0, gid: 0 },
    "/etc/.hidden": { data: "", mode: 0o644, uid: 0, gid: 0 },
    "/var/log/big": { data: Buffer.alloc(300_000, "line of a log\n"), mode: 0o644, uid: 0, gid: 0 },
    "/var/cache/a/b/c": { data: "deep", mode: 0o644, uid: 0, gid: 0 },
  },
  links: {
    "/etc/init.d": "rc.d/init.d",
    "/etc/absolute": "/etc/plain",
    "/etc/up": "../../../../etc/plain",
    "/etc/dangling": "/nowhere/at/all",
    "/etc/loop-a": "loop-b",
    "/etc/loop-b": "loop-a",
    "/var/cache/a/out": "/etc/rc.d",
  },
} as const;

interface Prepared {
  readonly open: () => Promise<GuestTree>;
  /** For a method that only reads: it reads everything, and `open` changes it. */
  readonly openToRead?: () => Promise<GuestTree>;
  readonly after?: () => Promise<void>;
}

/** The contract of each access method. `open` returns the same guest with all earlier changes. */
export function guestTreeContract(name: string, prepare: () => Promise<Prepared>, lacking?: string): void {
  describe.skipIf(lacking !== undefined)(`${name}${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
    let open: () => Promise<GuestTree>;
    let openToChange: () => Promise<GuestTree>;
    let after: (() => Promise<void>) | undefined;
    beforeAll(async () => {
      const prepared = await prepare();
      openToChange = prepared.open;
      open = prepared.openToRead ?? prepared.open;
      after = prepared.after;
    });
    afterAll(async () => after?.());

    async function changed(change: (tree: GuestTree) => Promise<void>): Promise<GuestTree> {
      {
        await using tree = await openToChange();
        await change(tree);
      }
      return open();
    }

    it("reads files byte for byte, also through links inside the guest", async () => {
      await using tree = await open();
      expect([...((await tree.read("/etc/bytes")) ?? [])]).toEqual([0, 1, 10, 13, 255, 0]);
      expect(await tree.text("/etc/with space")).toBe("two\n");
      expect(await tree.text('/etc/quote"d')).toBe("three\n");
      expect((await tree.read("/var/log/big"))?.length).toBe(300_000);
      expect(await tree.text("/etc/init.d/ovmd")).toBe("#!/bin/sh\n");
      expect(await tree.text("/etc/absolute")).toBe("one\n");
      expect(await tree.text("/etc/up")).toBe("one\n");
      expect(await tree.text("/var/cache/a/out/init.d/ovmd")).toBe("#!/bin/sh\n");
    });

    it("returns undefined for a missing file, and refuses a loop of links", async () => {
      await using tree = await open();
      expect(await tree.read("/etc/none")).toBeUndefined();
      expect(await tree.read("/none/at/all")).toBeUndefined();
      expect(await tree.read("/etc/plain/below")).toBeUndefined();
      expect(await tree.read("/etc/dangling")).toBeUndefined();
      expect(await tree.list("/none")).toEqual([]);
      await expect(tree.read("/etc/loop-a")).rejects.toThrow("too many links");
    });

    it("returns kind, owner and mode, of a link itself", async () => {
      await using tree = await open();
      expect(await tree.stat("/etc/plain")).toMatchObject({
        kind: "file",
        mode: 0o640,
        uid: 3,
        gid: 70000,
        size: 4,
      });
      expect(await tree.stat("/etc/init.d")).toMatchObject({ kind: "link", target: "rc.d/init.d" });
      expect(await tree.stat("/etc")).toMatchObject({ kind: "dir", mode: 0o755 });
      expect((await tree.stat("/"))?.kind).toBe("dir");
    });

    it("matches names, and a leading dot only if the pattern has one", async () => {
      await using tree = await open();
      expect(await tree.glob("/etc/pl*n")).toEqual(["/etc/plain"]);
      expect(await tree.glob("/*/cache/?/b/c")).toEqual(["/var/cache/a/b/c"]);
      expect(await tree.glob("/etc/*")).not.toContain("/etc/.hidden");
      expect(await tree.glob("/etc/.h*")).toEqual(["/etc/.hidden"]);
      expect(await tree.glob("/etc/nothing*")).toEqual([]);
      expect(await tree.glob("/etc/empty")).toEqual(["/etc/empty"]);
    });

    it("keeps owner and mode of a file that it replaces, at any size", async () => {
      await using tree = await changed(async (tree) => {
        await tree.write("/etc/absolute", "changed through a link\n");
        await tree.edit("/etc/with space", (text) => `${text}more\n`);
        await tree.write("/var/log/big", "");
      });
      expect(await tree.text("/etc/plain")).toBe("changed through a link\n");
      expect(await tree.stat("/etc/plain")).toMatchObject({ mode: 0o640, uid: 3, gid: 70000 });
      expect((await tree.stat("/etc/absolute"))?.kind).toBe("link");
      expect(await tree.text("/etc/with space")).toBe("two\nmore\n");
      expect((await tree.stat("/var/log/big"))?.size).toBe(0);
    });

    it("makes files with their folders, with the given owner and mode", async () => {
      const bytes = Buffer.from([0, 255, 254, 10]);
      await using tree = await changed(async (tree) => {
        await tree.write("/opt/new/deep/script", bytes, { mode: 0o4755, uid: 12, gid: 34 });
        await tree.write('/opt/new/it\'s $HOME "quoted" ü', "x");
        await tree.makeDir("/opt/private", { mode: 0o700 });
        await tree.link("/opt/link", "/opt/new");
        await tree.link("/opt/link", "new/deep");
        expect(await tree.text('/opt/link/../it\'s $HOME "quoted" ü')).toBe("x");
      });
      expect(Buffer.compare((await tree.read("/opt/new/deep/script")) ?? Buffer.alloc(0), bytes)).toBe(0);
      expect(await tree.stat("/opt/new/deep/script")).toMatchObject({ mode: 0o4755, uid: 12, gid: 34 });
      expect(await tree.stat("/opt/new/deep")).toMatchObject({ kind: "dir", mode: 0o755, uid: 0, gid: 0 });
      expect(await tree.stat("/opt/private")).toMatchObject({ mode: 0o700 });
      expect(await tree.text('/opt/new/it\'s $HOME "quoted" ü')).toBe("x");
      expect((await tree.stat("/opt/link"))?.target).toBe("new/deep");
    });

    it("removes whole folders and links, never the target of a link, and may be repeated", async () => {
      await using tree = await changed(async (tree) => {
        await tree.remove("/var/cache/a");
        await tree.remove("/var/cache/a");
        await tree.remove("/etc/init.d");
        await tree.remove("/etc/none");
        expect(await tree.list("/var/cache")).toEqual([]);
      });
      expect(await tree.stat("/var/cache/a")).toBeUndefined();
      expect(await tree.stat("/etc/init.d")).toBeUndefined();
      expect(await tree.text("/etc/rc.d/init.d/ovmd")).toBe("#!/bin/sh\n");
    });

    it("can remove and make again under the same name, as another kind", async () => {
      await using tree = await changed(async (tree) => {
        await tree.remove("/etc/rc.d");
        await tree.write("/etc/rc.d", "now a file");
        await tree.remove("/etc/empty");
        await tree.makeDir("/etc/empty");
        await tree.write("/etc/empty/inside", "");
      });
      expect(await tree.text("/etc/rc.d")).toBe("now a file");
      expect(await tree.list("/etc/empty")).toEqual(["inside"]);
    });

    it("finds, reads, changes and removes names of any bytes", async () => {
      const latin1 = (text: string) => stringOf(Buffer.from(text, "latin1"));
      const names = [
        "caf\xe9",
        "caf\xc3\xa9",
        "\x81\x88\x83",
        "-rf",
        "a\tb\x1b[31m",
        "\\xe9",
        "'\"$(x)`",
        " ",
        "a\nb\n",
        '\n\xe9"',
      ];
      const all = names.map(latin1).sort();
      {
        await using tree = await changed(async (tree) => {
          for (const one of all) await tree.write(`/opt/names/${one}/${one}`, one);
          await tree.link("/opt/link to bytes", `names/${latin1("caf\xe9")}`);
        });
        expect(await tree.list("/opt/names")).toEqual(all);
        for (const one of all) expect(await tree.text(`/opt/names/${one}/${one}`)).toBe(one);
        expect(await tree.text(`/opt/link to bytes/${latin1("caf\xe9")}`)).toBe(latin1("caf\xe9"));
      }
      const left = latin1("caf\xc3\xa9");
      await using tree = await changed(async (tree) => {
        for (const one of all) await tree.edit(`/opt/names/${one}/${one}`, (text) => `${text}!`);
        for (const one of all) if (one !== left) await tree.remove(`/opt/names/${one}`);
      });
      expect(await tree.list("/opt/names")).toEqual([left]);
      expect(await tree.text(`/opt/names/${left}/${left}`)).toBe(`${left}!`);
    });

    it("copies a folder in, and keeps executable files executable", async () => {
      const local = await mkdtemp(join(tmpdir(), "tbuild-test-"));
      await mkdir(join(local, "sub"));
      await writeFile(join(local, "sub/run.sh"), "#!/bin/sh\n", { mode: 0o700 });
      await writeFile(join(local, "data"), "d", { mode: 0o600 });
      await using tree = await changed((tree) => tree.copyIn(local, "/opt/copied"));
      await rm(local, { recursive: true });
      expect(await tree.stat("/opt/copied/sub/run.sh")).toMatchObject({ mode: 0o755, uid: 0 });
      expect(await tree.stat("/opt/copied/data")).toMatchObject({ mode: 0o644 });
    });

    it("never runs a program of the guest", async () => {
      await using tree = await open();
      expect(tree.runsPrograms).toBe(false);
      await expect(tree.run(["true"])).rejects.toThrow("are not run");
    });
  });
}
