import { mkdir, mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { textsIn } from "../../src/build/disk-texts.ts";
import { whois } from "../../src/build/whois.ts";
import { portraitOf } from "../../src/guest/portrait.ts";
import { localHost } from "../../src/host/local.ts";
import { mountsOf } from "../../src/image/disk.ts";
import { chooseAccess } from "../../src/image/index.ts";
import { type CatalogEntry, readCatalog } from "../../src/store/catalog.ts";
import { folderStore } from "../../src/store/folder-store.ts";
import { recordsIn } from "../../src/store/records.ts";
import type { GuestRecord, Store } from "../../src/store/store.ts";
import { missing } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
const recipe = `sha256:${"a".repeat(64)}` as const;
const uuid = "11111111-2222-3333-4444-555555555555";
const disk = { name: "System", digest: recipe, bytes: 1, dataBytes: 1 } as const;
const passport = (id: string, version: string) =>
  `NAME="ol6-sample"\nVERSION="${version}"\nBUILD="b"\nID="${id}"\nRECIPE="${recipe}"\nMADE="2026-11-25T10:00:00.000Z"\nREHEARSAL=no\n`;
const sealed = {
  "/etc/fstab": "LABEL=root / ext4 defaults 1 1\n",
  "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
  "/etc/ntp.conf": "server a\n",
  "/etc/hosts": "127.0.0.1 localhost\n",
  "/etc/motd": "welcome\n",
};

describe.skipIf(missing("mke2fs", "debugfs", "e2fsck", "qemu-img"))("whois", () => {
  let folder: string;
  let catalog: CatalogEntry[];
  const options = { folder: tmpdir(), signal: new AbortController().signal };

  async function image(name: string, files: Record<string, string>, id = uuid): Promise<string> {
    const tree = join(folder, `${name}.tree`);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), text);
    }
    const file = join(folder, name);
    await writeFile(file, "");
    await truncate(file, 24 * 2 ** 20);
    await host.run(["mke2fs", "-q", "-t", "ext4", "-U", id, "-d", tree, file]);
    return file;
  }

  async function portrait(file: string): Promise<GuestRecord> {
    const mounts = await mountsOf(file);
    const volumes = mounts.map(({ volume }) => volume);
    await using tree = await (await chooseAccess(host, volumes)).open(file, mounts, { readOnly: true });
    return await portraitOf(tree, volumes, {});
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-whois-"));
    const older = await portrait(await image("older.img", sealed));
    const newer = await portrait(await image("newer.img", { ...sealed, "/etc/ntp.conf": "server b\n" }));
    const manifests = [
      sampleManifest(disk, { version: "1.0.0", passport: "id-0", guest: older }),
      sampleManifest(disk, { version: "1.0.1", passport: "id-1", guest: newer }),
    ];
    const store = { list: async () => manifests } as unknown as Store;
    catalog = await readCatalog(store, recordsIn(host, folder));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const found = async (file: string) => {
    const { suspects, ...rest } = await whois(host, file, catalog, options);
    return { ...rest, versions: suspects.map(({ entry }) => entry.manifest.version), why: suspects[0]?.why };
  };

  it("knows a disk by the id of its passport, whatever number that says", async () => {
    const file = await image("passport.img", { ...sealed, "/etc/tbuild-release": passport("id-1", "1.0.0") });
    expect(await found(file)).toMatchObject({ versions: ["1.0.1"], passport: { id: "id-1" }, armed: false });
  });

  it("knows one in another format, and leaves nothing behind", async () => {
    const raw = await image("again.img", { ...sealed, "/etc/tbuild-release": passport("id-0", "1.0.0") });
    await host.run(["qemu-img", "convert", "-O", "qcow2", raw, `${raw}.qcow2`]);
    expect((await found(`${raw}.qcow2`)).versions).toEqual(["1.0.0"]);
    expect(
      (await host.run(["find", tmpdir(), "-maxdepth", "1", "-name", `whois-${process.pid}.img`])).stdout,
    ).toBe("");
  });

  it("knows a disk whose passport is gone by its file systems, and which version by what is left of /etc", async () => {
    const ran = {
      ...sealed,
      "/etc/ntp.conf": "server b\n",
      "/etc/hosts": "10.0.0.1 web1\n",
      "/etc/new": "x",
    };
    expect(await found(await image("ran.img", ran))).toMatchObject({
      versions: ["1.0.1", "1.0.0"],
      why: expect.stringMatching(/same ids, and 80 % of the version's files in \/etc are as they were/),
    });
  });

  it("says of a stranger that it is none, and of one that says a number only that it may be another build", async () => {
    const other = "99999999-2222-3333-4444-555555555555";
    expect((await found(await image("stranger.img", sealed, other))).versions).toEqual([]);
    const text = passport("other", "1.0.0").replace(recipe, `sha256:${"b".repeat(64)}`);
    const claims = await found(await image("claims.img", { ...sealed, "/etc/tbuild-release": text }, other));
    expect(claims).toMatchObject({ versions: ["1.0.0"], why: expect.stringContaining("another recipe") });
    const unknown = passport("other", "9.9.9");
    expect(
      await found(await image("unknown.img", { ...sealed, "/etc/tbuild-release": unknown }, other)),
    ).toMatchObject({
      versions: [],
      passport: { version: "9.9.9" },
    });
  });

  it("finds the texts of a version's files in its disk, and of closed ones none", async () => {
    const store = folderStore(host, join(folder, "store"));
    const stored = await store.putDisk(
      await image("texts.img", { ...sealed, "/etc/app.conf": "token=x\n" }),
      "System",
    );
    const manifest = sampleManifest(stored);
    const paths = ["/etc/ntp.conf", "/etc/app.conf", "/etc/none"];
    await expect(textsIn({ host, store }, manifest, paths, { ...options, folder })).rejects.toMatchObject({
      fault: "environment",
    });
    await store.publish(manifest);
    expect([...(await textsIn({ host, store }, manifest, paths, { ...options, folder }))]).toEqual([
      ["/etc/ntp.conf", "server a\n"],
      ["/etc/app.conf", "token=***\n"],
    ]);
    expect((await readdir(folder)).filter((name) => name.startsWith("texts-"))).toEqual([]);
  });

  it("refuses what is no disk", async () => {
    await writeFile(join(folder, "garbage"), "garbage".repeat(1000));
    await expect(whois(host, join(folder, "garbage"), catalog, options)).rejects.toMatchObject({
      fault: "guest",
    });
    await expect(whois(host, join(folder, "nothing"), catalog, options)).rejects.toMatchObject({
      fault: "usage",
    });
  });
});
