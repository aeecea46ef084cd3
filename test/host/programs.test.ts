import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installHint, missingPackages, packages } from "../../src/host/programs.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-programs-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ofPath = packages.filter(({ has }) => has.every((one) => !one.startsWith("/")));

describe("the packages that tbuild uses", () => {
  it("are missing if none of their programs is on the PATH", async () => {
    expect(await missingPackages(ofPath, folder)).toEqual(ofPath);
    expect(await missingPackages(ofPath, "")).toEqual(ofPath);
  });

  it("are installed if all their programs are", async () => {
    const [one] = await missingPackages(ofPath, folder);
    const [last = "", ...others] = [...(one?.has ?? [])].reverse();
    for (const program of others) await writeFile(join(folder, program), "");
    expect((await missingPackages(ofPath, folder))[0]).toEqual(one);
    await writeFile(join(folder, last), "");
    await chmod(join(folder, last), 0o755);
    expect((await missingPackages(ofPath, `/nowhere:${folder}`))[0]).not.toEqual(one);
  });

  it("are named for a program that is not installed", () => {
    expect(installHint("qemu-img")).toContain("apt-get install qemu-utils");
    expect(installHint("no-such-program")).toBe("Install the package that contains it.");
  });

  it("cover every program that the code starts by name", async () => {
    const src = resolve(import.meta.dirname, "../../src");
    const files = (await readdir(src, { recursive: true })).filter((file) => file.endsWith(".ts"));
    const started = new Set<string>();
    for (const file of files)
      for (const [, program = ""] of (await readFile(join(src, file), "utf8")).matchAll(
        /\b(?:host|here)?\.?(?:run|talk|runHere|talkHere|streamHere)\(\s*\["([\w.-]+)"/g,
      ))
        started.add(program);
    expect(started.size).toBeGreaterThan(15);
    const known = new Set(packages.flatMap(({ has }) => has));
    expect([...started].filter((program) => !known.has(program) && !elsewhere.has(program))).toEqual([]);
  });
});

/** Programs of Debian's essential packages and of apt, of the guest, of a Xen host, and guestfish, which says itself how to get it. */
const elsewhere = new Set([
  ..."bash cat chown chroot cp dpkg-deb find grep hostname ip losetup mkdir mount mv readlink rm sh stty tail xargs".split(
    " ",
  ),
  ..."setpriv true truncate umount uname apt-cache apt-get chpasswd yum ovm-template-config guestfish ls test xl".split(
    " ",
  ),
]);
