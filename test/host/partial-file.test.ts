import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { behindLinks, inOnePiece, replaceFile } from "../../src/host/partial-file.ts";
import { workFolder } from "../../src/host/temporary.ts";

let folder: string;
let built: string;
let program: string;
beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), "tbuild-partial-"));
  program = join(built, "writing.mjs");
  const resolveDir = resolve(import.meta.dirname, "../../src/host");
  const stdin = { contents: writing, resolveDir };
  await build({
    stdin,
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
  });
});
afterAll(() => rm(built, { recursive: true, force: true }));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-partial-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a file that is written in one piece", () => {
  it("replaces the old one when it is complete, and makes its folder", async () => {
    const file = join(folder, "new/record.json");
    await replaceFile(file, "one");
    await inOnePiece(file, async (part) => {
      await writeFile(part, "tw");
      expect(await readFile(file, "utf8")).toBe("one");
      await writeFile(part, "two");
    });
    expect(await readFile(file, "utf8")).toBe("two");
    expect(await readdir(join(folder, "new"))).toEqual(["record.json"]);
  });

  it("leaves the old one and no partial file after a failure, which names the file", async () => {
    const file = join(folder, "record.json");
    await replaceFile(file, "one");
    const full = Object.assign(new Error(), { code: "ENOSPC", syscall: "write" });
    const failing = inOnePiece(file, async (part) => {
      await writeFile(part, "tw");
      throw full;
    });
    await expect(failing).rejects.toMatchObject({
      fault: "environment",
      message: `${file}: the disk is full`,
    });
    expect(await readFile(file, "utf8")).toBe("one");
    expect(await readdir(folder)).toEqual(["record.json"]);
  });

  it("never replaces a device, a pipe or a folder", async () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    await mkdir(join(folder, "folder"));
    await expect(replaceFile(join(folder, "pipe"), "x")).rejects.toThrow(/pipe: is not a regular file/);
    await expect(replaceFile(join(folder, "folder"), "x")).rejects.toThrow(/folder: is a folder/);
    await symlink("nowhere", join(folder, "link"));
    await replaceFile(join(folder, "link"), "x");
    expect(await readFile(join(folder, "link"), "utf8")).toBe("x");
    expect((await readdir(folder)).sort()).toEqual(["folder", "link", "pipe"]);
  });

  it("is, if a person names a link, what the link leads to", async () => {
    const at = (name: string) => join(folder, name);
    await mkdir(at("far/away"), { recursive: true });
    await writeFile(at("far/old"), "old");
    const links = { "far/away/up": "../old", near: "far/away", "new": "near/../fresh", round: "round" };
    for (const [link, target] of Object.entries(links)) await symlink(target, at(link));
    for (const [named, meant] of [
      ["near/up", "far/old"],
      ["new", "far/fresh"],
      ["plain", "plain"],
    ] as const) {
      await replaceFile(await behindLinks(at(named)), named);
      expect(await readFile(at(meant), "utf8")).toBe(named);
      if (named !== meant) expect(await readlink(at(named)), named).not.toBe("");
    }
    await expect(behindLinks(at("round"))).rejects.toThrow("links that form a loop");
    await expect(behindLinks(at("near"))).rejects.toThrow(/near: is a folder/);
    await symlink("/dev/null", at("null"));
    await expect(behindLinks(at("null"))).rejects.toThrow(/null: is not a regular file/);
  });

  it("does not make a folder that may be a typing error", async () => {
    const file = join(folder, "none/out");
    await expect(inOnePiece(file, (part) => writeFile(part, ""))).rejects.toThrow(
      `${file}: there is no such folder`,
    );
  });

  it.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const)(
    "is gone after %s, or with the next file in this folder",
    async (signal) => {
      const child = spawn(process.execPath, [program, folder], { stdio: ["ignore", "pipe", "inherit"] });
      await once(child.stdout, "data");
      expect(await readdir(folder)).toEqual([expect.stringMatching(/^\.tbuild-part-/)]);
      child.kill(signal);
      await once(child, "exit");
      if (signal === "SIGKILL") {
        expect(await readdir(folder)).toHaveLength(1);
        await replaceFile(join(folder, "other"), "");
      }
      expect(await readdir(folder)).toEqual(signal === "SIGKILL" ? ["other"] : []);
    },
  );
});

describe("a work folder", () => {
  it("removes those of killed commands, and stays while its process lives", async () => {
    const parent = join(folder, "import");
    await mkdir(join(parent, "import-aB3dE4"), { recursive: true });
    await mkdir(join(parent, "tbuild-work-1-2-3-00000000-aB3dE4"));
    const child = spawn(process.execPath, [program, parent, "work"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    // That of an unknown machine stays.
    expect(await readdir(parent)).toHaveLength(2);
    child.kill("SIGKILL");
    await once(child, "exit");
    {
      await using work = await workFolder(parent);
      expect((await readdir(parent)).sort()).toEqual(
        ["tbuild-work-1-2-3-00000000-aB3dE4", work.path.slice(parent.length + 1)].sort(),
      );
    }
    expect(await readdir(parent)).toEqual(["tbuild-work-1-2-3-00000000-aB3dE4"]);
  });
});

/** A process that writes a file, or has a work folder, until it is killed. A signal ends it as it ends the command line. */
const writing = `
import { inOnePiece } from "./partial-file.ts";
import { workFolder } from "./temporary.ts";
const [folder, what] = process.argv.slice(2);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));
setInterval(() => {}, 1000);
const begun = (path) => void process.stdout.write(path + "\\n");
if (what === "work") begun((await workFolder(folder)).path);
else
  await inOnePiece(folder + "/record.json", async (part) => {
    (await import("node:fs")).writeFileSync(part, "half");
    begun(part);
    await new Promise(() => {});
  });
`;
