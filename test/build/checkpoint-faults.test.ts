import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BuildEvent } from "../../src/build/event.ts";
import { homeAt } from "../../src/build/home.ts";
import { Pipeline } from "../../src/build/pipeline.ts";
import { planOf } from "../../src/build/planned.ts";
import { runPipeline } from "../../src/build/run-pipeline.ts";
import type { BuildContext, Step } from "../../src/build/step.ts";
import { firstFault, TbuildError } from "../../src/errors.ts";
import { systemFault } from "../../src/io/file-fault.ts";
import { buryLocks } from "../fakes/buried-locks.ts";
import { countCalls, type Happening, Killed, withFault } from "../fakes/failing-calls.ts";

vi.mock("node:fs/promises", async (original) =>
  (await import("../fakes/failing-calls.ts")).failing(await original()),
);

let parent: string;
let root: string;
let ran: string[];
let events: BuildEvent[];
beforeEach(async () => {
  parent = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tbuild-checkpoints-"));
  root = join(parent, "home");
  await restart();
});
afterEach(() => rm(parent, { recursive: true, force: true }));

async function restart() {
  await rm(root, { recursive: true, force: true });
  [ran, events] = [[], []];
}

function context(): BuildContext {
  const nothing = undefined as never;
  return {
    id: "b-1",
    name: "b",
    rehearsal: false,
    folder: join(root, "b"),
    home: homeAt(root),
    host: nothing,
    hypervisor: { describe: async () => "qemu 7.2" } as BuildContext["hypervisor"],
    site: nothing,
    store: nothing,
    environment: () => undefined,
    records: nothing,
    report: (event) => events.push(event),
    signal: new AbortController().signal,
    tbuild: "0.1.0",
  };
}

function letter(name: string): Step<{ text?: string }, { text: string; disk: string }> {
  return {
    name,
    module: import.meta.url,
    describe: () => `write ${name}`,
    inputs: () => ({ name }),
    async run({ out }, { text = "" }) {
      ran.push(name);
      const disk = join(out, "disk");
      await writeFile(disk, text + name);
      return { text: text + name, disk };
    },
  };
}

const pipeline = Pipeline.start().step(letter("a")).step(letter("b"));
const run = () => runPipeline(pipeline, context());
const why = async () => (await planOf(pipeline, context())).map((step) => (step.kept ? "kept" : step.why[0]));

describe("the checkpoints of a build", () => {
  const faults: readonly Happening[] = [
    { code: "ENOSPC" },
    { code: "EROFS", lasting: true },
    { code: "EIO", lasting: true },
    { code: "EDQUOT" },
    { code: "EACCES", lasting: true },
    { code: "EMFILE" },
  ];

  it("name what the system refused, wherever that happens, and the next run goes on", async () => {
    const calls = await countCalls(root, run);
    expect(calls).toBeGreaterThan(20);
    for (let at = 1; at <= calls; at++) {
      await restart();
      const { failed, met } = await withFault(root, at, faults[at % faults.length] ?? "killed", run);
      if (failed !== undefined) expectNamed(failed, met);
      const told = events.flatMap((event) => (event.type === "step-failed" ? event.error : []));
      expect(told.join(), met).not.toMatch(/\bE[A-Z]{3,}\b/);
      await expectDone(met);
    }
  });

  it("are whole or absent after a kill at any of their writes", async () => {
    const calls = await countCalls(root, run);
    for (let at = 1; at <= calls; at++) {
      await restart();
      const { failed, met } = await withFault(root, at, "killed", run);
      if (failed !== undefined) expect(firstFault(failed), met).toBeInstanceOf(Killed);
      await expectDone(met);
    }
  });

  it("that cannot be read now are not taken for absent ones: nothing runs again", async () => {
    await run();
    ran = [];
    for (const work of [run, why]) {
      const calls = await countCalls(root, work, "read");
      for (let at = 1; at <= calls; at++)
        for (const code of ["EIO", "EACCES", "EMFILE"] as const) {
          const { failed, met } = await withFault(root, at, { code, lasting: true }, work, "read");
          if (failed !== undefined) expectNamed(failed, met);
        }
    }
    expect(ran).toEqual([]);
  });

  it.each<[string, (folder: string) => Promise<unknown>]>([
    ["has no record", (folder) => rm(join(folder, "checkpoint.json"))],
    ["has an empty record", (folder) => writeFile(join(folder, "checkpoint.json"), "")],
    ["has a record that is cut off", (folder) => writeFile(join(folder, "checkpoint.json"), '{"id": "')],
    ["is a file", (folder) => rm(folder, { recursive: true }).then(() => writeFile(folder, ""))],
  ])("is made again and swept if it %s", async (_what, spoil) => {
    await run();
    const { checkpoints } = context().home;
    const [first] = (await checkpoints.all()).filter(({ step }) => step === "a");
    await spoil(join(checkpoints.folder, first?.id ?? ""));
    expect(await why()).toEqual(["there is no result of it", "after a"]);
    ran = [];
    expect((await run()).text).toBe("ab");
    expect(ran).toEqual(["a", "b"]);
    const swept = await checkpoints.sweep({ parts: true });
    expect(swept).toContainEqual({ name: first?.id, why: "its record is missing or damaged" });
    expect(await why()).toEqual(["kept", "kept"]);
    expect(await checkpoints.useless({ parts: true })).toEqual([]);
  });

  it("of a newer tbuild are neither used nor swept", async () => {
    await run();
    const { checkpoints } = context().home;
    const [first] = (await checkpoints.all()).filter(({ step }) => step === "a");
    await writeFile(join(checkpoints.folder, first?.id ?? "", "checkpoint.json"), '{"format": 9}');
    expect((await run()).text).toBe("ab");
    expect((await checkpoints.useless({ parts: true })).map(({ name }) => name)).not.toContain(first?.id);
  });

  it("are not used without their disk", async () => {
    const { disk } = await run();
    await rm(disk ?? "");
    expect(await why()).toEqual(["kept", "its result no longer exists"]);
    expect((await run()).text).toBe("ab");
  });

  it("say what is in the way if something else has their folder's name", async () => {
    await mkdir(root, { recursive: true });
    for (const [put, words] of [
      [() => writeFile(join(root, "checkpoints"), ""), /checkpoints.*: part of the path is not a folder$/],
      [
        () => symlink("/none/there", join(root, "checkpoints")),
        /checkpoints: is a symbolic link to \/none\/there, which does not exist$/,
      ],
    ] as const) {
      await put();
      const failed = firstFault(await run().catch((error) => error));
      expect(systemFault(failed) ?? failed).toMatchObject({
        fault: "environment",
        message: expect.stringMatching(words),
      });
      await rm(join(root, "checkpoints"));
    }
  });
});

function expectNamed(thrown: unknown, met: string | undefined) {
  // As the command line does.
  const first = firstFault(thrown);
  const failed = systemFault(first) ?? first;
  expect(failed, met).toBeInstanceOf(TbuildError);
  const { fault, message } = failed as TbuildError;
  expect({ fault, message, met }).toMatchObject({ fault: "environment" });
  expect(message, met).toMatch(
    /home.*: (?:the disk is full|the quota is used up|the file system is read-only|permission denied|the disk cannot be read or written|too many files are open)/,
  );
}

/** The next run finishes, the one after it has nothing to do, and nothing is left that cannot be used. */
async function expectDone(met: string | undefined) {
  await buryLocks(join(root, "checkpoints/locks"));
  expect((await run()).text, met).toBe("ab");
  ran = [];
  expect((await run()).text, met).toBe("ab");
  expect(ran, met).toEqual([]);
  const { checkpoints } = context().home;
  await checkpoints.sweep({ parts: true });
  const left = (await readdir(checkpoints.folder)).filter((name) => !["by-key", "locks"].includes(name));
  expect(left, met).toHaveLength(2);
}
