import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { openImageFile } from "../../src/image/open.ts";
import { stoppedChanges } from "../../src/provision/stopped.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { rules } from "../../src/recipe/rules.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { describeWith, missing } from "../fakes/missing.ts";
import { rpmDatabase, smallRecipe, smallTemplate, smallTemplateNeeds } from "../small-template.ts";

const repository = resolve(import.meta.dirname, "../..");
const host = localHost();

describeWith([...smallTemplateNeeds, "qemu-img"], "provisioning a guest that is not started", () => {
  let folder: string;
  let database: Buffer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-stopped-"));
    if (missing(...smallTemplateNeeds) !== undefined) return;
    await mkdir(join(folder, "recipes"));
    database = await rpmDatabase();
    await smallTemplate(join(folder, "System.img"));
    await writeFile(join(folder, "recipes/small.yaml"), smallRecipe("small", "../System.img"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const guest = (more: Readonly<Record<string, string>> = {}) =>
    memoryTree(
      {
        "/etc/passwd": "root:x:0:0::/root:\napp:x:500:500::/home/app:\n",
        "/etc/group": "root:x:0:\napp:x:500:\nweb:x:501:app\n",
        "/etc/rc.d/rc3.d/S08ovmd": "",
        "/etc/rc.d/rc5.d/S10cups": "",
        "/var/lib/rpm/rpmdb.sqlite": database,
        ...more,
      },
      { dirs: ["/srv/there"] },
    );

  async function changesOf(text: string, tree = guest()) {
    const file = join(folder, "recipes/app.yaml");
    await writeFile(file, `extends: small\nname: app\nfrom: small\n${text}\n`);
    const { recipe } = await loadRecipe(join(folder, "recipes"), file, rules);
    return await stoppedChanges(tree, recipe, folder);
  }

  it.each([
    ["packages: { install: [httpd] }", "the package httpd is not installed"],
    ['packages: { install: ["@web"] }', "the package @web is not installed"],
    ["packages: { remove: [cups] }", "it removes the package cups"],
    ['scripts: [{ name: one, run: "true" }]', "it runs the script one"],
    ["disks: [{ size: 1G }]", "the recipe adds disks"],
    ["groups: [{ name: dba, gid: 700 }]", "there is no group dba"],
    ["users: [{ name: grid, uid: 700, group: app }]", "there is no user grid"],
    ["users: [{ name: app, uid: 500, group: web }]", "the group of app is another one"],
    ["users: [{ name: app, uid: 500, group: app }]", "the groups of app change"],
    [
      "users: [{ name: app, uid: 500, group: app, groups: [web], password: { env: P } }]",
      "it sets the password of app",
    ],
    ["services: { enable: [httpd] }", "it enables the service httpd"],
    ["services: { disable: [cups] }", "it disables the service cups"],
    [
      'folders: [{ path: /srv/there, owner: app, group: app, mode: "0755" }]',
      "it changes the folder /srv/there",
    ],
    ["files: [{ path: /etc/x, content: x, owner: nobody }]", "there is no user nobody"],
    ["files: [{ path: /etc/x, content: x, group: dba }]", "there is no group dba"],
  ])("needs the running guest for %s", async (text, why) => {
    expect(await changesOf(text)).toEqual({ why });
  });

  it("adds repositories, folders and files, and leaves what is there already", async () => {
    const tree = guest({ "/etc/yum.repos.d/own.repo": "[there]\n" });
    const found = await changesOf(
      `groups: [{ name: web, gid: 999 }]
users: [{ name: app, uid: 999, group: app, groups: [web] }]
services: { enable: [ovmd], disable: [nosuch] }
repositories: [{ id: there, name: There, url: "http://repo.invalid/there/" }]
folders: [{ path: /srv/app, owner: app, group: web, mode: "2750" }, { path: /srv/there, owner: root, group: root, mode: "0755" }]
files: [{ path: /srv/app/conf, content: text, owner: app, group: web, mode: "0640" }]`,
      tree,
    );
    if ("why" in found) expect.fail(found.why);
    const before = tree.snapshot();
    for (const change of found.changes) await change(tree);
    expect(tree.snapshot().filter((line) => !before.includes(line))).toEqual([
      expect.stringMatching(/^\/etc\/yum\.repos\.d\/tbuild\.repo file 644 0:0 {3}"\[addons\]/),
      '/srv/app dir 2750 500:501   ""',
      '/srv/app/conf file 640 500:501   "text"',
    ]);
  });

  it("makes a template, its parameters and its contents, without a machine", async () => {
    const tbuild = async (...args: string[]) => {
      const main = join(repository, "dist/bin/main.js");
      const ran = await host.run([process.execPath, main, ...args], {
        cwd: folder,

        allow: [1, 2, 3, 4, 5],
      });
      expect(ran.exitCode, ran.stderr).toBe(0);
      return ran;
    };
    await writeFile(
      join(folder, "recipes/web.yaml"),
      "extends: small\nname: web\nfrom: small\nmodules: [hosts]\nfiles: [{ path: /etc/web.conf, content: web, owner: app }]\n",
    );
    await tbuild("recipe", "small");
    const { stderr } = await tbuild("recipe", "web");
    expect(stderr).not.toMatch(/machine is started|booting/);
    const manifest = JSON.parse(await readFile(join(folder, "templates/web/1.0.0.json"), "utf8"));
    expect(manifest.packages).toMatchObject([{ name: "ovmd", version: "1.0", license: "GPL" }]);
    expect(manifest.contract.map(({ module }: { module: string }) => module)).toContain("hosts");
    expect(manifest.guest.files).toContainEqual(
      expect.objectContaining({ path: "/etc/web.conf", owner: "500:0", text: "web" }),
    );
    const lineage = await tbuild("template", "log", "web");
    expect(lineage.stdout).toMatch(/small@1\.0\.0 [\s\S]*web@1\.0\.0 /);
    const [bundle] = manifest.bundles;
    const image = join(folder, ".tbuild/bundles/web-1.0.0", bundle.file);
    await using opened = await openImageFile(host, image, { readOnly: true });
    expect(await opened.tree.text("/etc/web.conf")).toBe("web");
    expect(await opened.tree.text("/root/.ssh/authorized_keys")).toBeUndefined();
  });
});
