import type { ChildProcess } from "node:child_process";
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { Checkpoints } from "../../src/build/checkpoints.ts";
import type { BuildEvent } from "../../src/build/event.ts";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { mountsOf } from "../../src/image/disk/mounts.ts";
import { openImageFile } from "../../src/image/open.ts";
import type { GuestTree } from "../../src/image/tree.ts";
import { chooseAccess } from "../../src/image/ways/index.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { isSlow, itSlow } from "../fakes/slow.ts";
import { deploymentOf } from "./deployment.ts";
import { managerDeploymentOf } from "./manager-deployment.ts";
import { machinesRunning, makeTbuild, processes, repository, type Tbuild } from "./tbuild.ts";

// One story in order: each part continues from the result of the previous one.
let recipes: string;
let tbuild: Tbuild;
beforeAll(async () => {
  recipes = await mkdtemp(join(tmpdir(), "tbuild-e2e-"));
  await cp(join(repository, "recipes"), join(recipes, "recipes"), { recursive: true });
  await cp(join(repository, "kickstart"), join(recipes, "kickstart"), { recursive: true });
  await cp(join(repository, "docs/examples"), join(recipes, "docs/examples"), { recursive: true });
  tbuild = await makeTbuild("e2e", join(recipes, "recipes"));
});
afterAll(async () => {
  await tbuild.run("clean");
  await rm(recipes, { recursive: true, force: true });
});

const rehearse = (...more: string[]) => ["recipe", "ol6-grid", "--rehearse", ...more];

/** The disk of a trial clone that was configured and rebooted. */
const orphan = () => join(tbuild.home, "orphan.img");

/**
 * Copies the first clone's disk between its two boots. The build pauses after it told the guest to reboot, so it does not
 * start the machine again meanwhile.
 */
async function keepClone(build: ChildProcess, to: string): Promise<void> {
  const clone = async () =>
    (await machinesRunning(tbuild.home)).find((command) => command.includes("-trial-1"));
  const [, port = ""] = /hostfwd=tcp:127\.0\.0\.1:(\d+)/.exec((await clone()) ?? "") ?? [];
  const asking = async () =>
    (await processes()).some(
      (command) => command.startsWith("ssh ") && command.includes(port) && command.includes("exec reboot"),
    );
  const until = (what: string, is: () => Promise<boolean>) =>
    waitFor(what, async () => ((await is()) ? true : undefined), { timeoutMs: 90_000, everyMs: 10 });
  await until("ssh", asking);
  await until("the reboot", async () => !(await asking()));
  build.kill("SIGSTOP");
  try {
    await until("the machine to stand still", async () => (await clone()) === undefined);
    const machines = join(tbuild.home, "machines");
    const name = (await readdir(machines)).find((one) => one.endsWith("-trial-1")) ?? "";
    await localHost().run(["qemu-img", "convert", "-O", "raw", join(machines, name, "disk0.qcow2"), to]);
  } finally {
    build.kill("SIGCONT");
  }
}

interface Result {
  readonly manifest: Manifest;
  readonly bundleFolder: string;
  readonly folder: string;
  readonly report: string;
  readonly ran: Record<string, number>;
}

async function resultOf(
  run: Promise<{ code: number | null; stdout: string; stderr: string }>,
): Promise<Result> {
  const { code, stdout, stderr } = await run;
  expect(code, `${stderr}\n${stdout.split("\n").slice(-30).join("\n")}`).toBe(0);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

async function running(step: string): Promise<void> {
  await waitFor(
    `a machine that does ${step}`,
    async () =>
      (await machinesRunning(tbuild.home)).some((command) => command.includes(`-${step}`)) ? true : undefined,
    { timeoutMs: 240_000 },
  );
}

describe("a rehearsal of ol6-grid", () => {
  it("names step, cause and next action if qemu is killed, and keeps finished steps", async () => {
    const build = tbuild.start(...rehearse());
    await running("install");
    const machine =
      (await readdir(join(tbuild.home, "machines"))).find((name) => name.endsWith("-install")) ?? "";
    const file = (name: string) => readFile(join(tbuild.home, "machines", machine, name), "utf8");
    await waitFor(
      "the installer's kernel",
      async () => ((await file("console.log").catch(() => "")).includes("Linux version") ? true : undefined),
      { timeoutMs: 240_000 },
    );
    process.kill(Number(await file("pid")), "SIGKILL");
    const { code, stderr } = await build.ended;
    expect(code, stderr).toBe(4);
    expect(stderr).toContain("install-guest: ");
    expect(stderr).toMatch(/continue: +tbuild recipe ol6-grid --rehearse/);
    expect((await tbuild.run("plan", "ol6-grid", "--rehearse")).stdout).toMatch(/kept +fetch-medium/);
  });

  it("is cleaned up by name after kill -9", async () => {
    const build = tbuild.start(...rehearse());
    await running("install");
    build.kill("SIGKILL");
    await build.ended;
    expect(await machinesRunning(tbuild.home)).toHaveLength(1);
    expect((await tbuild.run("clean")).stdout).toMatch(/machine ol6-grid-rehearsal-\w+-install: removed/);
    expect(await machinesRunning(tbuild.home)).toEqual([]);
  });

  let first: Result;
  it("can be interrupted and killed at every step: nothing keeps running, and no finished step is lost", async () => {
    const { steps } = JSON.parse((await tbuild.run("plan", "ol6-grid", "--rehearse", "--json")).stdout) as {
      steps: { step: string }[];
    };
    // Each step is interrupted or killed, in turns; TBUILD_SLOW=1 does both.
    const signals: NodeJS.Signals[] = ["SIGINT", "SIGKILL"];
    const signalsFor = (step: string) =>
      isSlow ? signals : signals.slice(steps.findIndex((one) => one.step === step) % 2).slice(0, 1);
    const killed = new Set<string>();
    const done = new Set<string>();
    for (;;) {
      const build = tbuild.start(...rehearse("--json"));
      let signal: NodeJS.Signals | undefined;
      for await (const line of createInterface(build.stdout as Readable)) {
        const event = JSON.parse(line) as BuildEvent;
        if (event.type === "step-started") expect([...done]).not.toContain(event.step);
        if (event.type === "step-finished") done.add(event.step);
        if (event.type === "progress" && event.text === "trial1.tbuild.example: rebooting")
          await keepClone(build, orphan());
        if (event.type !== "step-started" || signal) continue;
        signal = signalsFor(event.step).find((one) => !killed.has(`${one} ${event.step}`));
        if (!signal) continue;
        killed.add(`${signal} ${event.step}`);
        setTimeout(() => build.kill(signal), 1_000);
      }
      const { code, stderr } = await build.ended;
      if (code === 0) break;
      expect(signal === "SIGKILL" ? null : 130, stderr).toBe(code);
      if (signal === "SIGINT") expect(await machinesRunning(tbuild.home)).toEqual([]);
    }
    // Steps that take less than a second may end before the signal, which then reaches a later step.
    for (const step of ["install-guest", "provision-guest", "boot-trial", "pack-bundles"])
      for (const signal of signalsFor(step)) expect([...killed]).toContain(`${signal} ${step}`);
    expect(await machinesRunning(tbuild.home)).toEqual([]);
  });

  it("ends in a sealed, versioned, booted template", async () => {
    first = await resultOf(tbuild.run(...rehearse("--json")));
    const { manifest } = first;
    expect(manifest).toMatchObject({
      name: "ol6-grid-rehearsal",
      version: "1.0.0",
      kind: "template",
      rehearsal: true,
      domainType: "XEN_PVM",
    });
    expect(manifest.trial).toContain("2 clones share no hostname, address, host key, machine id or MAC");
    expect(manifest.trial).toContain("2 clones share no file that should be unique");
    expect(manifest.trial.filter((seen) => seen.endsWith("rebooted, and nothing ran again"))).toHaveLength(2);
    expect(manifest.contract.map((parameter) => parameter.key)).toEqual(
      expect.arrayContaining([
        "com.oracle.linux.root-password",
        "com.oracle.linux.network.hostname",
        "org.tbuild.grid.mode",
      ]),
    );
    expect(manifest.packages.map((one) => one.name)).toEqual(
      expect.arrayContaining([
        "ovmd",
        "ovm-template-config-network",
        "oracle-rdbms-server-11gR2-preinstall",
        "kernel",
      ]),
    );
    for (const bundle of manifest.bundles)
      expect((await stat(join(first.bundleFolder, bundle.file))).size).toBe(bundle.bytes);
    expect((await readdir(first.bundleFolder)).sort()).toEqual([
      "SHA256SUMS",
      "ol6-grid-rehearsal-1.0.0.ova",
      "ol6-grid-rehearsal-1.0.0.qcow2",
      "ol6-grid-rehearsal-1.0.0.tgz",
    ]);
    expect(await machinesRunning(tbuild.home)).toEqual([]);
  });

  it("is imported from its bundle with its packages and parameters", async () => {
    const file = join(first.bundleFolder, "ol6-grid-rehearsal-1.0.0.ova");
    expect(JSON.parse((await tbuild.run("template", "import", file, "--json")).stdout).isNew).toBe(false);
    // In a folder whose store and recipe repo do not know it.
    const elsewhere = [
      "--home",
      join(tbuild.home, "elsewhere"),
      "--recipes",
      join(tbuild.home, "elsewhere/recipes"),
    ];
    const { stdout, stderr } = await tbuild.run(...elsewhere, "template", "import", file, "--json");
    const { manifest } = JSON.parse(stdout || `"${stderr}"`) as { manifest: Manifest };
    const { disks, kernel, domainType, machine, packages } = first.manifest;
    expect(manifest).toMatchObject({ name: "ol6-grid-rehearsal", version: "1.0.0", rehearsal: true });
    expect(manifest).toMatchObject({ disks, kernel, domainType, machine });
    expect(manifest.packages.map((one) => one.name)).toEqual(packages.map((one) => one.name));
    expect(manifest.contract.map((one) => one.key).sort()).toEqual(
      first.manifest.contract.map((one) => one.key).sort(),
    );
    expect(manifest.parent).toBeUndefined();
    expect(await readdir(join(tbuild.home, "elsewhere/import"))).toEqual([]);
  });

  it("leaves a report with pictures, and no secret in any log or manifest", async () => {
    expect(await readFile(first.report, "utf8")).toContain("made of Debian’s binaries");
    expect((await readdir(join(first.folder, "pictures"))).length).toBeGreaterThan(5);
    const password = (await readFile(join(first.folder, "root-password"), "utf8")).trim();
    const told = [
      await readFile(join(first.folder, "log.jsonl"), "utf8"),
      await readFile(first.report, "utf8"),
      JSON.stringify(first.manifest),
    ].join("\n");
    expect(told).not.toContain(password);
    expect(told).not.toContain("$6$");
    expect(told).not.toContain("PRIVATE KEY");
  });

  it("has the parameters that its modules print when they run", async () => {
    const { gives } = await newest("seal-image", "ol6-grid-rehearsal");
    const listed = async (...more: string[]) =>
      JSON.parse((await tbuild.run("message", "--json", ...more, gives.image)).stdout);
    const read = await listed();
    expect(read.length).toBeGreaterThan(30);
    expect(await listed("--run")).toEqual(read);
  });

  it("is recorded in the recipe repo with its contents, and whois recognizes its disk", async () => {
    const record = join(recipes, "templates/ol6-grid-rehearsal/1.0.0.json");
    expect(JSON.parse(await readFile(record, "utf8"))).toEqual(first.manifest);
    const { guest, seal, timings, inputs, parent } = first.manifest;
    expect(guest?.services).toEqual(expect.arrayContaining(["ntpd", "ovmd", "sshd"]));
    expect(guest?.users.map(({ name }) => name)).toEqual(expect.arrayContaining(["grid", "oracle", "root"]));
    expect(guest?.modules.map(({ name }) => name)).toContain("grid");
    const limits = guest?.files.find(({ path }) => path === "/etc/security/limits.d/90-grid.conf");
    expect(limits?.text).toContain("grid hard nofile 65536");
    expect(guest?.files.find(({ path }) => path === "/etc/shadow")).not.toHaveProperty("digest");
    expect(seal).toMatchObject({ how: "offline", armed: true });
    expect(Object.keys(timings)).toEqual(expect.arrayContaining(["install-guest", "boot-trial"]));
    expect(Object.keys(inputs)).toEqual(
      expect.arrayContaining(["medium", "kickstart", "module:grid", "script:ntp-slew"]),
    );
    expect(parent).toBeDefined();
    expect((await tbuild.run("template", "log", "ol6-grid-rehearsal")).stdout).toMatch(
      /○ master ol6-grid-rehearsal@1\.0\.0.*\n└─● ol6-grid-rehearsal@1\.0\.0/,
    );
    const bundle = join(first.bundleFolder, "ol6-grid-rehearsal-1.0.0.qcow2");
    for (const image of [bundle, orphan()])
      expect((await tbuild.run("whois", image)).stdout).toMatch(
        /^ol6-grid-rehearsal@1\.0\.0 +its passport belongs to this version/,
      );
  });

  it("removes the build's key and password, arms the first boot, and marks the image as a rehearsal", async () => {
    await using tree = await sealedTree("ol6-grid-rehearsal");
    expect(await tree.text("/etc/sysconfig/ovmd")).toMatch(/^INITIAL_CONFIG=yes$/m);
    expect(await tree.text("/root/.ssh/authorized_keys")).toBeUndefined();
    expect(await tree.text("/etc/shadow")).toMatch(/^root:[!*]+:/m);
    expect(await tree.text("/etc/tbuild-release")).toMatch(/NAME="ol6-grid-rehearsal"\nVERSION="1.0.0"/);
    expect(await tree.text("/etc/tbuild-release")).toContain("REHEARSAL=yes");
    expect(await tree.text("/boot/grub/grub.conf")).toContain("console=hvc0");
  });

  itSlow("is deployed on Oracle VM Manager, whose CLI is simulated and whose machines are real", async () => {
    const bundle = join(tbuild.home, "bundles/ol6-grid-rehearsal-1.0.0/ol6-grid-rehearsal-1.0.0.tgz");
    await managerDeploymentOf(tbuild, { template: "ol6-grid-rehearsal", bundle, cwd: recipes });
  });

  const deployed =
    "is deployed on two nodes with shared disks, killed and finished, changed, and destroyed with nothing left";
  itSlow(deployed, async () => {
    await deploymentOf(tbuild, "ol6-grid-rehearsal", recipes);
    const { stdout } = await localHost().run(["find", join(tbuild.home, "deployments"), "-type", "f"]);
    expect(stdout).toBe("");
  });

  it("does nothing if nothing changed", async () => {
    expect((await resultOf(tbuild.run(...rehearse("--json")))).ran).toEqual({});
    // Its trial is finished, so the version that it tried stays.
    expect((await resultOf(tbuild.run(...rehearse("--no-trial", "--json")))).ran).toEqual({});
  });

  itSlow(
    "gives the same tree when sealed online and offline, except files that the guest itself writes",
    async () => {
      await writeFile(
        join(recipes, "recipes/ol6-online.yaml"),
        "extends: ol6-grid\nname: ol6-online\nversion: 1.0.0\nsummary: sealed online\nseal: { how: online }\nbundles: [qcow2]\n",
      );
      const untried = ["recipe", "ol6-online", "--rehearse", "--no-trial", "--json"];
      const { ran, manifest } = await resultOf(tbuild.run(...untried));
      expect(manifest.trial).toEqual([]);
      expect((await tbuild.run("template", "list")).stdout).toMatch(/ol6-online-rehearsal@1\.0\.0 .*untried/);
      // A master has its recipe's name.
      expect(Object.keys(ran)).toEqual([
        ...["keep-master", "convert-image", "seal-image", "audit-image"],
        ...["pack-bundles", "publish-template"],
      ]);
      const [offline, online] = [await listed("ol6-grid-rehearsal"), await listed("ol6-online-rehearsal")];
      expect(online.get("/etc/sysconfig/ovmd")).toBe(offline.get("/etc/sysconfig/ovmd"));
      const differing = [...new Set([...offline.keys(), ...online.keys()])].filter(
        (path) => offline.get(path) !== online.get(path) && path !== "/etc/tbuild-release",
      );
      expect(differing).toEqual([]);
    },
  );

  it("runs from the injection on after a change of a module's payload, and makes a new version", async () => {
    await appendFile(
      join(recipes, "recipes/modules/grid/payload/opt/tbuild/grid/configure.sh"),
      "# changed\n",
    );
    const plan = await tbuild.run("plan", "ol6-grid", "--rehearse");
    expect(plan.stdout).toMatch(/kept +provision-guest/);
    expect(plan.stdout).toMatch(/run +inject-modules.*\(module grid changed\)/);
    const second = await resultOf(tbuild.run(...rehearse("--json")));
    expect(second.manifest.version).toBe("1.0.1");
    expect(Object.keys(second.ran)[0]).toBe("inject-modules");
    // It costs no more than the trial and the packing: no machine is started to inject.
    const { "boot-trial": trial = 0, "pack-bundles": packing = 0, ...others } = second.ran;
    const rest = Object.values(others).reduce((sum, ms) => sum + ms, 0);
    expect(rest).toBeLessThan(0.4 * (trial + packing));
    const log = await readFile(join(second.folder, "log.jsonl"), "utf8");
    expect(log).toContain("-trial-1");
    expect(log).not.toContain("-inject");
    expect((await tbuild.run("template", "list")).stdout).toMatch(
      /ol6-grid-rehearsal@1\.0\.0[\s\S]*ol6-grid-rehearsal@1\.0\.1/,
    );
    expect((await tbuild.run("template", "diff", "ol6-grid-rehearsal")).stdout).toContain(
      "module:grid is another",
    );
    expect((await tbuild.run("template", "show", "ol6-grid-rehearsal")).stdout).toContain(
      "ol6-grid-rehearsal@1.0.1  (a rehearsal)",
    );
    expect((await tbuild.run("template", "verify")).code).toBe(0);
    // A clone of the first that was configured and rebooted, and has lost its passport.
    {
      await using opened = await openImageFile(localHost(), orphan());
      await opened.tree.remove("/etc/tbuild-release");
    }
    const { code, stdout } = await tbuild.run("whois", orphan());
    expect(stdout).toMatch(/^ol6-grid-rehearsal@1\.0\.0 +9\d % of the version's data is still in place; of/);
    expect(stdout).not.toContain("1.0.1");
    expect(code).toBe(0);
  });

  it("shows the output of a recipe's script that failed, and keeps the machine for inspection", async () => {
    await writeFile(
      join(recipes, "recipes/ol6-broken.yaml"),
      'extends: ol6-grid\nname: ol6-broken\nversion: 1.0.0\nscripts: [{ name: breaks, run: "echo no such thing as luck >&2; exit 3" }]\n',
    );
    const { code, stderr } = await tbuild.run("recipe", "ol6-broken", "--rehearse");
    expect(code).toBe(4);
    expect(stderr).toMatch(/ol6-broken-rehearsal: provision-guest: .*breaks/);
    expect(stderr).toContain("no such thing as luck");
    const machine = /watch it: +tbuild console (\S+)/.exec(stderr)?.[1] ?? "";
    expect((await tbuild.run("console")).stdout).toMatch(new RegExp(`${machine} +running`));

    const login = (await tbuild.run("console", machine, "--ssh")).stdout.trim();
    expect((await localHost().run(["sh", "-c", `${login} rpm -q ovmd`])).stdout).toMatch(/^ovmd-/);
    const console = tbuild.start("console", machine);
    console.stdin?.write("\n");
    await waitFor("the guest's prompt", async () => (console.said().includes("login:") ? true : undefined), {
      timeoutMs: 60_000,
    });
    console.stdin?.write("\u001d");
    expect((await console.ended).code).toBe(0);

    const advice = /delete it: +tbuild (clean \S+)/.exec(stderr)?.[1] ?? "";
    expect((await tbuild.run(...advice.split(" "))).stdout).toContain(`machine ${machine}: removed`);
    expect(await machinesRunning(tbuild.home)).toEqual([]);
  });

  it("runs every command that README.md and docs/ show", async () => {
    // The commands of docs/recipe.md are about its sample; test/recipes.test.ts builds that one's kickstart.
    const pages = (await readdir(join(repository, "docs"))).filter((name) =>
      /^(?!recipe\.).*\.md$/.test(name),
    );
    const texts = await Promise.all(
      ["README.md", ...pages.sort().map((page) => `docs/${page}`)].map((file) =>
        readFile(join(repository, file), "utf8"),
      ),
    );
    const shown = new Set(texts.flatMap(commandsShown));
    expect(shown.size).toBeGreaterThan(50);
    if (!isSlow) for (const line of slowCommands) expect(shown.delete(line), line).toBe(true);
    const image = join(tbuild.home, "System.img");
    const { gives } = await newest("convert-image", "ol6-grid-rehearsal");
    await localHost().run(["cp", "--sparse=always", gives.image, image]);
    // A machine of Oracle VM, and where it goes.
    const machine = join(tbuild.home, "machine");
    await mkdir(machine);
    await localHost().run(["cp", "--sparse=always", gives.image, join(machine, "System.img")]);
    await writeFile(
      join(machine, "vm.cfg"),
      "OVM_simple_name = 'db1'\nOVM_domain_type = 'xen_pvm'\nmemory = 1024\nbootloader = '/usr/bin/pygrub'\n" +
        "disk = ['file:System.img,xvda,w']\nvif = ['mac=00:21:f6:00:00:01,bridge=10a2b3']\n",
    );
    const standIns: Record<string, string> = {
      "System.img": image,
      "disk1.img": image,
      "disk2.img": join(machine, "System.img"),
      machine,
      "machine/vm.cfg": join(machine, "vm.cfg"),
      moved: join(tbuild.home, "moved"),
      copied: join(tbuild.home, "copied"),
      "modules/answer": join(repository, "test/firstboot/by-hand/answer"),
      "etc.tar.gz": join(tbuild.home, "etc.tar.gz"),
    };
    const standIn = (word: string) =>
      word.startsWith("System.img:/") ? `${image}${word.slice("System.img".length)}` : standIns[word];
    const slow: string[] = [];
    for (const line of shown) {
      const started = performance.now();
      const words = line.match(/"[^"]*"|\S+/g) ?? [];
      const args = words.slice(1).map((word) => standIn(word) ?? word.replaceAll('"', ""));
      const { code, stdout, stderr } = await tbuild.run(...args);
      const [wanted, answer] = elsewhere[line] ?? [0, ""];
      expect(code, `${line}\n${stderr}`).toBe(wanted);
      expect(`${stdout}${stderr}`, line).toContain(answer);
      const seconds = Math.round((performance.now() - started) / 1000);
      if (seconds >= 5) slow.push(`${seconds} s: ${line}`);
    }
    if (!isSlow) console.log(`left to make torture: ${slowCommands.join("; ")}`);
    console.log(`${shown.size} commands; of 5 s or more:\n${slow.join("\n")}`);
  });
});

/** The commands of a page: in its blocks of shell, and in the columns of its tables. */
function commandsShown(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = ""]) =>
    block.split("\n"),
  );
  const cells = [...text.matchAll(/\| `(tbuild [^`]+)` \|/g)].map(([, cell = ""]) => cell);
  return [...blocks, ...cells]
    .map((line) => line.replace(/ +#.*/, "").trim())
    .filter((line) => line.startsWith("tbuild "));
}

/** They build a second template, or start machines: minutes each. `make torture` runs them. */
const slowCommands = [
  "tbuild recipe ol6-base --rehearse",
  "tbuild recipe ol6-base ol6-grid --rehearse --jobs 2",
  "tbuild recipe ol6-grid --with-bases --rehearse",
  "tbuild twins System.img --recipe ol6-grid",
];

/** Commands with other results here than for a reader: there is no Oracle disc, no registry, and no machine was kept. */
const elsewhere: Record<string, [code: number, words: string]> = {
  // They ask on a terminal; questions.test.ts answers.
  "tbuild recipe ol6-grid --rehearse --debug": [2, "it asks on a terminal"],
  "tbuild recipe ol6-grid --rehearse --on-error ask": [2, "it asks on a terminal"],
  // The recipes of this test are in no repository.
  "tbuild recipe --changed-since origin/main": [2, "is not in a git repository"],
  "tbuild recipe --changed-since origin/main --matrix": [2, "is not in a git repository"],
  "tbuild manager": [2, "has no manager"],
  "tbuild manager trust": [2, "has no manager"],
  "tbuild manager template build1 --name ol6-base --to pvhvm --plan": [2, "no server that holds the Manager"],
  "tbuild manager template build1 --name ol6-base --to pvhvm --description ol6-base@1.0.0": [
    2,
    "no server that holds the Manager",
  ],
  "tbuild manager import ol6-grid-1.0.0.tgz --description ol6-grid@1.0.0": [2, "has no manager"],
  "tbuild manager import http://web.example.com/ol6-grid-1.0.0.tgz --description ol6-grid@1.0.0": [
    2,
    "has no manager",
  ],
  "tbuild recipe ol6-grid": [3, "OracleLinux-R6-U10-Server-x86_64-dvd.iso"],
  "tbuild deploy docs/examples/standalone.yaml --plan": [
    2,
    "standalone.yaml:4:11: ol6-grid@stable: no such template",
  ],
  "tbuild deploy docs/examples/rac-2node.yaml --plan": [
    2,
    "rac-2node.yaml:4:11: ol6-grid@stable: no such template",
  ],
  "tbuild deploy import netconfig.ini --params params.ini": [2, "netconfig.ini: no such file"],
  "tbuild scan /OVS/Repositories": [2, "/OVS/Repositories: no such folder"],
  "tbuild scan root@ovs1:/OVS/Repositories": [3, "root@ovs1: no ssh connection"],
  "tbuild scan --machines /OVS/Repositories": [2, "/OVS/Repositories: no such folder"],
  "tbuild scan --machines root@ovs1:/OVS/Repositories/R1 root@ovs1:/OVS/Repositories/R2": [
    3,
    "root@ovs1: no ssh connection",
  ],
  "tbuild migrate root@ovs1:/OVS/Repositories/R/VirtualMachines/ID --to olvm-ova --stopped": [
    3,
    "root@ovs1: no ssh connection",
  ],
  "tbuild migrate OVM_OL6U10_x86_64_PVM.tgz --to proxmox": [2, "there is no such file"],
  "tbuild recipe import anaconda-ks.cfg": [2, "anaconda-ks.cfg: no such file"],
  "tbuild media inspect": [3, "no installation disc found"],
  "tbuild media make ol6-grid": [3, "OracleLinux-R6-U10-Server-x86_64-dvd.iso"],
  "tbuild template import OVM_OL6U10_x86_64_PVM.tgz": [2, "OVM_OL6U10_x86_64_PVM.tgz: no such file"],
  "tbuild console MACHINE": [2, "MACHINE: no such machine"],
  "tbuild template push ol6-grid-rehearsal registry.example/templates": [3, "cannot be reached"],
  "tbuild template pull registry.example/templates/ol6-grid-rehearsal:1.0.0": [3, "cannot be reached"],
  "tbuild console MACHINE --ssh": [2, "MACHINE: no such machine"],
  "tbuild message ol6-grid-rehearsal --values vm001.yaml --as ovf --output ovf.iso": [
    2,
    "vm001.yaml: cannot be read",
  ],
  "tbuild message ol6-grid-rehearsal --values vm001.yaml --as ovf --output vm001.iso": [
    2,
    "vm001.yaml: cannot be read",
  ],
  "tbuild message ol6-grid-rehearsal --values vm001.yaml --as nocloud --output seed.iso": [
    2,
    "vm001.yaml: cannot be read",
  ],
  "tbuild message ol6-grid-rehearsal --values vm001.yaml --machine vm001": [2, "vm001.yaml: cannot be read"],
  "tbuild twins clone1.img clone2.img": [2, "clone1.img: there is no such file"],
  "tbuild whois orphan.img": [2, "orphan.img: there is no such file"],
  "tbuild template promote ol6-grid@1.0.0 stable": [2, "no such template"],
  "tbuild template rollback ol6-grid stable": [2, "has no channel stable"],
  "tbuild seal --check --residue System.img": [1, "pending"],
  "tbuild cp --plan hosts System.img:/etc/hosts": [2, "hosts: there is no such file"],
  "tbuild edit System.img:/etc/fstab": [2, "there is no terminal for an editor"],
  "tbuild tar-in --plan files.tar.gz System.img:/": [2, "files.tar.gz: there is no such file"],
};

/** The newest result of a step of a recipe. */
async function newest(step: string, recipe: string): Promise<{ gives: { image: string } }> {
  const found = await new Checkpoints(join(tbuild.home, "checkpoints")).last(recipe, step);
  return { gives: z.object({ image: z.string() }).parse(found?.gives) };
}

/** The newest sealed image of a recipe, for reading. */
async function sealedTree(recipe: string): Promise<GuestTree> {
  const sealed = await newest("seal-image", recipe);
  const mounts = await mountsOf(sealed.gives.image);
  const access = await chooseAccess(
    localHost(),
    sealed.gives.image,
    mounts.map((mount) => mount.volume),
  );
  return access.open(sealed.gives.image, mounts, { readOnly: true });
}

/** Path → kind and content of every file that sealing affects. */
async function listed(recipe: string): Promise<Map<string, string>> {
  await using tree = await sealedTree(recipe);
  const found = new Map<string, string>();
  async function walk(path: string): Promise<void> {
    const at = await tree.stat(path);
    if (!at) return;
    // The UUIDs of a template's volumes depend on its recipe's name.
    const text = (data: Uint8Array) =>
      Buffer.from(data)
        .toString("latin1")
        .replaceAll(/UUID=[\da-f-]{36}/g, "UUID=of a volume");
    const content =
      at.kind === "file" ? text((await tree.read(path)) ?? new Uint8Array()) : (at.target ?? "");
    found.set(path, `${at.kind} ${at.mode.toString(8)} ${at.uid}:${at.gid} ${content}`);
    if (at.kind === "dir") for (const name of await tree.list(path)) await walk(`${path}/${name}`);
  }
  for (const path of [
    "/etc",
    "/root",
    "/home",
    "/boot/grub",
    "/opt",
    "/u01",
    "/var/spool",
    "/var/lib/dhclient",
    "/var/lib/dbus",
    "/tmp",
    "/var/tmp",
  ])
    await walk(path);
  return found;
}
