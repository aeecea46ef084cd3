import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BuildEvent } from "../../src/build/event.ts";
import type { StepContext } from "../../src/build/step.ts";
import { injectModules } from "../../src/build/steps/inject-modules.ts";
import { additions } from "../../src/firstboot/additions.ts";
import { injectModule } from "../../src/firstboot/inject.ts";
import { type FirstBootModule, readModule } from "../../src/firstboot/module.ts";
import { applyAll } from "../../src/guest/operation.ts";
import { localHost } from "../../src/host/local.ts";
import { openImageFile } from "../../src/image/open.ts";
import type { GuestTree } from "../../src/image/tree.ts";
import { mountedTree } from "../../src/image/ways/mounted-tree.ts";
import type { Recipe } from "../../src/recipe/recipe.ts";
import { describeWith } from "../fakes/missing.ts";
import { extDisk, type GuestFiles, ol6Guest } from "../guest-image.ts";
import { unmountImage } from "../unmount-image.ts";

const host = localHost();
const unknowable = `#!/usr/bin/python
import json, os
def do_enumerate(target): return json.dumps([{'key': os.environ['KEY']}])
from templateconfig.cli import main
main(do_enumerate, {'configure': None})
`;
const shipped = resolve(import.meta.dirname, "../../recipes/modules");
const etc = "system_u:object_r:etc_t:s0";
const program = "system_u:object_r:bin_t:s0";

describeWith(
  ["root", "loop", "mke2fs", "debugfs", "qemu-storage-daemon", "/dev/fuse", "/usr/bin/python3"],
  "modules that are injected into an image",
  () => {
    let folder: string;
    let modules: FirstBootModule[];
    let live: Map<string, string>;
    const base = () => join(folder, "base.img");
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-inject-"));
      await extDisk(base(), await guestWithAdditions());
      await online(base(), async (tree) => {
        for (const name of ["authentication", "network", "ssh"])
          await tree.run(["/usr/sbin/ovm-chkconfig", "--add", name]);
        // An older grid module: another priority, and a target that was removed since.
        await tree.link("/etc/template.d/configure/40-grid", "../scripts/grid");
        await tree.link("/etc/template.d/resume/40-grid", "../scripts/grid");
      });
      const names = await readdir(shipped);
      modules = await Promise.all(names.map((name) => readModule(join(shipped, name))));
      const there = join(folder, "online.img");
      await cp(base(), there);
      await online(there, async (tree) => {
        await applyAll(tree, modules.map(injectModule));
      });
      live = await listed(there);
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it.each(["raw", "qcow2"] as const)(
      "give the same tree offline (%s) and in the running guest: links, owners, modes, labels",
      async (format) => {
        const here = join(folder, `offline.${format}`);
        if (format === "raw") await cp(base(), here);
        else await host.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base(), "-F", "raw", here]);
        {
          await using opened = await openImageFile(host, here);
          await applyAll(opened.tree, modules.map(injectModule));
        }
        const offline = await listed(here);
        expect(offline.get("/etc/template.d/configure/91-grid")).toContain("link");
        expect(offline.get("/etc/template.d/resume/40-grid")).toBeUndefined();
        expect(offline.get("/etc/template.d/scripts/hosts")).toMatch(/^file 755 0:0 \S*bin_t/);
        expect([...offline].filter(([path]) => path.startsWith("/etc/template.d")).length).toBeGreaterThan(
          15,
        );
        expect(Object.fromEntries(offline)).toEqual(Object.fromEntries(live));
      },
    );

    it("start the machine only if changing files is not enough, and the build says why", async () => {
      const disk = join(folder, "provisioned.qcow2");
      await host.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", base(), disk]);
      const [hosts] = modules.filter(({ name }) => name === "hosts");
      const odd = {
        ...(hosts as FirstBootModule),
        name: "odd",
        scriptFor: () => Buffer.from(unknowable),
        script: Buffer.from(unknowable),
      };
      expect(await injected(disk, [hosts as FirstBootModule])).toEqual({
        started: [],
        notes: [],
        keys: ["org.tbuild.hosts.entry.0", "com.oracle.linux.root-password"],
      });
      expect(await injected(disk, [odd])).toEqual({
        started: ["t-inject"],
        notes: [
          'the machine is started to inject modules: only running the module odd shows its parameters (line 3 reads os.environ["KEY"])',
        ],
      });
    });

    /** Runs the step on a provisioned disk, and ends it if it starts a machine. */
    async function injected(disk: string, modules: readonly FirstBootModule[]) {
      const [started, notes]: [string[], string[]] = [[], []];
      const out = await mkdtemp(join(folder, "out-"));
      const context = {
        id: "t",
        out,
        host,
        site: { images: { kind: "auto" } },
        progress() {},
        report: (event: BuildEvent) => event.type === "note" && notes.push(event.text),
        hypervisor: {
          async define({ name }: { name: string }) {
            started.push(name);
            throw new Error("no machine here");
          },
        },
      };
      const root = { key: "com.oracle.linux.root-password" };
      const state = { disk, modulesThere: [{ priority: 90, name: "authentication", parameters: [root] }] };
      const step = injectModules({ machine: {}, nics: [], release: "ol6" } as unknown as Recipe, modules);
      try {
        const { contract } = await step.run(context as unknown as StepContext, state as never);
        return { started, notes, keys: contract.map(({ key }) => key) };
      } catch (error) {
        if (started.length === 0) throw error;
        return { started, notes };
      }
    }
  },
);

/** A guest whose additions are ours, with SELinux labels. */
async function guestWithAdditions(): Promise<GuestFiles> {
  const files: Record<string, { data: Buffer; mode: number }> = {};
  const add = async (from: string, to: string, mode: number) => {
    files[to] = { data: await readFile(join(additions, from)), mode };
  };
  await add("sbin/ovm-chkconfig", "/usr/sbin/ovm-chkconfig", 0o755);
  for (const name of ["authentication", "network", "ssh"])
    await add(`scripts/${name}`, `/etc/template.d/scripts/${name}`, 0o755);
  for (const library of ["templateconfig", "ovmdaemon"])
    for (const name of await readdir(join(additions, library)))
      if (name.endsWith(".py"))
        await add(`${library}/${name}`, `/usr/lib/python-templateconfig/${library}/${name}`, 0o644);
  const kernel = { "/boot/vmlinuz-2.6.32-754.el6.x86_64": "" };
  return { ...ol6Guest, files: { ...ol6Guest.files, ...files, ...kernel } };
}

/** Changes an image like a running guest: mounted, with the guest's own programs. */
async function online(image: string, work: (tree: GuestTree) => Promise<void>): Promise<void> {
  const at = await mkdtemp(join(tmpdir(), "tbuild-inject-at-"));
  await host.run(["mount", "-o", "loop,offset=1048576", image, at]);
  try {
    if (image.endsWith("base.img")) await host.run(["sh", "-ec", label, "sh", at, etc, program]);
    const run = (argv: readonly string[]) =>
      host.run(["unshare", "-m", "sh", "-ec", inGuest, "sh", at, ...argv]);
    await using tree = mountedTree(host, at, { run });
    await work(tree);
  } finally {
    await unmountImage(at);
    await rm(at, { recursive: true });
  }
}

const label = `
find "$1" -exec chcon -h "$2" {} +
find "$1/usr/sbin" "$1/etc/template.d/scripts" -type f -exec chcon "$3" {} +`;

// This machine's Python runs the guest's ovm-chkconfig. A kernel with SELinux gives new files the label of their folder;
// the last line does the same here.
const inGuest = `
at=$1; shift
space=$(mktemp -d); mount -t tmpfs none "$space"; mkdir "$space/root"
mount -t overlay none -o "ro,lowerdir=$at:/" "$space/root"
mount --bind "$at/etc/template.d" "$space/root/etc/template.d"
touch "$space/start"
PYTHONDONTWRITEBYTECODE=1 chroot "$space/root" "$@"
find "$at/etc/template.d" ! -type f -newer "$space/start" -exec chcon -h ${etc} {} +
umount "$space/root/etc/template.d" "$space/root" "$space"; rmdir "$space"`;

/** Everything in an image: kind, mode, owner, label and content. */
async function listed(image: string): Promise<Map<string, string>> {
  await using opened = await openImageFile(host, image, { readOnly: true });
  const found = new Map<string, string>();
  for await (const { path, stat } of opened.tree.walk("/")) {
    const { kind, mode, uid, gid, label = "-", target = "" } = stat;
    const data =
      kind === "file" ? Buffer.from((await opened.tree.read(path)) ?? "").toString("base64") : target;
    const shownMode = kind === "link" ? "-" : (mode & 0o7777).toString(8);
    found.set(path, `${kind} ${shownMode} ${uid}:${gid} ${label} ${data}`);
  }
  return found;
}
