import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { BuildEvent } from "../../src/build/event.ts";
import { homeAt } from "../../src/build/home.ts";
import { hostsOfAll } from "../../src/build/manifest.ts";
import { Pipeline, untilStep } from "../../src/build/pipeline.ts";
import { planOf } from "../../src/build/planned.ts";
import { type NextStep, runPipeline } from "../../src/build/run-pipeline.ts";
import type { BuildContext, Step } from "../../src/build/step.ts";
import { Interrupted, TbuildError } from "../../src/errors.ts";

let root: string;
let events: BuildEvent[];
let log: string[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-pipeline-"));
  events = [];
  log = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

let runsOn = "qemu 7.2";

function context(signal = new AbortController().signal): BuildContext {
  const nothing = undefined as never;
  const home = homeAt(root);
  return {
    id: "b-1",
    name: "b",
    rehearsal: false,
    folder: join(root, "b"),
    home,
    host: nothing,
    hypervisor: { describe: async () => runsOn } as BuildContext["hypervisor"],
    site: nothing,
    store: nothing,
    environment: () => undefined,
    records: nothing,
    report: (event) => events.push(event),
    signal,
    tbuild: "0.1.0",
  };
}

/** A step that appends its letter to its input. */
function letter(
  name: string,
  input: string,
  fails?: unknown,
): Step<{ text?: string }, { text: string; file: string }> {
  return {
    name,
    module: import.meta.url,
    describe: () => `write ${name}`,
    inputs: () => ({ input }),
    async run({ out }, { text = "" }) {
      log.push(`run ${name}`);
      if (fails) throw fails;
      const file = join(out, "text");
      await writeFile(file, text + input);
      return { text: text + input, file };
    },
    async cleanup() {
      log.push(`clean ${name}`);
    },
  };
}

/** As if the machine had been started again since. */
async function rebooted(checkpoint: string): Promise<void> {
  const file = join(checkpoint, "checkpoint.json");
  const record = JSON.parse(await readFile(file, "utf8"));
  expect(record.boot).toMatch(/^[\da-f-]{36}$/);
  await writeFile(file, JSON.stringify({ ...record, boot: "an-earlier-one" }));
}

const line = (a: string, b: string, c: string, fails?: unknown) =>
  Pipeline.start()
    .step(letter("one", a))
    .step(letter("two", b))
    .step(letter("three", c, fails));

const runs = () => log.filter((entry) => entry.startsWith("run"));

describe("a pipeline", () => {
  it("passes on the result of each step, and keeps its files", async () => {
    const state = await runPipeline(line("a", "b", "c"), context());
    expect(state.text).toBe("abc");
    expect(await readFile(state.file, "utf8")).toBe("abc");
  });

  it("stops after a chosen step, and continues from there", async () => {
    const state = await runPipeline(untilStep(line("a", "b", "c"), "two"), context());
    expect(state.text).toBe("ab");
    expect(runs()).toEqual(["run one", "run two"]);
    log = [];
    expect((await runPipeline(untilStep(line("a", "b", "c"), undefined), context())).text).toBe("abc");
    expect(runs()).toEqual(["run three"]);
  });

  it("refuses to stop after an unknown step, and lists the known ones", () => {
    expect(() => untilStep(line("a", "b", "c"), "four")).toThrow(
      expect.objectContaining({ fault: "usage", hint: "Its steps: one, two, three." }),
    );
  });

  it("does nothing twice", async () => {
    await runPipeline(line("a", "b", "c"), context());
    log = [];
    expect((await runPipeline(line("a", "b", "c"), context())).text).toBe("abc");
    expect(runs()).toEqual([]);
  });

  it("uses after a power cut only what was on the disk", async () => {
    await runPipeline(line("a", "b", "c"), context());
    const { checkpoints } = homeAt(root);
    const all = await checkpoints.all();
    expect(all.map(({ step }) => step).sort()).toEqual(["one", "three", "two"]);
    for (const { id } of all) await rebooted(join(checkpoints.folder, id));
    log = [];
    await runPipeline(line("a", "b", "c"), context());
    expect(runs()).toEqual([]);
    const two = all.find(({ step }) => step === "two");
    await rm(join(checkpoints.folder, two?.id ?? "", "durable"));
    expect((await checkpoints.useless({ parts: true })).map(({ why }) => why)).toEqual([
      "this machine stopped before its files were on the disk",
      "b three: its base was removed or rebuilt",
    ]);
    await runPipeline(line("a", "b", "c"), context());
    expect(runs()).toEqual(["run two", "run three"]);
  });

  it("runs from the first step with a changed input, and names the input", async () => {
    await runPipeline(line("a", "b", "c"), context());
    const planned = await planOf(line("a", "X", "c"), context());
    expect(planned.map((step) => [step.kept, step.why])).toEqual([
      [true, []],
      [false, ["input changed"]],
      [false, ["after two"]],
    ]);
    log = [];
    expect((await runPipeline(line("a", "X", "c"), context())).text).toBe("aXc");
    expect(runs()).toEqual(["run two", "run three"]);
  });

  it("says that a step was made from another result if one before it is left out", async () => {
    await runPipeline(line("a", "b", "c"), context());
    const shorter = Pipeline.start().step(letter("one", "a")).step(letter("three", "c"));
    const planned = await planOf(shorter, context());
    expect(planned.map((step) => step.why)).toEqual([[], ["made from another result"]]);
  });

  it.each(["", "{", "{}", '{"id": 1}'])("runs a step again whose checkpoint reads %j", async (text) => {
    await runPipeline(line("a", "b", "c"), context());
    const { folder } = context().home.checkpoints;
    for (const name of await readdir(folder))
      if (name !== "by-key") await writeFile(join(folder, name, "checkpoint.json"), text);
    log = [];
    expect((await runPipeline(line("a", "b", "c"), context())).text).toBe("abc");
    expect(runs()).toEqual(["run one", "run two", "run three"]);
  });

  it("reuses an older result if the inputs are the same again", async () => {
    await runPipeline(line("a", "b", "c"), context());
    await runPipeline(line("a", "X", "c"), context());
    log = [];
    expect((await runPipeline(line("a", "b", "c"), context())).text).toBe("abc");
    expect(runs()).toEqual([]);
  });

  it("never uses results based on one that was rebuilt since", async () => {
    await runPipeline(line("a", "b", "c"), context());
    await runPipeline(line("a", "b", "c"), context(), { fresh: true });
    log = [];
    await runPipeline(line("a", "b", "c"), context());
    expect(runs()).toEqual([]);
    const { checkpoints } = context().home;
    const planned = await checkpoints.useless({ parts: true });
    expect(planned).toHaveLength(3);
    for (const { why } of planned) expect(why).toMatch(/rebuilt$/);
    expect(await checkpoints.sweep({ parts: true })).toEqual(planned);
    expect(await checkpoints.useless({ parts: true })).toEqual([]);
  });

  it("resumes at the step that failed, and names the step", async () => {
    const fault = new TbuildError("guest", "it broke");
    await expect(runPipeline(line("a", "b", "c", fault), context())).rejects.toThrow("three: it broke");
    expect(log.at(-1)).toBe("clean three");
    log = [];
    await runPipeline(line("a", "b", "c"), context());
    expect(runs()).toEqual(["run three"]);
  });

  it("cleans up after each step before the next one runs", async () => {
    await runPipeline(line("a", "b", "c"), context());
    const since = (name: string) => log.slice(log.indexOf(`run ${name}`) + 1);
    expect(since("one").slice(0, 2)).toEqual(["clean one", "clean two"]);
    expect(since("two").slice(0, 2)).toEqual(["clean two", "clean three"]);
    expect(since("three")).toEqual(["clean three"]);
  });

  it("removes leftovers of a killed run before the first step that runs, and nothing if none runs", async () => {
    await runPipeline(line("a", "b", "c"), context());
    log = [];
    await runPipeline(line("a", "b", "other"), context());
    const all = ["clean three", "clean two", "clean one"];
    expect(log).toEqual([...all, "clean three", "run three", "clean three"]);
    log = [];
    await runPipeline(line("a", "b", "other"), context());
    expect(log).toEqual([]);
  });

  it("keeps the failed step's machine and files if told to", async () => {
    const before = () => log.slice(log.indexOf("run three") + 1);
    await expect(
      runPipeline(line("a", "b", "c", new Error("x")), context(), { onFailure: async () => "keep" }),
    ).rejects.toThrow();
    expect(before()).toEqual([]);
  });

  it("repeats a failed step as often as told, each time after a clean-up", async () => {
    const flaky = letter("three", "c");
    let left = 2;
    const pipeline = Pipeline.start()
      .step(letter("one", "a"))
      .step({
        ...flaky,
        async run(context, state) {
          if (left-- > 0) {
            log.push("fail three");
            throw new TbuildError("guest", `it broke ${left}`);
          }
          return await flaky.run(context, state);
        },
      });
    const asked: unknown[] = [];
    const state = await runPipeline(pipeline, context(), {
      onFailure: async ({ build, step, error }) => {
        asked.push([build, step, String(error)]);
        return "retry";
      },
    });
    expect(state.text).toBe("ac");
    expect(asked).toEqual([
      ["b-1", "three", "TbuildError: it broke 1"],
      ["b-1", "three", "TbuildError: it broke 0"],
    ]);
    expect(log.slice(log.indexOf("fail three"))).toEqual([
      ...["fail three", "clean three", "fail three", "clean three", "run three"],
      "clean three",
    ]);
    expect(events.filter(({ type }) => type === "step-failed").length).toBe(2);
    log = [];
    await runPipeline(pipeline, context());
    expect(runs()).toEqual([]);
  });

  it("asks before each step that runs, shows what exists, and ends if the answer is an interruption", async () => {
    const asked: unknown[] = [];
    const beforeStep = async ({ step, text, state }: NextStep) => {
      asked.push([step, text, (state as { text?: string }).text]);
      if (step === "three") throw new Interrupted();
    };
    await expect(runPipeline(line("a", "b", "c"), context(), { beforeStep })).rejects.toBeInstanceOf(
      Interrupted,
    );
    expect(asked).toEqual([
      ["one", "write one", undefined],
      ["two", "write two", "a"],
      ["three", "write three", "ab"],
    ]);
    expect(runs()).toEqual(["run one", "run two"]);
    asked.splice(0);
    await runPipeline(line("a", "b", "c"), context(), {
      beforeStep: async ({ step }) => void asked.push(step),
    });
    expect(asked).toEqual(["three"]);
  });

  it("stops at a signal, cleans up, and keeps finished steps", async () => {
    const controller = new AbortController();
    const stopping: Step<{ text?: string }, { text: string; file: string }> = {
      ...letter("two", "b"),
      async run() {
        controller.abort();
        return { text: "", file: "" };
      },
    };
    await expect(
      runPipeline(Pipeline.start().step(letter("one", "a")).step(stopping), context(controller.signal)),
    ).rejects.toBeInstanceOf(Interrupted);
    expect(log.at(-1)).toBe("clean two");
    log = [];
    await runPipeline(line("a", "b", "c"), context());
    expect(runs()).toEqual(["run two", "run three"]);
  });

  describe("with two steps side by side", () => {
    /** A step that ends when `end` does, or when it is stopped. */
    function slow<Name extends string>(
      name: Name,
      end: Promise<unknown>,
    ): Step<{ text?: string }, Record<Name, string>> {
      return {
        name,
        module: import.meta.url,
        describe: () => `write ${name}`,
        inputs: () => ({ input: name }),
        async run({ signal, report }, { text = "" }) {
          log.push(`run ${name}`);
          report({ type: "output", from: "m", line: name });
          const stopped = new Promise<never>((_, reject) =>
            signal.addEventListener("abort", () => reject(new Interrupted())),
          );
          await Promise.race([end, stopped]);
          return { [name]: `${text}${name}` } as Record<Name, string>;
        },
        async cleanup() {
          log.push(`clean ${name}`);
        },
      };
    }
    const needsBoth: Step<{ left?: string; right: string }, { both: string }> = {
      name: "last",
      module: import.meta.url,
      describe: () => "join",
      inputs: () => ({}),
      async run(_context, { left = "nothing", right }) {
        log.push("run last");
        return { both: `${left} ${right}` };
      },
    };
    const never = new Promise<never>(() => {});
    const begun = () => expect(log).toContain("run right");
    const patient = { timeout: 20_000, interval: 5 };
    const now = Promise.resolve();
    const beside = (left: Promise<unknown>, right: Promise<unknown>, hasLeft = true) =>
      Pipeline.start()
        .step(letter("one", "a"))
        .sideBySide(hasLeft, slow("left", left), slow("right", right))
        .step(needsBoth);

    it("runs them at once, each with the results before them, and passes on both", async () => {
      const [left, right] = [deferred(), deferred()];
      const both = beside(left.promise, right.promise);
      const running = runPipeline(both, context());
      await vi.waitFor(() => expect(runs().sort()).toEqual(["run left", "run one", "run right"]), patient);
      left.resolve();
      right.resolve();
      expect((await running).both).toBe("aleft aright");
      const outputs = events.filter((event) => event.type === "output");
      expect(outputs.map(({ step, line }) => `${step}: ${line}`).sort()).toEqual([
        "left: left",
        "right: right",
      ]);
      log = [];
      await runPipeline(both, context());
      expect(runs()).toEqual([]);
    });

    it("plans them as such, and keeps one while the other runs", async () => {
      const plan = async (hasLeft: boolean) =>
        (await planOf(beside(now, now, hasLeft), context())).map(({ step, kept, beside, why }) => [
          ...[step, kept, beside?.join() ?? "", why.join()],
        ]);
      await runPipeline(beside(now, now, false), context());
      expect(await plan(false)).toEqual(["one", "right", "last"].map((step) => [step, true, "", ""]));
      expect(await plan(true)).toEqual([
        ["one", true, "", ""],
        ["left", false, "right", "there is no result of it"],
        ["right", true, "left", ""],
        ["last", false, "", "after left"],
      ]);
      log = [];
      expect((await runPipeline(beside(now, now), context())).both).toBe("aleft aright");
      expect(runs()).toEqual(["run left", "run last"]);
      const { checkpoints } = context().home;
      expect(await checkpoints.useless({ parts: true })).toEqual([]);
    });

    it("stops the other if one fails, cleans up both, and keeps what was finished", async () => {
      const fault = new TbuildError("guest", "it broke");
      const failing = later(() => Promise.reject(fault), begun);
      await expect(runPipeline(beside(failing, never), context())).rejects.toThrow("left: it broke");
      expect(
        log
          .filter((entry) => entry.startsWith("clean"))
          .slice(-2)
          .sort(),
      ).toEqual(["clean left", "clean right"]);
      expect(events.filter(({ type }) => type === "step-failed")).toHaveLength(1);
      expect(events).toContainEqual({ type: "note", text: "right: stopped, because left failed" });

      log = [];
      const late = beside(
        later(
          () => Promise.reject(fault),
          () =>
            expect(events).toContainEqual(expect.objectContaining({ type: "step-finished", step: "right" })),
        ),
        now,
      );
      await expect(runPipeline(late, context())).rejects.toThrow("left: it broke");
      log = [];
      await runPipeline(beside(now, now), context());
      expect(runs()).toEqual(["run left", "run last"]);
    });

    it("asks about one failure while the other step goes on, and keeps the failed step's machine", async () => {
      const end = deferred();
      let left = 1;
      const flaky = slow("left", now);
      const once: typeof flaky = {
        ...flaky,
        run: async (context, state) =>
          left-- > 0 ? Promise.reject(new TbuildError("guest", "x")) : flaky.run(context, state),
      };
      const pipeline = Pipeline.start().sideBySide(true, once, slow("right", end.promise)).step(needsBoth);
      const running = runPipeline(pipeline, context(), {
        onFailure: async () => {
          end.resolve();
          return "retry";
        },
      });
      expect((await running).both).toBe("left right");

      log = [];
      const failing = later(() => Promise.reject(new Error("x")), begun);
      const keep = runPipeline(beside(failing, never), context(), {
        fresh: true,
        onFailure: async () => "keep",
      });
      await expect(keep).rejects.toThrow("x");
      expect(log.slice(log.indexOf("run right"))).toContain("clean right");
      expect(log.slice(log.indexOf("run left"))).not.toContain("clean left");
    });

    it("stops both at a signal, and asks before each", async () => {
      const controller = new AbortController();
      const asked: string[] = [];
      const running = runPipeline(beside(never, never), context(controller.signal), {
        beforeStep: async ({ step }) => void asked.push(`${step} after ${runs().at(-1)}`),
      });
      await vi.waitFor(() => expect(log).toEqual(expect.arrayContaining(["run left", "run right"])), patient);
      controller.abort();
      await expect(running).rejects.toBeInstanceOf(Interrupted);
      expect(asked).toEqual(["one after undefined", "left after run one", "right after run one"]);
      expect(log.slice(-2).sort()).toEqual(["clean left", "clean right"]);
      expect(events.filter(({ type }) => type === "step-failed" || type === "note")).toEqual([]);
    });

    it("stops after the first of them, or after both", async () => {
      await runPipeline(untilStep(beside(now, never), "left"), context());
      expect(runs()).toEqual(["run one", "run left"]);
      await runPipeline(untilStep(beside(never, now), "right"), context());
      expect(runs()).toEqual(["run one", "run left", "run right"]);
    });

    function deferred() {
      let resolve = () => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      return { promise, resolve: () => resolve() };
    }
    /** Does `work` when `ready` does not throw. */
    function later(work: () => Promise<void>, ready: () => void): Promise<void> {
      const promise = vi.waitFor(ready, patient).then(work);
      promise.catch(() => {});
      return promise;
    }
  });

  it("reports a failed clean-up and continues with the others", async () => {
    const broken = { ...letter("two", "b"), cleanup: () => Promise.reject(new Error("stuck")) };
    const failing = {
      ...letter("three", "c"),
      run: () => Promise.reject(new Error("x")),
      cleanup: undefined as never,
    };
    await expect(
      runPipeline(Pipeline.start().step(letter("one", "a")).step(broken).step(failing), context()),
    ).rejects.toThrow();
    expect(events.filter((event) => event.type === "cleanup-failed").length).toBeGreaterThan(0);
    expect(log).toContain("clean one");
  });

  it("says where each result was made, also a cached one from elsewhere", async () => {
    await runPipeline(line("a", "b", "c"), context());
    runsOn = "xen 4.17";
    const { hosts } = await runPipeline(line("a", "b", "X"), context());
    runsOn = "qemu 7.2";
    const said = Object.values(hosts).map(({ hypervisor }) => hypervisor);
    expect(said).toEqual(["qemu 7.2", "qemu 7.2", "xen 4.17"]);
    const { three: here = {}, ...before } = hosts;
    expect(hostsOfAll(here, before)).toEqual({ ...here, "hypervisor of one, two": "qemu 7.2" });
    expect(hostsOfAll(here, { three: here })).toEqual(here);
    expect(hostsOfAll({ hypervisor: "xen" }, { old: {} })).toEqual({
      hypervisor: "xen",
      "hypervisor of old": "not recorded",
    });
  });

  it("runs again if the result of a checkpoint is gone", async () => {
    const valid: Step<{ text?: string }, { text: string; file: string }> = {
      ...letter("one", "a"),
      outdated: async (_context, gives) =>
        (await stat(`${gives.file}.elsewhere`).catch(() => undefined)) ? undefined : "elsewhere is gone",
    };
    await runPipeline(Pipeline.start().step(valid), context());
    const [planned] = await planOf(Pipeline.start().step(valid), context());
    expect(planned).toMatchObject({ kept: false, why: ["elsewhere is gone"] });
    await runPipeline(Pipeline.start().step(valid), context());
    expect(runs()).toHaveLength(2);
  });

  it("does not compile when no earlier step gives what a step needs", () => {
    const needy: Step<{ disk: string }, object> = {
      name: "needy",
      module: import.meta.url,
      describe: () => "",
      inputs: () => ({}),
      run: async () => ({}),
    };
    // @ts-expect-error no step returns `disk`
    Pipeline.start().step(needy);
    const giver: Step<object, { disk: string }> = {
      name: "giver",
      module: import.meta.url,
      describe: () => "",
      inputs: () => ({}),
      run: async () => ({ disk: "" }),
    };
    Pipeline.start().step(giver).step(needy);
    // @ts-expect-error a step that may be left out returns nothing
    Pipeline.start().stepIf(true, giver).step(needy);
  });
});
