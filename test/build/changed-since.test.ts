import { appendFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changedSince } from "../../src/build/changed-since.ts";
import type { OpenedSite } from "../../src/build/opened-site.ts";
import { localHost } from "../../src/host/local.ts";
import { Site } from "../../src/recipe/site.ts";

const host = localHost();

describe("the recipes that changed since a commit", () => {
  let root = "";
  const recipe = (name: string, text: string) => writeFile(join(root, `recipes/${name}.yaml`), text);
  const git = (...args: string[]) =>
    host.run(["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@example", ...args]);
  const changed = (commit = "HEAD") =>
    changedSince(
      {
        host,
        recipes: join(root, "recipes"),
        kickstarts: join(root, "kickstart"),
        values: [],
        site: Site.parse({}),
      } as unknown as OpenedSite,
      commit,
    );
  const words = async () => (await changed()).map(({ recipe, why }) => `${recipe}: ${why.join(", ")}`);

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "tbuild-changed-"));
    for (const folder of ["recipes/scripts", "kickstart"])
      await mkdir(join(root, folder), { recursive: true });
    await recipe("site", "extends: ol6-base\nname: site\ntimezone: Europe/Berlin\n");
    await recipe("db", "extends: site\nname: db\nmodules: [hosts]\n");
    await recipe("web", "extends: site\nname: web\nscripts: [{ name: tune, from: scripts/tune.sh }]\n");
    await recipe("shop", "extends: site\nname: shop\nfrom: web@stable\n");
    await recipe("till", "extends: site\nname: till\nfrom: shop\n");
    await writeFile(join(root, "recipes/scripts/tune.sh"), "true\n");
    await git("init", "-q");
    await git("add", "-A");
    await git("commit", "-qm", "first");
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it("are none if only a comment changed, or nothing", async () => {
    expect(await changed()).toEqual([]);
    await appendFile(join(root, "recipes/site.yaml"), "# Berlin, as all of our machines\n");
    expect(await changed()).toEqual([]);
  });

  it("are the changed one, and then those that start from its template", async () => {
    await writeFile(join(root, "recipes/scripts/tune.sh"), "false\n");
    expect(await changed()).toEqual([
      { recipe: "web", level: 0, needs: [], why: ["script:tune"] },
      { recipe: "shop", level: 1, needs: ["web"], why: ["from: web"] },
      { recipe: "till", level: 2, needs: ["shop"], why: ["from: shop"] },
    ]);
  });

  it("are all that extend a changed one, with the key", async () => {
    await recipe("site", "extends: ol6-base\nname: site\ntimezone: Europe/Rome\n");
    expect(await words()).toEqual([
      "db: timezone, kickstart",
      "site: timezone, kickstart",
      "web: timezone, kickstart",
      "shop: timezone, from: web",
      "till: timezone, from: shop",
    ]);
  });

  it("are those with a changed module of the repo, and new ones, but not removed ones", async () => {
    await rm(join(root, "recipes/till.yaml"));
    await recipe("new", "extends: site\nname: new\n");
    const folder = join(root, "recipes/modules/hosts");
    await mkdir(folder, { recursive: true });
    await host.run(["cp", "-r", "recipes/modules/hosts/.", folder]);
    await appendFile(join(folder, "module.yaml"), "\n# ours\n");
    await host.run([
      "sed",
      "-i",
      "s/^description:.*/description: names of our hosts/",
      join(folder, "module.yaml"),
    ]);
    expect(await words()).toEqual(["db: module:hosts", "new: new"]);
  });

  it("are those that start from a changed file of the repo, and not from one elsewhere", async () => {
    await writeFile(join(root, "recipes/base.img"), "one");
    await writeFile(`${root}.img`, "one");
    await recipe("disk", "extends: site\nname: disk\nfrom: base.img\n");
    await recipe("outer", `extends: site\nname: outer\nfrom: ../../${basename(root)}.img\n`);
    await git("add", "-A");
    await git("commit", "-qm", "files");
    expect(await changed()).toEqual([]);
    await writeFile(join(root, "recipes/base.img"), "two");
    await writeFile(`${root}.img`, "two");
    expect(await words()).toEqual(["disk: from"]);
    await rm(`${root}.img`);
  });

  it("are compared with any commit, and leave no files of it", async () => {
    await recipe("db", "extends: site\nname: db\nmodules: [hosts, ntp]\n");
    await git("commit", "-qam", "second");
    expect(await changed("HEAD")).toEqual([]);
    expect((await changed("HEAD~1")).map(({ recipe }) => recipe)).toEqual(["db"]);
    expect((await git("status", "--porcelain")).stdout).toBe("");
  });

  it("are refused if a commit, a repository or a recipe cannot be read", async () => {
    await expect(changed("nowhere")).rejects.toMatchObject({
      message: expect.stringContaining('"nowhere" is not a commit'),
      hint: expect.stringContaining("fetch-depth: 0"),
    });
    await recipe("broken", "extends: nothing\n");
    await expect(changed()).rejects.toThrow(/broken/);
    await rm(join(root, "recipes/broken.yaml"));
    await rm(join(root, ".git"), { recursive: true });
    await expect(changed()).rejects.toThrow("is not in a git repository");
  });

  it("cannot start from each other", async () => {
    await recipe("web", "extends: site\nname: web\nfrom: till\n");
    await expect(changed()).rejects.toThrow(/start from each other: .*shop/);
  });
});
