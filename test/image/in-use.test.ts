import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { link, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { filesInUse } from "../../src/image/in-use.ts";

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return { ...fs, statSync: vi.fn(fs.statSync) };
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-in-use-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** What `filesInUse` says while another process has a file open. */
async function whileOpen<Result>(file: string, flags: "r" | "r+", look: () => Result): Promise<Result> {
  const handle = await open(file, flags);
  const child = spawn("sleep", ["600"], { stdio: ["ignore", "ignore", "ignore", handle.fd] });
  await once(child, "spawn");
  await handle.close();
  try {
    return look();
  } finally {
    child.kill();
    await once(child, "exit");
  }
}

describe("the users of a file", () => {
  it("are processes that have it open for writing, under any of its names", async () => {
    const [file, other, free] = [join(folder, "a.img"), join(folder, "b.img"), join(folder, "c.img")];
    for (const one of [file, free]) await writeFile(one, "an image");
    await link(file, other);
    const found = await whileOpen(file, "r+", () => [file, other, free].map((one) => filesInUse().by(one)));
    const user = [expect.stringMatching(/^sleep \(process \d+\), which has it open for writing$/)];
    expect(found).toEqual([user, user, []]);
    expect(await whileOpen(file, "r", () => filesInUse().by(file))).toEqual([]);
    expect(filesInUse().by(file)).toEqual([]);
  });

  it("are found without touching other open files, whose file systems may not answer", async () => {
    const [file, elsewhere] = [join(folder, "a.img"), join(folder, "elsewhere")];
    for (const one of [file, elsewhere]) await writeFile(one, "an image");
    const touched = await whileOpen(elsewhere, "r+", () => {
      vi.mocked(statSync).mockClear();
      expect(filesInUse().by(file)).toEqual([]);
      return vi.mocked(statSync).mock.calls.map(([path]) => String(path));
    });
    expect(touched.filter((path) => path.startsWith("/proc/"))).toEqual([]);
    expect(touched).toContain(file);
  });
});
