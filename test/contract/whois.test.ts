import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { textsIn } from "../../src/build/disk-texts.ts";
import { whois } from "../../src/build/whois.ts";
import { portraitOf } from "../../src/guest/describe-guest.ts";
import { Survey } from "../../src/guest/survey.ts";
import { localHost } from "../../src/host/local.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { mountsOf } from "../../src/image/disk/mounts.ts";
import { chooseAccess } from "../../src/image/ways/index.ts";
import type { GuestRecord } from "../../src/model/manifest.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { storeFolder } from "../../src/store/folder/store-folder.ts";
import {
  type CatalogEntry,
  manifestReader,
  type ReadManifest,
  readCatalog,
} from "../../src/store/records/catalog.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { noise } from "../disk-sample.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { describeWith, missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";
import { sampleManifest } from "../manifest-sample.ts";
import { testBusybox, testGuest } from "../test-guest.ts";

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

describeWith(["mke2fs", "debugfs", "e2fsck", "qemu-img"], "whois", () => {
  let folder: string;
  let catalog: CatalogEntry[];
  let read: ReadManifest;
  const options = {
    folder: tmpdir(),
    store: storeFolder(join(tmpdir(), "tbuild-no-store")),
    signal: new AbortController().signal,
  };

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
    await using tree = await (await chooseAccess(host, file, volumes)).open(file, mounts, { readOnly: true });
    return await portraitOf(new Survey(tree, volumes), {});
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-whois-"));
    const older = await portrait(await image("older.img", sealed));
    const newer = await portrait(await image("newer.img", { ...sealed, "/etc/ntp.conf": "server b\n" }));
    const manifests = [
      sampleManifest(disk, { version: "1.0.0", passport: "id-0", guest: older }),
      sampleManifest(disk, { version: "1.0.1", passport: "id-1", guest: newer }),
    ];
    const [store, records] = [memoryStore(manifests), recordsIn(host, folder)];
    catalog = await readCatalog(store, records);
    read = manifestReader(store, records);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const found = async (file: string) => {
    const { suspects, ...rest } = await whois(host, file, catalog, { ...options, read });
    return { ...rest, versions: suspects.map(({ entry }) => entry.manifest.version), why: suspects[0]?.why };
  };

  it("recognizes a disk by the ID in its passport, whatever its version number", async () => {
    const file = await image("passport.img", { ...sealed, "/etc/tbuild-release": passport("id-1", "1.0.0") });
    expect(await found(file)).toMatchObject({ versions: ["1.0.1"], passport: { id: "id-1" }, armed: false });
  });

  it("recognizes one in another format, and leaves nothing behind", async () => {
    const raw = await image("again.img", { ...sealed, "/etc/tbuild-release": passport("id-0", "1.0.0") });
    await host.run(["qemu-img", "convert", "-O", "qcow2", raw, `${raw}.qcow2`]);
    expect((await found(`${raw}.qcow2`)).versions).toEqual(["1.0.0"]);
    expect(
      (await host.run(["find", tmpdir(), "-maxdepth", "1", "-name", `whois-${process.pid}.img`])).stdout,
    ).toBe("");
  });

  it("recognizes a disk without passport by its file systems, and its version by the rest of /etc", async () => {
    const ran = {
      ...sealed,
      "/etc/ntp.conf": "server b\n",
      "/etc/hosts": "10.0.0.1 web1\n",
      "/etc/new": "x",
    };
    expect(await found(await image("ran.img", ran))).toMatchObject({
      versions: ["1.0.1"],
      why: expect.stringMatching(/same ids, and 80 % of the version's files in \/etc are unchanged/),
    });
  });

  it("does not claim a foreign disk; if only the number matches, says that it may be another build", async () => {
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

  it("finds the texts of a version's files in its disk, but not of unreadable files", async () => {
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

  it("refuses a file that is not a disk", async () => {
    await writeFile(join(folder, "garbage"), "garbage".repeat(1000));
    await expect(whois(host, join(folder, "garbage"), catalog, { ...options, read })).rejects.toMatchObject({
      fault: "guest",
    });
    await expect(whois(host, join(folder, "nothing"), catalog, { ...options, read })).rejects.toMatchObject({
      fault: "usage",
    });
  });
});

// Two versions that differ in one small file outside of /etc; the first is booted, and behaves as a first boot does.
const lacking = missing("qemu-system-x86_64", "mke2fs", "debugfs", "qemu-img");
describe.skipIf(lacking !== undefined)(
  `whois of a disk that ran${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    const tbuild = resolve(import.meta.dirname, "../../dist/bin/main.js");
    let folder: string;
    let ran: string;

    const command = (...args: string[]) => {
      const places = ["--home", join(folder, "home"), "--recipes", join(folder, "repo/recipes")];
      return host.run([process.execPath, tbuild, ...places, ...args], { allow: [1] });
    };
    const inGuest = (image: string, ...requests: string[]) =>
      host.run(["debugfs", "-w", "-f", "-", `${image}?offset=1048576`], { input: requests.join("\n") });
    const firstBoot = `#!/bin/busybox sh
PATH=/bin; exec >/dev/ttyS0 2>&1
for applet in sed dd mkdir sync mount umount; do busybox ln -sf busybox /bin/$applet; done
echo "127.0.0.1 web1" > /etc/hosts
sed -i s/yes/no/ /etc/sysconfig/ovmd
mkdir -p /etc/ssh /var/log
dd if=/dev/urandom of=/etc/ssh/ssh_host_rsa_key bs=1k count=2
dd if=/dev/urandom of=/var/log/messages bs=64k count=24
sync; mount -o remount,ro /; echo "the guest is done"; busybox poweroff -f
`;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-whois-ran-"));
      const boot = await testGuest(
        folder,
        "/busybox mkdir /disk; /busybox mount /dev/vda1 /disk; /busybox mount -o move /dev /disk/dev; exec /busybox switch_root /disk /sbin/init",
        writeFile,
        ["ext4"],
      );
      const first = join(folder, "first.img");
      await extDisk(first, {
        ...ol6Guest,
        files: {
          ...ol6Guest.files,
          "/etc/sysconfig/ovmd": "INITIAL_CONFIG=yes\n",
          "/etc/tbuild-release": passport("id-0", "1.0.0"),
          "/bin/busybox": { data: await readFile(testBusybox), mode: 0o755 },
          "/sbin/init": { data: firstBoot, mode: 0o755 },
          "/dev/null": "",
          "/opt/app/run.sh": "exec app --threads 4\n",
          "/opt/app/library.so": { data: noise("library", 6 * 2 ** 20) },
        },
      });
      const second = join(folder, "second.img");
      await host.run(["cp", "--sparse=always", first, second]);
      await writeFile(join(folder, "run.sh"), "exec app --threads 8\n");
      await writeFile(join(folder, "passport"), passport("id-1", "1.0.1"));
      await inGuest(
        second,
        ...["rm /opt/app/run.sh", `write ${folder}/run.sh /opt/app/run.sh`],
        ...["rm /etc/tbuild-release", `write ${folder}/passport /etc/tbuild-release`],
      );
      for (const image of [first, second]) await command("template", "import", image);

      const machines = { folder: join(folder, "machines"), memory: join(folder, "memory") };
      const hypervisor = await openHypervisor(host, { kind: "qemu", accelerator: "tcg" }, machines);
      await hypervisor.define({
        name: "ran",
        domainType: "hvm",
        vcpus: 1,
        memoryMib: 256,
        guest: { release: 6 },
        disks: [{ slot: 0, mode: "write", content: { grownFrom: first } }],
        cdroms: [],
        nics: [],
      });
      try {
        await hypervisor.start("ran", boot);
        expect(await hypervisor.waitStopped("ran", { timeoutMs: 90_000 })).toBe("guest-shutdown");
        expect(await hypervisor.consoleText("ran")).toContain("the guest is done");
        ran = join(folder, "orphan.qcow2");
        await hypervisor.fetchDisk("ran", 0, ran);
      } finally {
        await hypervisor.destroy("ran");
      }
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it("names the version by the passport that is still in it", async () => {
      const { exitCode, stdout } = await command("whois", ran);
      expect(stdout).toMatch(/^ol6-sample@1\.0\.0 +its passport belongs to this version\n/);
      expect(stdout).toContain("not armed: already configured");
      expect(exitCode).toBe(0);
    });

    it("names it by content if the passport is missing, and no other version of its lineage", async () => {
      const orphan = join(folder, "orphan.img");
      await host.run(["qemu-img", "convert", "-O", "raw", ran, orphan]);
      await inGuest(orphan, "rm /etc/tbuild-release");
      const { exitCode, stdout } = await command("whois", orphan);
      expect(stdout).toMatch(/^ol6-sample@1\.0\.0 +9\d % of the version's data is still in place; of the/);
      expect(stdout).not.toContain("1.0.1");
      expect(exitCode).toBe(0);
    });

    it("says that a disk matches no version, and exits 1", async () => {
      const stranger = join(folder, "stranger.img");
      await extDisk(stranger, { ...ol6Guest, files: { ...ol6Guest.files, "/etc/motd": "a stranger\n" } });
      const { exitCode, stdout } = await command("whois", stranger);
      expect(stdout).toMatch(/^matches none of the 2 known versions, and has no tbuild passport\n/);
      expect(exitCode).toBe(1);
    });
  },
);
