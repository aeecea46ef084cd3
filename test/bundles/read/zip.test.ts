import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { zipMembers } from "../../../src/bundles/read/zip.ts";
import { describeWith } from "../../fakes/missing.ts";

/** Each line is Python that puts something into the zip `z`. */
function zip(file: string, ...lines: readonly string[]): void {
  const script = [
    "import sys, zipfile",
    "z = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)",
    ...lines,
  ];
  execFileSync("python3", ["-W", "ignore", "-c", [...script, "z.close()"].join("\n"), file]);
}

describeWith(["python3"], "a zip from elsewhere", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-zip-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  let count = 0;
  async function membersIn(lines: readonly string[], change = (data: Buffer) => data, mostBytes = 2 ** 20) {
    const work = await mkdtemp(join(folder, "work-"));
    const file = join(folder, `a-${++count}.zip`);
    zip(file, ...lines);
    await writeFile(file, change(await readFile(file)));
    const found = await zipMembers("a.zip", file, (number) => join(work, `${number}`), { mostBytes });
    return { found, work };
  }

  it("gives its files, stored and packed, under numbers", async () => {
    const { found, work } = await membersIn([
      "z.writestr('x/', '')",
      "z.writestr('x/vm.cfg', 'memory = 1', zipfile.ZIP_STORED)",
      "z.writestr('x/System.img', bytes(100000) + b'end')",
    ]);
    expect(found.map(({ name, bytes }) => [name, bytes])).toEqual([
      ["x/vm.cfg", 10],
      ["x/System.img", 100003],
    ]);
    expect(await readdir(work)).toEqual(["0", "1"]);
    expect((await readFile(found[1]?.file ?? "")).subarray(-4).toString("latin1")).toBe("\0end");
  });

  const linked = [
    "i = zipfile.ZipInfo('System.img')",
    "i.create_system = 3",
    "i.external_attr = 0o120777 << 16",
    "z.writestr(i, '/etc/shadow')",
  ];
  it.each<[string, readonly string[], string, ((data: Buffer) => Buffer)?]>([
    ["a path that leads out", ["z.writestr('../x', 'x')"], "invalid relative path"],
    ["an absolute path", ["z.writestr('a', 'x')", "z.filelist[0].filename = '/etc/x'"], "absolute path"],
    ["a link", linked, "a symbolic link"],
    ["a name that comes twice", ["z.writestr('a', 'x')", "z.writestr('./a', 'y')"], "twice"],
    ["more than is allowed", ["z.writestr('a', bytes(2 ** 21))"], "the limit is"],
    [
      "a wrong checksum",
      ["z.writestr('a', 'hello', zipfile.ZIP_STORED)"],
      "checksum is wrong",
      (data) => Buffer.from(data.toString("latin1").replace("hello", "hallo"), "latin1"),
    ],
    [
      "more than it says",
      ["z.writestr('a', bytes(5000))"],
      "malicious",
      (data) => {
        // The size in the central directory.
        data.writeUInt32LE(5, data.indexOf("PK\x01\x02", 0, "latin1") + 24);
        return data;
      },
    ],
    [
      "a password",
      ["z.writestr('a', 'x')"],
      "needs a password",
      (data) => {
        data.writeUInt16LE(1, data.indexOf("PK\x01\x02", 0, "latin1") + 8);
        return data;
      },
    ],
    ["no end", ["z.writestr('a', 'x')"], "is damaged", (data) => data.subarray(0, data.length - 30)],
    ["too many files", ["for n in range(1001): z.writestr(str(n), '')"], "more than 1000"],
  ])("with %s is refused", async (_what, lines, words, change) => {
    await expect(membersIn(lines, change)).rejects.toMatchObject({
      fault: "integrity",
      message: expect.stringContaining(words),
    });
  });
});
