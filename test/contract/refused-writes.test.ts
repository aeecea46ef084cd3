import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, statfs, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { noise, write } from "../disk-sample.ts";
import { type DockerRegistry, startRegistry } from "../fakes/docker-registry.ts";
import { describeWith } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";
import { layouts, syntheticDisc } from "../media/synthetic-disc.ts";
import { kinds, makeDirtyImage } from "./dirty-image.ts";

const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

/** The commands that write, in the folder that refuses writes. It has `home` and `System.img`; other input is in `../in`. */
const commands: Readonly<Record<string, readonly string[]>> = {
  init: ["init", "new"],
  "module adopt": ["module", "adopt", "mine"],
  "module new": ["module", "new", "fresh", "--description", "A test.", "--into", "."],
  "module rpm": ["module", "rpm", "../in/modules/dns", "--out", "out"],
  "convert --out": ["convert", "--to", "kvm", "--out", "copy.img", "../in/System.img"],
  "media make, a full disc": [
    "media",
    "make",
    "--kickstart",
    "../in/ks.cfg",
    "--iso",
    "../in/disc.iso",
    "--out",
    "m",
  ],
  "media make, a boot disc": [
    ...["media", "make", "--kickstart", "../in/ks.cfg", "--iso", "../in/disc.iso", "--out", "m"],
    ...["--as", "boot"],
  ],
  "media make, an initrd": [
    ...["media", "make", "--kickstart", "../in/ks.cfg", "--iso", "../in/disc.iso", "--out", "m"],
    ...["--as", "initrd"],
  ],
  "template bundle": ["template", "bundle", "ol6-sample", "--out", "out"],
  "template bundle, of each format": [
    ...["template", "bundle", "ol6-sample", "--out", "out", "--format", "ova,qcow2,raw,xva"],
  ],
  "template export": ["template", "export", "ol6-sample", "-o", "out.tbuild"],
  "template import, an export": ["template", "import", "../in/other.tbuild"],
  "template import, an image": [
    "template",
    "import",
    "../in/System.img",
    "--as",
    "ol6-image@1.0.0",
    "--domain-type",
    "XEN_HVM",
  ],
  "template tag": ["template", "tag", "ol6-sample@1.0.0", "mine"],
  "template promote": ["template", "promote", "ol6-sample@1.0.0", "candidate"],
  "template revoke": ["template", "revoke", "ol6-sample@1.0.0", "--reason", "a test"],
  "template site": ["template", "site", "site"],
  "template pull": ["template", "pull", "REGISTRY/t/ol6-other:1.0.0", "--plain-http"],
  "template prune": ["template", "prune", "--keep", "1", "--apply"],
  seal: ["seal", "--yes", "System.img"],
  repair: ["repair", "--yes", "System.img"],
  undo: ["undo", "sealed.img"],
  "cp into an image": ["cp", "--yes", "../in/ks.cfg", "System.img:/root/ks.cfg"],
  "cp out of an image": ["cp", "System.img:/etc", "etc"],
  "cp over a file": ["cp", "System.img:/etc/shadow", "sealed.img"],
  "tar-in": ["tar-in", "--yes", "../in/etc.tar", "System.img:/opt"],
  "tar-out": ["tar-out", "System.img:/etc", "etc.tar"],
  migrate: ["migrate", "../in/vm", "--to", "libvirt", "--stopped", "--disks-in", "../in", "--out", "moved"],
};

const needs = [
  "mke2fs",
  "mount",
  "root",
  "setpriv",
  "prlimit",
  "xorriso",
  "docker-registry",
  "rpmbuild",
  "git",
];
describeWith(needs, "a place that refuses", () => {
  let folder: string;
  let registry: DockerRegistry;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-refused-"));
    registry = await startRegistry(join(folder, "registry"));
    const made = join(folder, "in");
    const home = join(folder, "prepared/home");
    for (const one of [made, home, join(made, "vm"), join(folder, "prepared/mine")])
      await mkdir(one, { recursive: true });
    await writeFile(
      join(made, "ks.cfg"),
      "install\ncdrom\nlang en_US.UTF-8\nkeyboard us\nrootpw x\n%packages\n%end\n",
    );
    const layout = layouts.find(({ release }) => release === "6.10");
    if (layout) await rename(syntheticDisc(made, layout), join(made, "disc.iso"));
    await makeDirtyImage(join(made, "System.img"), kinds["ext4, as OL6"], { megabytes: 32, files: 50 });
    for (const name of ["System.img", "sealed.img"])
      await cp(join(made, "System.img"), join(folder, "prepared", name));
    await host.run([process.execPath, main, "seal", "--yes", join(folder, "prepared/sealed.img")]);
    await host.run(["tar", "-C", "/etc", "-cf", join(made, "etc.tar"), "hosts"]);
    await writeFile(
      join(made, "vm/vm.cfg"),
      `name = 'db1'\nmemory = 384\nvcpus = 1\ndisk = ['file:${made}/System.img,xvda,w']\n`,
    );
    await writeFile(
      join(folder, "prepared/mine/mine"),
      [
        ..."#!/usr/bin/env python|### BEGIN PLUGIN INFO|# name: mine|# configure: 90|# description: Mine.".split(
          "|",
        ),
        ..."### END PLUGIN INFO|import json|from templateconfig.cli import main|def do_enumerate(target):|    return json.dumps([])".split(
          "|",
        ),
        ..."def do_configure(param):|    return param|main(do_enumerate, {'configure': do_configure})".split(
          "|",
        ),
      ].join("\n"),
    );
    const image = join(folder, "disk.img");
    await writeFile(image, "");
    await truncate(image, 2 ** 24);
    await write(image, noise("system", 2 ** 22), 2 ** 20);
    const store = folderStore(host, join(home, "store"));
    await store.publish(sampleManifest(await store.putDisk(image, "System"), { version: "0.9.0" }));
    await write(image, noise("newer", 2 ** 22), 2 ** 20);
    await store.publish(sampleManifest(await store.putDisk(image, "System")));
    const other = folderStore(host, join(folder, "other/store"));
    await write(image, noise("other", 2 ** 22), 2 ** 20);
    await other.publish(sampleManifest(await other.putDisk(image, "System"), { name: "ol6-other" }));
    const there = (...args: string[]) =>
      host.run([
        process.execPath,
        main,
        "--home",
        join(folder, "other"),
        "--recipes",
        join(folder, "other/recipes"),
        ...args,
      ]);
    await there("template", "export", "ol6-other", "-o", join(made, "other.tbuild"));
    await there("template", "push", "ol6-other", `${registry.address}/t`, "--plain-http");
    await there("module", "new", "dns", "--description", "Sets it.", "--into", join(made, "modules"));
    await host.run(["chmod", "-R", "a+rX", folder]);
  });
  afterAll(async () => {
    await registry?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const refusals: Readonly<Record<string, (place: string) => Promise<readonly string[]>>> = {
    "is read-only": async (place) => {
      await host.run(["mount", "-o", "remount,ro", place]);
      return [];
    },
    "is full": async (place) => {
      const { bavail, bsize } = await statfs(place);
      await writeFile(join(place, "ballast"), Buffer.alloc(bavail * bsize));
      return [];
    },
    "allows few open files": async () => ["prlimit", "--nofile=48"],
    "belongs to somebody else": async () => ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
  };

  for (const [refusal, prepare] of Object.entries(refusals))
    it.concurrent.each(Object.entries(commands))(
      `that ${refusal} is named by %s`,
      async (name, args) => {
        const place = join(folder, `${refusal} ${name}`.replace(/\W+/g, "-"));
        await mkdir(place);
        await host.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=755", "tmpfs", place]);
        try {
          await host.run(["cp", "-a", "--sparse=always", `${folder}/prepared/.`, place]);
          const as = await prepare(place);
          const before = await filesIn(place);
          const argv = [process.execPath, main, "--home", "home", "--recipes", "recipes", ...args].map(
            (word) => word.replace("REGISTRY", registry.address),
          );
          const run = await host.run(
            [...as, "env", "-C", place, `TMPDIR=${place}`, `HOME=${place}`, ...argv],
            {
              allow: Array.from({ length: 255 }, (_, i) => i + 1),
            },
          );
          // These need no room on a full disk, and some commands need few files.
          const needNoRoom = refusal === "is full" && ["template prune", "undo"].includes(name);
          const isDone = run.exitCode === 0 && (needNoRoom || refusal.includes("few"));
          if (!isDone) {
            expect({ exitCode: run.exitCode, stderr: run.stderr }).toMatchObject({ exitCode: 3 });
            expect(run.stderr).toMatch(inWords);
            expect(await filesIn(place)).toEqual(before);
          }
          expect(run.stderr.replace(/chunk-\w+/, "chunk")).not.toMatch(
            /^ +at |\bE[A-Z]{4,}\b|bug in tbuild|that the system did not name/m,
          );
        } finally {
          await host.run(["umount", place]);
        }
      },
      60_000,
    );
});

// With fewer, node itself does not start.
it.each([26, 28, 30, 32, 34, 36, 40, 44])("a limit of %i open files is named at the start", async (most) => {
  const argv = ["prlimit", `--nofile=${most}`, process.execPath, main, "template", "list"];
  const { exitCode, stderr } = await host.run(argv, { allow: [3] });
  if (exitCode !== 0) expect(stderr).toMatch(/^tbuild: .*: too many files are open in this process/);
  expect(stderr).not.toMatch(/^ +at |EMFILE/m);
});

it.each([
  ["--help"],
  ["help", "exit-codes"],
  ["module", "list"],
  ["ls", "-R", "IMAGE"],
  ["tar-out", "IMAGE:/etc", "-"],
  ["inspect", "IMAGE"],
])("a full disk behind standard output is named by %s %s", async (...args) => {
  const image = join(await mkdtemp(join(tmpdir(), "tbuild-full-")), "System.img");
  try {
    await makeDirtyImage(image, kinds["ext4, as OL6"], { megabytes: 32, files: 5 });
    const argv = [process.execPath, main, ...args.map((word) => word.replace("IMAGE", image))];
    const { exitCode, stderr } = await host.run(["sh", "-c", '"$0" "$@" > /dev/full', ...argv], {
      allow: [1, 3],
    });
    expect(stderr).toMatch(/^tbuild: standard output: the disk is full$/m);
    expect(stderr).not.toMatch(/^ +at /m);
    expect(exitCode).toBe(3);
  } finally {
    await rm(dirname(image), { recursive: true });
  }
});

const inWords =
  /the file system is read-only|the disk is full|permission denied|too many files are open|No space left on device/;

/** Files with their sizes, without those that an interrupted `site` and git may keep for the next run. */
async function filesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = relative(folder, join(entry.parentPath, entry.name));
    if (entry.isDirectory() || path === "site/.tbuild-site" || path.includes("/.git/")) continue;
    found.push(`${path} ${(await stat(join(folder, path))).size}`);
  }
  return found.sort();
}
