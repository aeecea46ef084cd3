import { spawn } from "node:child_process";
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { host, isSound, kinds, makeDirtyImage, sha256Of } from "./dirty-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

describeWith(["mke2fs", "e2fsck", "python3"], "the files inside an image", () => {
  let folder = "";
  let image = "";
  let digest = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-files-"));
    image = join(folder, "System.img");
    await makeDirtyImage(image, kinds["ext4, as OL6"]);
    digest = await sha256Of(image);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("are listed, with owners by name, also as JSON and by a pattern", async () => {
    const listed = await tbuild(["ls", `${image}:/etc/sysconfig`]);
    expect(listed.exitCode, listed.stderr).toBe(0);
    expect(listed.stdout).toMatch(/^-rw-r--r-- +root +\S+ +\d+ +\/etc\/sysconfig\/network$/m);
    for (const path of ["/etc/sysconfig/", "//etc//sysconfig//"])
      expect((await tbuild(["ls", `${image}:${path}`])).stdout).toBe(listed.stdout);
    const one = await tbuild(["ls", "--json", `${image}:/etc/pass*d`]);
    expect(JSON.parse(one.stdout)).toMatchObject({
      path: "/etc/passwd",
      kind: "file",
      mode: "0644",
      owner: "root",
    });
    const all = await tbuild(["ls", "-R", image]);
    expect(all.stdout.split("\n").length).toBeGreaterThan(500);
    const volume = await tbuild(["ls", "--volume", "p1", image]);
    expect(volume.stdout).toContain(" /etc\n");
  });

  it("are printed byte for byte, and a reader that stops early is not a failure", async () => {
    const { bytes } = await tbuild(["cat", `${image}:/etc/passwd`, `${image}:/etc/hosts`]);
    const whole = await tbuild(["cat", `${image}:/etc/passwd`]);
    expect(bytes.subarray(0, whole.bytes.length).equals(whole.bytes)).toBe(true);
    const head = await host.run([
      "sh",
      "-c",
      '"$0" "$1" ls -R "$2" | head -1',
      process.execPath,
      main,
      image,
    ]);
    expect(head.stderr).toBe("");
  });

  it("are copied out, with their modes; links below stay links", async () => {
    const target = join(folder, "out");
    const { exitCode, stderr } = await tbuild(["cp", `${image}:/etc/sysconfig`, target]);
    expect(exitCode, stderr).toBe(0);
    const { bytes } = await tbuild(["cat", `${image}:/etc/sysconfig/network`]);
    expect((await readFile(join(target, "network"))).equals(bytes)).toBe(true);
    await mkdir(join(folder, "existing"));
    await tbuild(["cp", `${image}:/etc/hosts`, join(folder, "existing")]);
    expect(await readdir(join(folder, "existing"))).toEqual(["hosts"]);
  });

  it("are not written through a link in the target", async () => {
    const [target, elsewhere] = [join(folder, "trap"), join(folder, "elsewhere")];
    await mkdir(join(target, "sysconfig"), { recursive: true });
    await writeFile(elsewhere, "mine");
    await symlink(elsewhere, join(target, "sysconfig/network"));
    const { exitCode, stderr } = await tbuild(["cp", `${image}:/etc/sysconfig`, target]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("sysconfig/network: is a link, but a file should be copied there");
    expect(await readFile(elsewhere, "utf8")).toBe("mine");
  });

  it("do not replace something of another kind", async () => {
    const target = join(folder, "kinds");
    await mkdir(join(target, "passwd"), { recursive: true });
    await writeFile(join(target, "sysconfig"), "mine");
    const file = await tbuild(["cp", `${image}:/etc/passwd`, target]);
    expect(file).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("passwd: is a folder, but a file should be copied there"),
    });
    const dir = await tbuild(["cp", `${image}:/etc/sysconfig`, target]);
    expect(dir).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("sysconfig: is not a folder, but a folder should be copied there"),
    });
    expect(await readFile(join(target, "sysconfig"), "utf8")).toBe("mine");
  });

  it("are copied in by a plan, keep their attributes, and are removed by undo", async () => {
    const copy = await copyOf("in.img");
    const source = join(folder, "tool");
    await writeFile(source, "#!/bin/sh\n");
    await chmod(source, 0o755);
    const plan = await tbuild(["cp", "--plan", source, `${copy}:/etc/sysconfig/`]);
    expect(plan.stdout).toContain("cp: /etc/sysconfig/tool");
    expect(await sha256Of(copy)).toBe(digest);
    expect((await tbuild(["cp", "--yes", source, `${copy}:/etc/sysconfig/`])).exitCode).toBe(0);
    expect((await tbuild(["cp", "--yes", source, `${copy}:/etc/passwd`])).exitCode).toBe(0);
    await isSound(copy);
    const listed = await tbuild(["ls", "--json", `${copy}:/etc/sysconfig/tool`]);
    expect(JSON.parse(listed.stdout)).toMatchObject({ mode: "0755", uid: 0, gid: 0 });
    expect((await tbuild(["ls", `${copy}:/etc/passwd`])).stdout).toMatch(/^-rw-r--r--/);
    const again = await tbuild(["cp", "--yes", source, `${copy}:/etc/sysconfig/`]);
    expect(again.stdout).toContain("nothing to cp");
    await tbuild(["undo", "--all", copy]);
    expect(await sha256Of(copy)).toBe(digest);
  });

  it("accept owners by the guest's names, modes, and standard input", async () => {
    const copy = await copyOf("owned.img");
    const done = await tbuild(
      ["cp", "--yes", "--owner", "root:0", "--mode", "0600", "-", `${copy}:/etc/secret`],
      {
        input: "x",
      },
    );
    expect(done.exitCode, done.stderr).toBe(0);
    expect((await tbuild(["cat", `${copy}:/etc/secret`])).stdout).toBe("x");
    expect((await tbuild(["ls", `${copy}:/etc/secret`])).stdout).toMatch(/^-rw-------/);
    const nobody = await tbuild(["cp", "--plan", "--owner", "no-such", main, `${copy}:/etc/x`]);
    expect(nobody).toMatchObject({ exitCode: 2 });
    expect(nobody.stderr).toContain('the guest has no user "no-such"');
  });

  it("are edited with the editor of the user; a failed editor changes nothing", async () => {
    const copy = await copyOf("edited.img");
    const before = await tbuild(["cat", `${copy}:/etc/hosts`]);
    const editor = join(folder, "editor.sh");
    await writeFile(editor, '#!/bin/sh\nstat -c %a "$2" > "$1"\necho added >> "$2"\n', { mode: 0o755 });
    const env = { EDITOR: `${editor} ${join(folder, "mode")}` };
    const done = await tbuild(["edit", "--yes", `${copy}:/etc/hosts`], { env });
    expect(done.exitCode, done.stderr).toBe(0);
    expect((await tbuild(["cat", `${copy}:/etc/hosts`])).stdout).toBe(`${before.stdout}added\n`);
    expect(await readFile(join(folder, "mode"), "utf8")).toBe("600\n");
    await tbuild(["undo", copy]);
    expect(
      (await tbuild(["edit", "--yes", `${copy}:/etc/hosts`], { env: { EDITOR: "false" } })).exitCode,
    ).toBe(3);
    expect(
      (await tbuild(["edit", "--yes", `${copy}:/etc/hosts`], { env: { EDITOR: "true" } })).stdout,
    ).toContain("not changed");
    expect(await sha256Of(copy)).toBe(digest);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith("tbuild-edit-"))).toEqual([]);
  });

  it("leave and enter as a tar archive, with owners, modes and links", async () => {
    const copy = await copyOf("tar.img");
    const archive = join(folder, "etc.tar.gz");
    expect((await tbuild(["tar-out", `${copy}:/etc`, archive])).exitCode).toBe(0);
    const names = (await host.run(["tar", "tzf", archive])).stdout.split("\n").sort();
    expect(names).toContain("./sysconfig/network");
    expect((await tbuild(["tar-in", "--plan", archive, `${copy}:/etc`])).stdout).toContain(
      "nothing to tar-in",
    );
    const done = await tbuild(["tar-in", "--yes", archive, `${copy}:/srv/etc`]);
    expect(done.exitCode, done.stderr).toBe(0);
    await isSound(copy);
    const { bytes } = await tbuild(["tar-out", `${copy}:/srv/etc`]);
    const again = await host.run(["tar", "tf", "-"], { input: bytes });
    expect(again.stdout.split("\n").sort()).toEqual(names);
    await tbuild(["undo", copy]);
    expect(await sha256Of(copy)).toBe(digest);
  });

  // Each is refused before the image is touched.
  const hostile: Readonly<Record<string, string>> = {
    "a member outside of the folder": "add('../evil', b'x')",
    "an absolute member": "add('/evil', b'x')",
    "a member behind a link of the archive": "link('a', '/etc'); add('a/passwd', b'x')",
    "a device": "special('null', tarfile.CHRTYPE)",
    "a pipe": "special('pipe', tarfile.FIFOTYPE)",
    "a hard link to what is not there": "special('hard', tarfile.LNKTYPE, '../../etc/shadow')",
  };
  it.each(Object.entries(hostile))("refuse an archive with %s", async (what, script) => {
    const archive = join(folder, `${what.replaceAll(" ", "-")}.tar`);
    await host.run(["python3", "-c", `${makeArchive}\n${script}\nt.close()`, archive]);
    const { exitCode, stderr } = await tbuild(["tar-in", "--yes", archive, `${image}:/srv`]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("The image was not changed");
    expect(await sha256Of(image)).toBe(digest);
  });

  it("refuse other files, damaged archives, and unknown compression", async () => {
    const whole = join(folder, "etc.tar.gz");
    const cut = join(folder, "cut.tar.gz");
    await writeFile(cut, (await readFile(whole)).subarray(0, (await stat(whole)).size / 2));
    expect((await tbuild(["tar-in", "--yes", cut, `${image}:/srv`])).exitCode).toBe(5);
    expect((await tbuild(["tar-in", "--yes", main, `${image}:/srv`])).exitCode).toBe(5);
    const packed = join(folder, "some.tar.xz");
    await writeFile(packed, Buffer.from("fd377a585a000000", "hex"));
    expect((await tbuild(["tar-in", "--yes", packed, `${image}:/srv`])).stderr).toContain("xz -dc");
    expect(await sha256Of(image)).toBe(digest);
  });

  it.each([
    [["cat", "nosuch.img:/etc/hosts"], 2, "there is no image nosuch.img"],
    [["cat", "IMAGE"], 2, "names no path"],
    [["cat", "IMAGE:/nosuch"], 4, "no such file or folder in the guest"],
    [["cat", "IMAGE:/etc"], 4, "not a file"],
    [["cp", "one", "two"], 2, "names no path"],
    [["cp", "IMAGE:/etc/hosts"], 2, "a source and a target are needed"],
    [["cp", "IMAGE:/etc/hosts", "IMAGE:/etc/x"], 2, "not copied from one image to another"],
    [["cp", "--plan", "nosuch", "IMAGE:/etc/x"], 2, "there is no such file"],
    [["cp", "--plan", "--mode", "9", "package.json", "IMAGE:/etc/x"], 2, "not an octal mode"],
    [["cp", "--mode", "644", "IMAGE:/etc/hosts", "."], 2, "for copies into an image"],
    [["ls", "--volume", "p9", "IMAGE"], 2, "Available: p1"],
    [["tar-out", "IMAGE:/etc/hosts", "x.tar"], 4, "is not a folder"],
    [["edit", "IMAGE:/nosuch"], 4, "no such file in the guest"],
  ])("%s: exit code %i, and says why", async (words, code, text) => {
    const { exitCode, stderr } = await tbuild(
      (words as string[]).map((word) => word.replace("IMAGE", image)),
    );
    expect({ exitCode, stderr }).toMatchObject({ exitCode: code, stderr: expect.stringContaining(text) });
  });

  async function copyOf(name: string): Promise<string> {
    const copy = join(folder, name);
    await copyFile(image, copy);
    return copy;
  }
});

const makeArchive = `
import io, sys, tarfile
t = tarfile.open(sys.argv[1], "w")
def add(name, data):
    i = tarfile.TarInfo(name); i.size = len(data); t.addfile(i, io.BytesIO(data))
def special(name, kind, to=""):
    i = tarfile.TarInfo(name); i.type = kind; i.linkname = to; t.addfile(i)
def link(name, to):
    special(name, tarfile.SYMTYPE, to)
`;

async function tbuild(
  args: readonly string[],
  { input = "", env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ exitCode: number; stdout: string; stderr: string; bytes: Buffer }> {
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, VISUAL: "", ...env } });
  const parts: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (data: Buffer) => void parts[name].push(data));
  child.stdin.end(input);
  const exitCode = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  const bytes = Buffer.concat(parts.stdout);
  return { exitCode, stdout: bytes.toString(), stderr: Buffer.concat(parts.stderr).toString(), bytes };
}
