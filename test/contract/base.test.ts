import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { openImageFile } from "../../src/image/open.ts";
import { type DockerRegistry, startRegistry } from "../fakes/docker-registry.ts";
import { describeWith, itWith, missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";

const repository = resolve(import.meta.dirname, "../..");
const host = localHost();

describeWith(["mke2fs", "ssh-keygen"], "a recipe that starts from what is not in the store", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-from-"));
    await mkdir(join(folder, "recipes"));
    await cp(join(repository, "recipes/ol6-base.yaml"), join(folder, "recipes/ol6-base.yaml"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const system = () => join(folder, "System.img");
  const image = (motd: string) =>
    extDisk(system(), {
      ...ol6Guest,
      files: { ...ol6Guest.files, "/etc/motd": motd, "/etc/shadow": "root:!!:1::::::\n", "/root/.keep": "" },
    });

  /** tbuild in its own home, with the recipe `app` that starts from `from`. */
  function homeOf(name: string) {
    const tbuild = (...args: string[]) =>
      host.run(
        [
          ...[process.execPath, join(repository, "dist/bin/main.js"), "--home", join(folder, name)],
          ...["--recipes", join(folder, name, "recipes"), ...args],
        ],
        { allow: [1, 2, 3, 4, 5, 6], cwd: folder },
      );
    const from = async (text: string) => {
      await mkdir(join(folder, name, "recipes"), { recursive: true });
      const recipe = `extends: ol6-base\nname: app\nfrom: ${text}\n`;
      await writeFile(join(folder, name, "recipes/app.yaml"), recipe);
    };
    const refused = async (text: string) => {
      await from(text);
      const { exitCode, stderr } = await tbuild("plan", "app");
      expect(exitCode, stderr).not.toBe(0);
      return stderr;
    };
    const firstStep = async () => {
      const { stdout, stderr } = await tbuild("plan", "app");
      return stdout.split("\n")[1] ?? stderr;
    };
    return { tbuild, from, refused, firstStep };
  }

  /** Runs the first step, and returns the motd of its disk. */
  async function taken({ tbuild }: ReturnType<typeof homeOf>): Promise<string> {
    const { stdout, stderr } = await tbuild("recipe", "app", "--until", "take-base", "--json");
    const { disk } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { disk?: string };
    await using opened = await openImageFile(host, disk ?? expect.fail(stderr), { readOnly: true });
    const { tree } = opened;
    expect(await tree.text("/root/.ssh/authorized_keys")).toContain("tbuild-build-key");
    return (await tree.text("/etc/motd")) ?? "";
  }

  it("an image: it is imported when the build needs it, and again after it changes", async () => {
    const home = homeOf("image");
    await image("1");
    await home.from("../../System.img");
    expect(await home.firstStep()).toMatch(
      /run +take-base +start from System.img \(there is no result of it\)/,
    );
    expect((await home.tbuild("template", "list")).stdout).toBe("no templates yet\n");
    expect(await taken(home)).toBe("1");
    expect((await home.tbuild("template", "list")).stdout).toMatch(/^system@1\.0\.0/m);
    expect(await home.firstStep()).toMatch(/kept +take-base/);
    await image("2");
    expect(await home.firstStep()).toMatch(/run +take-base +start from System.img \(base changed\)/);
    expect(await taken(home)).toBe("2");
  });

  it("a template in two files: naming one is enough, and both have to exist", async () => {
    const home = homeOf("parts");
    await writeFile(
      join(folder, "vm.cfg"),
      "name = 'ol6-parts'\nmemory = 1024\nvcpus = 1\ndisk = ['file:System.img,xvda,w']\nvif = ['bridge=0']\n",
    );
    const [one, two] = [1, 2].map((n) => join(folder, `OVM_OL6-${n}of2.tar.gz`)) as [string, string];
    const pack = async (file: string, name: string) => {
      await host.run(["tar", "-C", folder, "-czf", file, name]);
    };
    await pack(one, "vm.cfg");
    expect(await home.refused("../../OVM_OL6-1of2.tar.gz")).toMatch(
      /OVM_OL6-2of2\.tar\.gz is not in the same folder/,
    );
    await image("3");
    await pack(two, "System.img");
    await home.from("../../OVM_OL6-2of2.tar.gz");
    expect(await taken(home)).toBe("3");
    expect((await home.tbuild("template", "list")).stdout).toMatch(/^ol6-parts@1\.0\.0/m);
    await image("4");
    await pack(two, "System.img");
    await home.from("../../OVM_OL6-1of2.tar.gz");
    expect(await home.firstStep()).toContain("(base changed)");
    expect(await taken(home)).toBe("4");
  });

  it("is refused before the first step if the file is missing or not a template", async () => {
    const home = homeOf("refused");
    const nowhere = join(folder, "nowhere.ova");
    expect(await home.refused("../../nowhere.ova")).toContain(`${nowhere}: there is no such file`);
    await writeFile(join(folder, "notes.img"), "no disk");
    expect(await home.refused("../../notes.img")).toContain("is neither a template nor a disk image");
    expect(await home.refused("registry.example/ol6-base")).toContain("registry.example/ol6-base:stable");
  });

  describe("in a registry", () => {
    let registry: DockerRegistry;
    beforeAll(async () => {
      if (missing("docker-registry") === undefined) registry = await startRegistry(join(folder, "registry"));
    });
    afterAll(() => registry?.stop());

    itWith(["docker-registry"], "is pulled as its channel says, and again once that moves", async () => {
      const [there, here] = [homeOf("pusher"), homeOf("puller")];
      const done = async (...[argv, home = there]: [string, ReturnType<typeof homeOf>?]) => {
        const { exitCode, stdout, stderr } = await home.tbuild(...argv.split(" "));
        expect(exitCode, stderr).toBe(0);
        return stdout;
      };
      const push = async (version: string) => {
        await image(version);
        await copyFile(system(), join(folder, "base.img"));
        await done(`template import ${join(folder, "base.img")} --as base@${version}`);
        await done(`template promote base@${version} stable`);
        await done(`template push base@${version} ${registry.address}/team --plain-http`);
      };
      await push("1.0.0");
      const ref = `${registry.address}/team/base`;
      await done(`template pull ${ref}:1.0.0 --plain-http`, here);
      await push("1.1.0");
      await here.from(`${ref}:stable`);
      expect(await here.firstStep()).toContain(`start from base@1.1.0 of ${ref}:stable`);
      expect(await done("template list", here)).not.toContain("base@1.1.0");
      expect(await taken(here)).toBe("1.1.0");
      expect(await done("template list", here)).toContain("base@1.1.0");
      expect(await here.firstStep()).toMatch(/kept +take-base/);
      await push("1.2.0");
      expect(await here.firstStep()).toContain("(base changed)");
      await done("template revoke base@1.2.0 --reason leaks --push");
      expect(await here.refused(`${ref}:1.2.0`)).toContain("is revoked: leaks");
      expect(await here.refused(`${ref}:9.9.9`)).toMatch(/no such version in the registry[\s\S]*1\.1\.0/);
    });
  });
});
