import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { expect } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { sshHost } from "../../src/host/ssh.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { machinesRunning, processes, type Tbuild } from "./tbuild.ts";

const password = "e2e-rootpassword-4417";

const file = (template: string, more: { nodes: number; disks: readonly string[] }) => `name: rac
template: ${template}
shared: [${more.disks.map((name) => `{ name: ${name}, size: 16M }`).join(", ")}]
machines:
  - name: rac[1-${more.nodes}]
    memory: 512M
    nics: [{ network: public, dhcp: true }, { network: private }]
    shared: [${more.disks.join(", ")}]
    values: { com.oracle.linux.network.hostname: "{name}" }
values: { com.oracle.linux.root-password: { file: root-password } }
`;

/**
 * The life of a deployment on Oracle VM Manager: its CLI is simulated, and behind it are real machines of the template that is
 * imported from `bundle`. Two nodes with three shared disks are deployed, killed while they configure themselves, and finished; one
 * reboots; a disk and a node are added; all is destroyed. `cwd` is where tbuild runs.
 */
export async function managerDeploymentOf(
  tbuild: Tbuild,
  { template, bundle, cwd }: { template: string; bundle: string; cwd: string },
): Promise<void> {
  await writeFile(join(cwd, "root-password"), `${password}\n`);
  await writeFile(join(cwd, "manager-password"), "Welcome1\n");
  const askpass = join(cwd, "askpass");
  await writeFile(askpass, `#!/bin/sh\nexec cat '${join(cwd, "root-password")}'\n`, { mode: 0o700 });
  await using web = await served(bundle);
  const simulator = tbuild.start("manager", "simulate", "--back-with", "qemu", "--json");
  let log = "";
  simulator.stderr?.on("data", (text) => {
    log += text;
  });
  try {
    const [line] = (await once(createInterface(simulator.stdout as Readable), "line")) as [string];
    const { cli } = JSON.parse(line) as { cli: { port: number; hostKey: string } };
    await writeFile(
      join(cwd, "manager-site.yaml"),
      `manager:
  { host: 127.0.0.1, port: ${cli.port}, hostKey: "${cli.hostKey}", password: { file: manager-password }, repository: repo1, guestSeconds: 0 }
`,
    );
    const said: string[] = [];
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await tbuild.run("--site", "manager-site.yaml", ...args);
      said.push(stdout, stderr);
      expect(code, `${stderr}\n${stdout.split("\n").slice(-20).join("\n")}`).toBe(0);
      return stdout;
    };
    const deploy = async (...more: string[]) =>
      (await run("deploy", "rac.yaml", "--json", "--yes", "--grace", "3", ...more))
        .trim()
        .split("\n")
        .map((one) => JSON.parse(one));
    /** The Manager's machines, and the data of their disks. */
    const inventory = async () => ({
      vms: JSON.parse(await run("manager", "--json")).vms,
      disks: (await readdir(join(tbuild.home, "simulator/data/disks"))).sort(),
    });
    const guest = (name: string): Host => {
      const [, port] =
        [...log.matchAll(new RegExp(`^${name} (?:runs|reboots): ssh -p (\\d+)`, "gm"))].at(-1) ?? [];
      return sshHost({ host: "127.0.0.1", port: Number(port), user: "root", login: { askpass } });
    };
    const reached = async (name: string): Promise<Host> => {
      const answers = () =>
        guest(name)
          .run(["true"])
          .then(
            () => true,
            () => undefined,
          );
      await waitFor(`ssh to ${name}`, answers, { timeoutMs: 240_000 });
      return guest(name);
    };
    const firstWord = (host: Host, device: string) =>
      host
        .run(["dd", `if=/dev/${device}`, "bs=512", "count=1", "iflag=direct"])
        .then(({ stdout }) => stdout.slice(0, 5));
    const expectDone = (events: readonly { type: string }[]) =>
      expect(events.at(-1)).toMatchObject({ type: "done", unconfirmed: [] });

    await run("manager", "import", web.url, "--description", `${template}@1.0.0`);
    const before = await inventory();
    expect(before.disks).toHaveLength(1);

    await writeFile(join(cwd, "rac.yaml"), file(template, { nodes: 2, disks: ["asm1", "asm2", "asm3"] }));
    const killed = tbuild.start("--site", "manager-site.yaml", "deploy", "rac.yaml", "--json", "--yes");
    for await (const event of createInterface(killed.stdout as Readable))
      if (JSON.parse(event).text === "configuring itself") killed.kill("SIGKILL");
    const { stderr } = await killed.ended;
    expect(log, stderr).toContain("rac1 runs");
    expectDone(await deploy());
    expect((await deploy()).at(-1)).toMatchObject({ type: "plan", idle: true });

    const [one, other] = [await reached("rac1"), await reached("rac2")];
    for (const [slot, device] of ["vdb", "vdc", "vdd"].entries()) {
      const word = `asm${slot + 1}!`;
      await one.run(["dd", `of=/dev/${device}`, "bs=512", "conv=sync,fsync", "oflag=direct"], {
        input: word,
      });
      expect(await firstWord(other, device)).toBe(word);
    }
    expect((await one.run(["hostname"])).stdout.trim()).toBe("rac1");
    expect((await other.run(["hostname"])).stdout.trim()).toBe("rac2");

    // The second boot is quiet: nothing is armed, no message is sent, and nothing is left to do.
    const messages = () => [...log.matchAll(/sendVmMessage/g)].length;
    const sent = messages();
    await one.run(["sh", "-c", "(sleep 1; exec reboot) >/dev/null 2>&1 </dev/null &"]);
    await waitFor("the reboot", async () => log.includes("rac1 reboots") || undefined, {
      timeoutMs: 240_000,
    });
    await (await reached("rac1")).run([
      "sh",
      "-c",
      "! grep -is '^INITIAL_CONFIG=.*yes' /etc/sysconfig/ovmd /etc/sysconfig/ovm-template-initial-config",
    ]);
    expect((await deploy()).at(-1)).toMatchObject({ type: "plan", idle: true });
    expect(messages()).toBe(sent);

    const disks = ["asm1", "asm2", "asm3", "asm4"];
    await writeFile(join(cwd, "rac.yaml"), file(template, { nodes: 3, disks }));
    const changed = await deploy();
    const parts = changed[0].parts as { name: string; action: string }[];
    expect(Object.fromEntries(parts.map(({ name, action }) => [name, action]))).toMatchObject({
      rac1: "change",
      rac2: "change",
      rac3: "create",
      "rac-asm4": "create",
      "rac-asm1": "keep",
    });
    expectDone(changed);
    for (const name of ["rac1", "rac2", "rac3"]) {
      const host = await reached(name);
      for (const [slot, device] of ["vdb", "vdc", "vdd"].entries())
        expect(await firstWord(host, device)).toBe(`asm${slot + 1}!`);
      await host.run(["test", "-b", "/dev/vde"]);
    }
    // Only the new node got messages: as many as each of the others.
    expect(messages() - sent).toBe(5);

    const state = await readFile(join(tbuild.home, "deployments/states/rac.json"), "utf8");
    expect([...said, log, state, ...(await processes())].join("\n")).not.toContain(password);
    await deploy("--destroy");
    expect(await inventory()).toEqual(before);
    expect(await machinesRunning(tbuild.home)).toEqual([]);
  } finally {
    simulator.kill("SIGINT");
    await simulator.ended;
  }
  expect(await machinesRunning(tbuild.home)).toEqual([]);
}

/** Serves one file on the loopback. */
async function served(path: string): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_, response) => void createReadStream(path).pipe(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/template-1.0.0.tgz`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
