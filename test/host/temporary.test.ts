import { access, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { expect, it, vi } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { folderScript, isAbandoned, temporaryFolder } from "../../src/host/temporary.ts";

it("a temporary folder names its process, and is not abandoned while that runs", async () => {
  const folder = await temporaryFolder("test");
  expect(await isAbandoned(basename(folder.path))).toBe(false);
  await folder[Symbol.asyncDispose]();
  await expect(access(folder.path)).rejects.toThrow("ENOENT");
});

it("is abandoned if the number is another process's, or from an earlier boot, but not if its machine is unknown", async () => {
  await using folder = await temporaryFolder("test");
  const [, kind, pid, start, boot, world, end] = basename(folder.path).split("-");
  const name = (...parts: unknown[]) => ["tbuild", kind, ...parts, end].join("-");
  expect(await isAbandoned(name(pid, start, boot, world))).toBe(false);
  expect(await isAbandoned(name(pid, `${start}1`, boot, world))).toBe(true);
  expect(await isAbandoned(name(99999999, start, boot, world))).toBe(true);
  expect(await isAbandoned(name(pid, start, "00000000", world))).toBe(true);
  expect(await isAbandoned(name(99999999, start, boot, "00000000"))).toBe(false);
  for (const other of ["tbuild-0", "tbuild-ssh-0", "tbuild-test-AbCdEf", "snap-private-tmp", "tbuild-a-1-2"])
    expect(await isAbandoned(other)).toBe(false);
});

it("a shell makes one of its own, which is abandoned when the shell has ended", async () => {
  const host = localHost();
  const script = `${folderScript}\nfolder=$(own_folder test) && echo "$folder" && read -r line; rmdir "$folder"`;
  let say: (line: string) => void = () => {};
  const said = new Promise<string>((resolve) => {
    say = resolve;
  });
  const talk = await host.talk(["sh", "-c", script], { onLine: say });
  const path = await said;
  await using ours = await temporaryFolder("test");
  expect(dirname(path)).toBe(dirname(ours.path));
  expect(basename(path).split("-").slice(4, 6)).toEqual(basename(ours.path).split("-").slice(4, 6));
  expect(await isAbandoned(basename(path))).toBe(false);
  talk.sayNoMore();
  await talk.ended;
  expect(await isAbandoned(basename(path))).toBe(true);
});

it("the first temporary folder of a process removes those of processes that were killed", async () => {
  await using own = await temporaryFolder("test");
  const [, kind, , start, boot, world, end] = basename(own.path).split("-");
  const place = await mkdtemp(join(tmpdir(), "tbuild-sweep-"));
  try {
    const abandoned = join(place, ["tbuild", kind, 99999999, start, boot, world, end].join("-"));
    const foreign = join(place, ["tbuild", kind, 99999999, start, boot, "00000000", end].join("-"));
    for (const folder of [abandoned, foreign]) await mkdir(folder);
    await writeFile(join(abandoned, "file"), "");
    vi.stubEnv("TMPDIR", place);
    vi.resetModules();
    const fresh = await import("../../src/host/temporary.ts");
    await using made = await fresh.temporaryFolder("test");
    expect(await readdir(place)).toEqual([basename(foreign), basename(made.path)].sort());
  } finally {
    vi.unstubAllEnvs();
    await rm(place, { recursive: true });
  }
});
