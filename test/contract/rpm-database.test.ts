import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRpmDatabase } from "../../src/guest/rpm/database.ts";
import { readPackageFiles } from "../../src/guest/rpm/files.ts";
import { readPackageRecords } from "../../src/guest/rpm/records.ts";
import { sqliteBlobs } from "../../src/guest/rpm/sqlite.ts";
import { localHost } from "../../src/host/local.ts";
import { installedPackages } from "../../src/provision/installed.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { missing } from "../fakes/missing.ts";

const host = localHost();
const lacking = missing("rpm", "rpmbuild", "rpmsign", "gpg", "db5.3_load");
const count = 40;

let folder: string;
let database: Record<"sqlite" | "berkeley", string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-rpm-"));
  if (lacking !== undefined) return;
  const packages = await buildPackages();
  const sqlite = join(folder, "sqlite");
  await host.run(["rpm", "--dbpath", sqlite, "--justdb", "--nodeps", "-i", ...packages]);
  const berkeley = join(folder, "Packages");
  const blobs = sqliteBlobs(await readFile(join(sqlite, "rpmdb.sqlite")), undefined, "Packages");
  const lines = blobs.flatMap((blob, index) => [` ${hex(keyOf(index + 1))}`, ` ${hex(blob)}`]);
  await host.run(["db5.3_load", "-t", "hash", berkeley], {
    input: `VERSION=3\nformat=bytevalue\ntype=hash\ndb_pagesize=4096\nHEADER=END\n ${hex(keyOf(0))}\n ${hex(keyOf(count))}\n${lines.join("\n")}\nDATA=END\n`,
  });
  database = { sqlite: join(sqlite, "rpmdb.sqlite"), berkeley };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(lacking !== undefined)(`rpm's database${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  it.each([
    ["sqlite", "/var/lib/rpm/rpmdb.sqlite"],
    ["sqlite", "/usr/lib/sysimage/rpm/rpmdb.sqlite"],
    ["berkeley", "/var/lib/rpm/Packages"],
  ] as const)("of the kind %s has all packages, as rpm lists them (%s)", async (kind, path) => {
    const found = await readRpmDatabase(memoryTree({ [path]: await readFile(database[kind]) }));
    expect(found?.kind).toBe(kind);
    const format = "%{name} %{epoch} %{version}-%{release} %{arch}\n";
    const { stdout } = await host.run(["rpm", "--dbpath", join(folder, "sqlite"), "-qa", "--qf", format]);
    expect(
      found?.packages.map(
        ({ name, epoch, version, release, arch }) =>
          `${name} ${epoch ?? "(none)"} ${version}-${release} ${arch}`,
      ),
    ).toEqual(stdout.trim().split("\n").sort());
    expect(found?.packages.length).toBe(count);
  });

  it.each(["sqlite", "berkeley"] as const)(
    "of the kind %s has license and signer of each package, as in a manifest",
    async (kind) => {
      const path = { sqlite: "rpmdb.sqlite", berkeley: "Packages" }[kind];
      const tree = memoryTree({ [`/var/lib/rpm/${path}`]: await readFile(database[kind]) });
      const { run } = host;
      const asked = {
        ...host,
        run: (argv: readonly string[]) => run(["rpm", "--dbpath", join(folder, "sqlite"), ...argv.slice(1)]),
      };
      const records = await readPackageRecords(tree);
      expect(records).toEqual(await installedPackages(asked));
      expect(records?.find(({ name }) => name === "whole")).toMatchObject({
        license: "none",
        signature: expect.stringMatching(/^[0-9a-f]{16}$/),
      });
      expect(records?.some(({ signature }) => signature === undefined)).toBe(true);
    },
  );

  it.each(["sqlite", "berkeley"] as const)(
    "of the kind %s has the files of each package, except ghost files",
    async (kind) => {
      const path = { sqlite: "rpmdb.sqlite", berkeley: "Packages" }[kind];
      const data = { [`/var/lib/rpm/${path}`]: await readFile(database[kind]) };
      const found = await readPackageFiles(memoryTree(data, { links: { "/lib": "usr/lib" } }));
      const format = "[%{FILENAMES} %{FILESIZES} %{FILEDIGESTS} %{FILEFLAGS}\n]";
      const { stdout } = await host.run([
        "rpm",
        "--dbpath",
        join(folder, "sqlite"),
        "-q",
        "--qf",
        format,
        "whole",
      ]);
      const rows = stdout
        .trim()
        .split("\n")
        .map((line) => line.split(" "));
      expect(rows.map(([name]) => name)).toContain("/var/whole.cache");
      expect(found).toEqual(
        new Map(
          rows
            .filter(([name]) => name !== "/var/whole.cache")
            .map(([name = "", bytes, digest, flags]) => [
              name.replace(/^\/lib\//, "/usr/lib/"),
              { package: "whole", bytes: Number(bytes), digest, isConfig: (Number(flags) & 1) !== 0 },
            ]),
        ),
      );
      expect(found?.get("/etc/whole.conf")?.isConfig).toBe(true);
      expect(found?.get("/usr/lib/whole/data")?.bytes).toBe(5);
    },
  );

  it.each(["sqlite", "berkeley"] as const)(
    "of the kind %s, damaged anywhere, is reported as damaged and no more",
    async (kind) => {
      const whole = await readFile(database[kind]);
      const path = { sqlite: "rpmdb.sqlite", berkeley: "Packages" }[kind];
      for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 23)) {
        const hurt = Buffer.from(whole);
        hurt.fill(0xff, at, Math.min(whole.length, at + 700));
        for (const data of [hurt, whole.subarray(0, at + 1)])
          for (const read of [readRpmDatabase, readPackageFiles])
            await read(memoryTree({ [`/var/lib/rpm/${path}`]: data })).catch((error) =>
              expect(error).toMatchObject({ name: "TbuildError", fault: "guest" }),
            );
      }
    },
  );
});

// Some of them are large enough for many pages.
async function buildPackages(): Promise<string[]> {
  const spec = join(folder, "many.spec");
  const parts = Array.from({ length: count - 1 }, (_, index) => {
    const text = "x".repeat(index % 5 === 0 ? 20_000 : 10);
    return `%package -n part${index}\nSummary: part\n${index % 3 === 0 ? "Epoch: 2\n" : ""}%description -n part${index}\n${text}\n%files -n part${index}\n`;
  });
  await writeFile(
    spec,
    `Name: whole\nVersion: 1.2\nRelease: 3.el6\nSummary: whole\nLicense: none\nBuildArch: noarch\n%description\nwhole\n%install\nmkdir -p %{buildroot}/etc %{buildroot}/lib/whole %{buildroot}/var\necho conf >%{buildroot}/etc/whole.conf\necho data >%{buildroot}/lib/whole/data\necho x >%{buildroot}/var/whole.cache\n%files\n%config /etc/whole.conf\n/lib/whole/data\n%ghost /var/whole.cache\n${parts.join("")}`,
  );
  await host.run(["rpmbuild", "-bb", "--define", `_topdir ${folder}/top`, spec]);
  const packages = (await host.run(["find", join(folder, "top"), "-name", "*.rpm"])).stdout
    .trim()
    .split("\n");
  await signOne(packages.find((file) => file.includes("/whole-")) ?? expect.fail("no package"));
  return packages;
}

async function signOne(file: string): Promise<void> {
  const home = join(folder, "gpg");
  await mkdir(home, { mode: 0o700 });
  const gpg = ["gpg", "--homedir", home, "--batch", "--passphrase", ""];
  await host.run([...gpg, "--quick-generate-key", "tbuild test", "rsa2048", "sign", "never"]);
  await host.run([
    "rpmsign",
    "--define",
    `_gpg_path ${home}`,
    "--define",
    "_gpg_name tbuild test",
    "--define",
    "__gpg /usr/bin/gpg",
    "--addsign",
    file,
  ]);
  await host.run(["gpgconf", "--homedir", home, "--kill", "all"]);
}

function keyOf(number: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(number);
  return key;
}

function hex(data: Buffer): string {
  return data.toString("hex");
}
