import { copyFile, cp, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { mediaCache, testMedium } from "../test-medium.ts";
import { machinesRunning, makeTbuild, repository, type Tbuild } from "./tbuild.ts";

const file = "OracleLinux-R6-U10-Server-x86_64-dvd.iso";
let folder: string;
let tbuild: Tbuild;
let iso: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-refusals-"));
  await cp(join(repository, "recipes"), join(folder, "recipes"), { recursive: true });
  await cp(join(repository, "kickstart"), join(folder, "kickstart"), { recursive: true });
  tbuild = await makeTbuild("e2e-refusals", join(folder, "recipes"));
  iso = join(tbuild.home, "iso", file);
  await mkdir(join(tbuild.home, "iso"), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("tbuild refuses", () => {
  it("to build without the disc, and gives its name, digest and folder", async () => {
    const { code, stderr } = await tbuild.run("recipe", "ol6-grid");
    expect(code).toBe(3);
    for (const part of [
      file,
      "OL6.10 x86_64 Disc 1 20180625",
      "625044388ee60a031965a42a32f4c1de0c029268975edcd542fd14160e0dadcb",
      join(tbuild.home, "iso"),
      "--rehearse",
    ])
      expect(stderr).toContain(part);
  });

  it("a file that is not an ISO", async () => {
    await writeFile(iso, "not an ISO".repeat(10_000));
    const { code, stderr } = await tbuild.run("recipe", "ol6-grid");
    expect(code).toBe(5);
    expect(stderr).toContain("is not an ISO 9660 image");
  });

  it("a truncated ISO, with its real and expected size", async () => {
    await copyFile((await testMedium(6)).iso, iso);
    await truncate(iso, 100_000_000);
    const { code, stderr } = await tbuild.run("recipe", "ol6-grid");
    expect(code).toBe(5);
    expect(stderr).toMatch(
      /is truncated: it has 100000000 bytes, and its volume \(OL6\.10 x86_64 Disc 1 20180625\) has \d+/,
    );
  });

  it("the disc of another release", async () => {
    await copyFile((await testMedium(7)).iso, iso);
    const { code, stderr } = await tbuild.run("recipe", "ol6-grid");
    expect(code).toBe(2);
    expect(stderr).toContain("this is OL7.9 (volume id OL-7.9 Server.x86_64), the recipe needs OL6.10");
  });

  it("a disc that is not the one Oracle published, by its digest", async () => {
    await copyFile((await testMedium(6)).iso, iso);
    const { code, stderr } = await tbuild.run("recipe", "ol6-grid");
    expect(code).toBe(5);
    expect(stderr).toContain("is not the disc that the recipe names");
  });

  it("a recipe with six faults, and names all six", async () => {
    await writeFile(
      join(folder, "recipes/faulty.yaml"),
      "extends: ol6-base\nname: Faulty\nversion: 1\nmachine: { memory: lots }\ndomainTyp: XEN_PVM\nmodules: [gird]\nseal: { skip: [machineid] }\n",
    );
    const { code, stderr } = await tbuild.run("recipe", "faulty", "--rehearse");
    expect(code).toBe(2);
    expect(stderr).toContain("6 faults");
    for (const place of [
      "faulty.yaml:2:",
      "faulty.yaml:3:",
      "faulty.yaml:4:",
      "faulty.yaml:5:",
      "faulty.yaml:6:",
      "faulty.yaml:7:",
    ])
      expect(stderr).toContain(place);
  });

  it.each([
    [["recipe"], 2, "no recipe named"],
    [["recipe", "ol6-gird"], 2, 'did you mean "ol6-grid"?'],
    [["recipe", "ol6-grid", "--jobs", "none"], 2, "--jobs none: not a number"],
    [["reciep"], 2, "Did you mean recipe?"],
    [["template", "show", "nothing"], 2, "no such template"],
    [["console", "nothing"], 2, "no such machine"],
  ])("%j", async (args, wanted, words) => {
    const { code, stderr } = await tbuild.run(...args);
    expect(code).toBe(wanted);
    expect(stderr).toContain(words);
  });

  it("to go on when the host's disk is full in mid-installation, and leaves nothing running", async () => {
    const crowded = await makeTbuild("e2e-full", join(folder, "recipes"));
    await localHost().run(["mkdir", "-p", join(crowded.home, "small")]);
    await localHost().run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", join(crowded.home, "small")]);
    try {
      await symlink(mediaCache, join(crowded.home, "small/media"));
      const { code, stderr } = await crowded.run(
        "--home",
        join(crowded.home, "small"),
        "recipe",
        "ol6-base",
        "--rehearse",
      );
      expect(code).toBe(3);
      expect(stderr).toMatch(/install-guest: .*the host's disk is full/);
      expect(await machinesRunning(join(crowded.home, "small"))).toEqual([]);
    } finally {
      await localHost().run(["umount", join(crowded.home, "small")]);
    }
  });

  it("to build what another process is building", async () => {
    const first = tbuild.start("recipe", "ol6-base", "--rehearse", "--json");
    await new Promise((done) => first.stdout?.once("data", done));
    const { code, stderr } = await tbuild.run("recipe", "ol6-base", "--rehearse");
    first.kill("SIGINT");
    expect((await first.ended).code).toBe(130);
    expect(code).toBe(3);
    expect(stderr).toContain("is already being built by process");
  });
});
