// make bench: a store with 10 000 versions (or as many as the first argument says) with realistic manifests. Shows the time
// and the peak memory of each command that reads it.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { manifestDigest, manifestText } from "../../dist/model/manifest.js";

const count = Number(process.argv[2] ?? 10_000);
const keep = process.argv[3];
const folder = keep ?? mkdtempSync(join(tmpdir(), "tbuild-bench-"));
if (!keep) process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const tbuild = resolve(import.meta.dirname, "../../dist/bin/main.js");
const hash = (text) => createHash("sha256").update(text).digest("hex");
const sum = (text) => `sha256:${hash(text)}`;

const store = join(folder, "home/store");
const name = "ol6-grid";
const version = (i) => `1.${Math.floor(i / 100)}.${i % 100}`;

// 300 packages and 400 files of /etc, of which each version changes a few.
function manifestOf(i, disk, parent) {
  const turn = (n, of) => Math.floor((i + of - (n % of)) / of);
  return {
    schema: 1,
    kind: "template",
    name,
    version: version(i),
    rehearsal: false,
    domainType: "XEN_PVM",
    tbuild: "0.1.0",
    made: new Date(Date.UTC(2020, 0, 1) + i * 3_600_000).toISOString(),
    summary: "Oracle Linux 6 for Grid Infrastructure",
    release: { name: "Oracle Linux 6.10", major: 6, update: 10 },
    machine: { vcpus: 2, memoryMib: 2048, nics: ["public", "interconnect"] },
    disks: [disk],
    kernel: "4.1.12-124.el6uek.x86_64",
    recipe: sum(`recipe ${turn(0, 10)}`),
    recipeText: JSON.stringify({ name, packages: { install: Array(40).fill("package") } }),
    inputs: { medium: sum("medium"), kickstart: sum("kickstart"), "module:grid": sum(`grid ${turn(1, 20)}`) },
    parent,
    packages: Array.from({ length: 300 }, (_, n) => ({
      name: `package-of-some-name-${n}`,
      epoch: 0,
      version: `1.${turn(n, 100)}.0`,
      release: "48.el6_9.2",
      arch: "x86_64",
      signature: "72f97b74ec551f03",
      license: "GPLv2+ and LGPLv2+",
    })),
    contract: Array.from({ length: 20 }, (_, n) => ({
      key: `com.oracle.linux.network.device.${n}`,
      description: "Network device to configure.",
      module: "network",
      required: n === 0,
      hidden: n > 10,
      password: false,
    })),
    operations: Array.from({ length: 15 }, (_, n) => ({
      name: `operation-${n}`,
      done: ["/etc/machine-id", "/var/log/messages"],
    })),
    trial: ["ssh answers", "swap is on"],
    bundles: [],
    timings: { install: 600_000 },
    guest: {
      kernels: ["4.1.12-124.el6uek.x86_64"],
      services: ["sshd", "crond", "ntpd"],
      modules: [{ name: "grid", digest: sum("grid") }],
      users: [{ name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/bash" }],
      groups: [],
      volumes: [],
      files: Array.from({ length: 400 }, (_, n) => ({
        path: `/etc/sysconfig/some-file-${n}`,
        kind: "file",
        mode: "644",
        owner: "0:0",
        digest: sum(`file ${n} ${turn(n, 200)}`),
        ...(n % 20 === 0
          ? { text: `setting ${n} of ${turn(n, 200)}\n`.repeat(20) }
          : { package: `package-of-some-name-${n % 300}` }),
      })),
    },
    seal: { how: "offline", skipped: [], kept: [], armed: true, audited: ["machine-id"] },
  };
}

if (!existsSync(store)) {
  const list = `tbuild disk 2\n${2 ** 34}\n0 ${2 ** 34}\n`;
  const disk = { name: "System", digest: sum(list), bytes: 2 ** 34, dataBytes: 2 ** 30 };
  for (const place of ["disks", `templates/${name}`, "masters/ol6-base"])
    mkdirSync(join(store, place), { recursive: true });
  writeFileSync(join(store, "format"), "tbuild store 2\n");
  writeFileSync(join(store, "disks", hash(list)), list);
  const put = (manifest) => {
    const file = join(store, `${manifest.kind}s`, manifest.name, manifest.version);
    const digest = manifestDigest(manifest);
    writeFileSync(`${file}.json`, manifestText(manifest));
    writeFileSync(`${file}.sha256`, `${digest.slice(7)}  ${manifest.version}.json\n`);
    return digest;
  };
  const { parent: _, ...first } = manifestOf(0, disk);
  const master = put({ ...first, kind: "master", name: "ol6-base" });
  for (let i = 0; i < count; i++) put(manifestOf(i, disk, master));
}
console.log(
  `${count} manifests, ${execFileSync("du", ["-sm", join(store, "templates")], { encoding: "utf8" }).split("\t")[0]} MiB`,
);

const measured = (...args) => {
  const begun = performance.now();
  const argv = [
    "-f",
    "%M %U %S",
    process.execPath,
    tbuild,
    "--home",
    join(folder, "home"),
    "--recipes",
    join(folder, "repo/recipes"),
    "template",
    ...args,
  ];
  const { status, stderr } = spawnSync("/usr/bin/time", argv, {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  const [kib, user, system] = (stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  const mib = Math.round(kib / 1024);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `${`template ${args.join(" ")}`.replace(folder, "").padEnd(52)} ${seconds.padStart(7)} s ${(user + system).toFixed(1).padStart(6)} s of processor ${String(mib).padStart(6)} MiB${status === 0 ? "" : `  exit ${status}: ${stderr.slice(0, 300)}`}`,
  );
};
const middle = `${name}@${version(Math.floor(count / 2))}`;
measured("show", middle);
measured("show", name);
measured("diff", name);
measured("revoke", middle, "--reason", "a bench");
measured("list");
measured("list");
measured("log");
measured("log");
measured("prune", "--keep", "50");
measured("site", join(folder, "site"));
measured("site", join(folder, "site"));
console.log(
  `the site: ${execFileSync("du", ["-sm", "--apparent-size", join(folder, "site")], { encoding: "utf8" }).split("\t")[0]} MiB`,
);
