import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { type DockerRegistry, freePort, startRegistry } from "../fakes/docker-registry.ts";
import { describeWith, missing } from "../fakes/missing.ts";
import { smallRecipe, smallTemplate, smallTemplateNeeds } from "../small-template.ts";

const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const needs = ["git", "buildbot", "buildbot-worker", "docker-registry", "ssh-keygen", ...smallTemplateNeeds];
const workers = ["builder1", "builder2"];
const heirs = ["web", "shop", "mail", "files", "db", "cache", "queue", "search"];

interface Step {
  readonly worker: string;
  readonly build: string;
  readonly step: string;
  readonly time: string;
}

/** Debian's Buildbot: a master and two workers, each with its own home, on the example for Buildbot. One story, in order. */
describeWith(needs, "ten recipes on Buildbot", () => {
  let root = "";
  let registry: DockerRegistry;
  const running: ChildProcess[] = [];
  const at = (...names: string[]) => join(root, ...names);
  const git = (...args: string[]) =>
    host.run(["git", "-C", at("repo"), "-c", "user.name=a", "-c", "user.email=a@example", ...args]);

  beforeAll(async () => {
    if (missing(...needs) !== undefined) return;
    root = await mkdtemp(join(tmpdir(), "tbuild-buildbot-"));
    registry = await startRegistry(at("registry"));
    await host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", at("key")]);
    const cache = `${registry.address}/cache`;
    await writeFile(
      at("site.yaml"),
      `signingKey: ${at("key")}\ncache: { from: [${cache}], to: ${cache}, plainHttp: true }\n`,
    );
    await mkdir(at("bin"));
    await writeFile(at("bin/tbuild"), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`);
    await chmod(at("bin/tbuild"), 0o755);
    await smallTemplate(at("System.img"));
    await host.run([process.execPath, main, "init", at("repo")]);
    const key = (await readFile(at("key.pub"), "utf8")).trim();
    await writeFile(at("repo/allowed_signers"), `ci namespaces="tbuild-manifest,tbuild-cache" ${key}\n`);
    await host.run(["git", "init", "-q", "--bare", "-b", "main", at("repo.git")]);
    await git("remote", "add", "origin", at("repo.git"));
    await push("start");
    await startMaster();
  });
  afterAll(async () => {
    for (const child of running) child.kill();
    await Promise.all(
      running.map((child) => child.exitCode ?? new Promise((done) => child.once("exit", done))),
    );
    await registry?.stop();
    await rm(root, { recursive: true, force: true });
  });

  async function push(message: string) {
    await git("add", "-A");
    await git("commit", "-qm", message);
    await git("push", "-q", "origin", "HEAD:main");
  }

  async function startMaster() {
    const port = await freePort();
    await host.run(["buildbot", "create-master", "-q", at("master")]);
    let config = await readFile(at("repo/buildbot/master.cfg"), "utf8");
    const settings = {
      repository: JSON.stringify(at("repo.git")),
      workers: JSON.stringify(Object.fromEntries(workers.map((name) => [name, "secret"]))),
      site: JSON.stringify(at("site.yaml")),
      port,
      seconds_between_polls: 1,
    };
    for (const [name, value] of Object.entries(settings)) {
      const line = new RegExp(`^${name} = .*$`, "m");
      expect(config, name).toMatch(line);
      config = config.replace(line, () => `${name} = ${value}`);
    }
    await writeFile(at("master/master.cfg"), config);
    await host.run(["buildbot", "checkconfig", at("master/master.cfg")]);
    start(["buildbot", "start", "--nodaemon", at("master")]);
    for (const name of workers) {
      const create = ["buildbot-worker", "create-worker", at(name), `127.0.0.1:${port}`, name, "secret"];
      await host.run(create);
      start(["buildbot-worker", "start", "--nodaemon", at(name)]);
    }
    // From then on, a new commit is a change.
    const knowsTheTip = async () =>
      (await asked("select value_json from object_state where name = 'lastRev'")).some((one) =>
        String(one).includes("main"),
      ) || undefined;
    await waitFor("the poller", knowsTheTip, { timeoutMs: 60_000, everyMs: 500 });
  }

  function start([program = "", ...args]: string[]) {
    const env = { ...process.env, PATH: [at("bin"), process.env.PATH].join(delimiter) };
    running.push(spawn(program, args, { env, stdio: "ignore" }));
  }

  const log = () => readFile(at("master/twistd.log"), "utf8").catch(() => "");

  /** The first column of an answer of the master's database. */
  async function asked(query: string): Promise<unknown[]> {
    const script = `import json, sqlite3, sys
print(json.dumps([row[0] for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2])]))`;
    const run = ["python3", "-c", script, at("master/state.sqlite"), query];
    return JSON.parse((await host.run(run)).stdout);
  }

  /** The results of all finished builds of a builder, in order: 0 is a success. */
  const results = (builder: string) =>
    asked(
      `select b.results from builds b join builders r on b.builderid = r.id where r.name = '${builder}' and b.complete_at is not null order by b.id`,
    );

  const ended = (builds: number) =>
    waitFor(
      `build ${builds} of what changed`,
      async () => ((await results("changed")).length >= builds ? true : undefined),
      { timeoutMs: 420_000, everyMs: 1000 },
    );

  /** The steps that tbuild ran on all workers. */
  async function ran(): Promise<Step[]> {
    const found: Step[] = [];
    for (const worker of workers) {
      const builds = at(worker, "recipe/build/.tbuild/builds");
      const { stdout } = await host.run(["find", at(worker), "-path", `${builds}/*/log.jsonl`]);
      for (const file of stdout.split("\n").filter((line) => line !== ""))
        for (const line of (await readFile(file, "utf8")).trim().split("\n")) {
          const { type, build, step, time } = JSON.parse(line);
          if (type === "step-finished") found.push({ worker, build: build.replace(/-\w+$/, ""), step, time });
        }
    }
    return found.sort((one, other) => (one.time < other.time ? -1 : 1));
  }
  const published = async () =>
    (await ran()).filter(({ step }) => step === "publish-template").map(({ build }) => build);

  it("are built once each, in the order of their lineage; a worker takes what the other one has built", async () => {
    await writeFile(at("repo/recipes/small.yaml"), smallRecipe("small", at("System.img")));
    for (const name of heirs)
      await writeFile(
        at(`repo/recipes/${name}.yaml`),
        `extends: small\nname: ${name}\nfrom: small\nfiles: [{ path: /etc/${name}.conf, content: ${name} }]\n`,
      );
    await writeFile(
      at("repo/recipes/shop-de.yaml"),
      "extends: small\nname: shop-de\nfrom: shop\nmodules: [hosts]\n",
    );
    await push("ten recipes");
    await ended(1);
    expect(await results("changed"), await log()).toEqual([0]);
    expect(await results("recipe")).toEqual(Array(10).fill(0));
    const order = await published();
    expect([...order].sort()).toEqual(["small", "shop-de", ...heirs].sort());
    expect(order[0]).toBe("small");
    expect(order.at(-1)).toBe("shop-de");
    const steps = await ran();
    expect(new Set(steps.map(({ worker }) => worker))).toEqual(new Set(workers));
    const first = steps.find(({ build }) => build === "small")?.worker;
    const taken = steps.filter(({ step }) => step === "take-result");
    expect(taken.find(({ build }) => build === "small")?.worker).not.toBe(first);
  });

  it("are compared with the last successful build: a change builds one of them again", async () => {
    const before = (await published()).length;
    await writeFile(
      at("repo/recipes/mail.yaml"),
      "extends: small\nname: mail\nfrom: small\nfiles: [{ path: /etc/mail.conf, content: other }]\n",
    );
    await push("one change");
    await ended(2);
    expect(await results("changed"), await log()).toEqual([0, 0]);
    expect((await published()).slice(before)).toEqual(["mail"]);
  });

  it("that two builders publish under one version: one of them wins, and the other one is told", async () => {
    const tbuild = (worker: string, ...args: string[]) =>
      host.run([process.execPath, main, "--site", at("site.yaml"), ...args], {
        cwd: at(worker, "recipe/build"),
        allow: [1, 2, 3, 4, 5],
      });
    const both = (...args: string[]) => Promise.all(workers.map((worker) => tbuild(worker, ...args)));
    for (const made of await both("recipe", "small", "--fresh", "--no-cache"))
      expect(made.stdout, made.stderr).toContain("small@1.0.1");
    const pushed = await both("template", "push", "small@1.0.1", `${registry.address}/team`, "--plain-http");
    expect(pushed.map(({ exitCode }) => exitCode).sort()).toEqual([0, 5]);
    const loser = pushed.find(({ exitCode }) => exitCode !== 0);
    expect(loser?.stderr).toContain("is already published with different content");
  });
});
