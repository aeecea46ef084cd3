import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { conversationWith } from "../../src/deploy/places/hypervisor/reports.ts";
import { templatesIn } from "../../src/deploy/places/hypervisor/templates.ts";
import { recordsIn } from "../../src/deploy/places/place-records.ts";
import type { Messages } from "../../src/hypervisor/hypervisor.ts";
import { machineFiles } from "../../src/hypervisor/qemu/machine.ts";
import { pidOf } from "../../src/hypervisor/qemu/process.ts";
import { trust, trustedFile, trustedIdentity } from "../../src/manager/trusted-identities.ts";
import { countCalls, withFault } from "../fakes/failing-calls.ts";
import { deployTemplate } from "./sample-deployment.ts";

vi.mock("node:fs/promises", async (original) =>
  (await import("../fakes/failing-calls.ts")).failing(await original()),
);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-kept-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const Mark = z.object({ mark: z.object({ id: z.string(), deployment: z.string() }) });
const mark = { mark: { id: "a", deployment: "rac" } };

describe("the record of a machine at a place", () => {
  const records = () => recordsIn(folder, Mark);

  it.each([
    ["is empty", ""],
    ["is cut off", '{"mark":'],
    ["lacks something", "{}"],
    ["is not an object", "null"],
  ])("that %s is named, with what to do", async (_what, text) => {
    await writeFile(join(folder, "vm1.json"), text);
    for (const work of [
      () => records().read("vm1"),
      () => records().list(),
      () => records().claim("vm1", mark),
    ])
      await expect(work()).rejects.toMatchObject({
        fault: "integrity",
        message: `${join(folder, "vm1.json")}: is damaged, or was written by another version of tbuild`,
        hint: expect.stringContaining("Restore it from a backup"),
      });
  });

  it("that cannot be read is not taken for absent, so nobody else claims the machine", async () => {
    const attempt = () => records().claim("vm1", { mark: { id: "b", deployment: "other" } });
    await records().write("vm1", mark);
    for (const code of ["EIO", "EACCES", "EMFILE"] as const) {
      const { failed } = await withFault(folder, 1, { code }, attempt, "read");
      expect(failed).toMatchObject({ fault: "environment", subject: join(folder, "vm1.json") });
    }
    await rm(join(folder, "vm1.json"));
    await symlink("/none/vm1.json", join(folder, "vm1.json"));
    await expect(attempt()).rejects.toThrow(
      /vm1\.json: is a symbolic link to \/none\/vm1\.json, which does not/,
    );
    expect(await readdir(folder)).toEqual(["vm1.json"]);
  });
});

describe("a template at a place", () => {
  const bring = async (restores: (to: string) => Promise<void> = (to) => writeFile(to, "disk")) => {
    const templates = templatesIn({ folder, restoreDisk: (_disk, to) => restores(to) });
    const options = { signal: new AbortController().signal, progress: () => {} };
    await templates.bring({ manifest: deployTemplate }, options);
    return templates;
  };
  const find = async () =>
    templatesIn({ folder, restoreDisk: async () => {} }).find({ manifest: deployTemplate });

  it.each<[string, (at: string) => Promise<unknown>]>([
    ["an empty record", (at) => instead(at, "")],
    ["a record of something else", (at) => instead(at, "[]")],
    ["no record", (at) => rm(join(at, "template.json"))],
    ["no disk", (at) => rm(join(at, "disk0.img"))],
  ])("with %s is copied again", async (_what, spoil) => {
    const templates = await bring();
    const { id } = await find();
    const at = join(folder, "templates", id);
    await spoil(at);
    expect((await find()).isThere).toBe(false);
    await expect(templates.read(id)).rejects.toMatchObject({
      fault: "environment",
      hint: expect.stringContaining("Run the command again."),
    });
    await bring();
    expect((await find()).isThere).toBe(true);
    expect((await templates.read(id)).disks).toEqual([join(at, "disk0.img")]);
    expect((await stat(at)).mode & 0o777).toBe(0o700);
  });

  it("is whole or absent after a fault at any of its writes", async () => {
    const calls = await countCalls(folder, bring);
    for (let at = 1; at <= calls; at++) {
      await rm(join(folder, "templates"), { recursive: true, force: true });
      const { failed, met } = await withFault(folder, at, { code: "ENOSPC" }, bring);
      if (failed === undefined) expect((await find()).isThere, met).toBe(true);
      await rm(join(folder, "templates.lock"), { force: true });
      const templates = await bring();
      const { id, isThere } = await find();
      expect(isThere, met).toBe(true);
      expect((await templates.read(id)).release).toBe(6);
    }
  });
});

// The file itself is read-only.
async function instead(at: string, text: string) {
  await rm(join(at, "template.json"));
  await writeFile(join(at, "template.json"), text);
}

describe("the reports of a guest", () => {
  it("reach the next process although a disk was full for a while", async () => {
    const received = [{ key: "one", value: "1" }];
    const messages = {
      send: async () => {},
      received: () => received,
      [Symbol.asyncDispose]: async () => {},
    } as unknown as Messages;
    const conversation = await conversationWith(messages, folder, "vm1");
    // A folder in its place refuses the file, as a full disk does.
    const file = join(folder, "reports/vm1.jsonl");
    await mkdir(file);
    expect(await conversation.reports()).toEqual(received);
    received.push({ key: "two", value: "2" });
    expect(await conversation.reports()).toEqual(received);
    await rm(file, { recursive: true });
    await conversation[Symbol.asyncDispose]();
    const silent = { ...messages, received: () => [] } as unknown as Messages;
    await using next = await conversationWith(silent, folder, "vm1");
    expect(await next.reports()).toEqual(received);
  });
});

describe("a machine of qemu", () => {
  it("that cannot be read now is not taken for absent or stopped", async () => {
    const files = machineFiles(folder, "vm1");
    await files.make();
    await writeFile(join(files.folder, "pid"), `${process.pid}\n`);
    await writeFile(join(files.folder, "machine.json"), "{}");
    for (const work of [() => files.exists(), () => files.read(), () => pidOf(files.folder)])
      for (const code of ["EIO", "EACCES", "EMFILE"] as const) {
        const { failed } = await withFault(folder, 1, { code }, work, "read");
        expect(failed).toMatchObject({ fault: "environment", subject: expect.stringContaining(folder) });
      }
  });
});

describe("the list of trusted Managers", () => {
  it.each(["", "null", "[]", '{"a:1": 5}', '{"a:1": {"hostKey": 1}}'])(
    "that reads %j is named",
    async (text) => {
      await writeFile(trustedFile(folder), text);
      for (const work of [
        () => trustedIdentity(folder, "a", 1),
        () => trust(folder, "a", 1, { hostKey: "x" }),
      ])
        await expect(work()).rejects.toMatchObject({
          fault: "integrity",
          subject: trustedFile(folder),
          hint: "Remove it, and run tbuild manager trust again.",
        });
    },
  );
});
