import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { unpackTemplate } from "../../../src/bundles/read/unpack.ts";
import { localHost } from "../../../src/host/local.ts";

const host = localHost();
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-parts-"));
  for (const name of ["parts", "work", "src"]) await mkdir(join(folder, name));
  await writeFile(
    join(folder, "src/vm.cfg"),
    "name = 'rac'\nmemory = 512\ndisk = ['file:a.img,xvda,w', 'file:b.img,xvdb,w']\n",
  );
  for (const name of ["a", "b"]) await writeFile(join(folder, `src/${name}.img`), Buffer.alloc(1024, name));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const pack = (part: string, ...files: string[]) =>
  host.run(["tar", "-czf", join(folder, "parts", part), "-C", join(folder, "src"), ...files]);
const unpack = () =>
  unpackTemplate(host, join(folder, "parts"), join(folder, "work"), { mostBytes: 2 ** 30 });

describe("a template in several archives", () => {
  it("is one template, by its folder", async () => {
    await pack("RAC-1of2.tar.gz", "vm.cfg", "a.img");
    await pack("RAC-2of2.tar.gz", "b.img");
    const { kind, said, disks } = await unpack();
    expect([kind, said.name]).toEqual(["ovm-tgz", "rac"]);
    const found = await Promise.all(disks.map(async ({ file }) => (await readFile(file, "latin1"))[0]));
    expect(found).toEqual(["a", "b"]);
  });

  it("is refused if a member is missing, and the message names the missing disk", async () => {
    await pack("RAC-1of2.tar.gz", "vm.cfg", "a.img");
    await expect(unpack()).rejects.toThrow('"b.img", which is not in the archive');
  });

  it("is refused if none of them has a vm.cfg", async () => {
    await pack("RAC-2of2.tar.gz", "b.img");
    await expect(unpack()).rejects.toThrow("vm.cfg");
  });
});
