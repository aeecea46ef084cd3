import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { expect } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { sshHost } from "../../src/host/ssh.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { machinesRunning, processes, type Tbuild } from "./tbuild.ts";

const password = "e2e-rootpassword-7731";

const file = (template: string, more: { nodes: number; disks: readonly string[] }) => `name: rac
template: ${template}
shared: [${more.disks.map((name) => `{ name: ${name}, size: 16M }`).join(", ")}]
machines:
  - name: rac[1-${more.nodes}]
    nics: [{ network: public, address: "10.0.2.{number+30}/24", gateway: 10.0.2.2 }]
    shared: [${more.disks.join(", ")}]
values: { com.oracle.linux.root-password: { file: root-password } }
`;

/**
 * The life of a deployment on real machines: two nodes with shared disks, killed while they configure themselves and finished;
 * rebooted; a disk and a node added; destroyed. `cwd` is where tbuild runs.
 */
export async function deploymentOf(tbuild: Tbuild, template: string, cwd: string): Promise<void> {
  const path = join(cwd, "rac.yaml");
  const write = (nodes: number, disks: readonly string[]) =>
    writeFile(path, file(template, { nodes, disks }));
  await writeFile(join(cwd, "root-password"), `${password}\n`);
  const askpass = join(cwd, "askpass");
  await writeFile(askpass, `#!/bin/sh\nexec cat '${join(cwd, "root-password")}'\n`, { mode: 0o700 });
  const said: string[] = [];
  const deploy = async (...more: string[]) => {
    const { code, stdout, stderr } = await tbuild.run("deploy", "rac.yaml", "--json", "--yes", ...more);
    said.push(stdout, stderr);
    expect(code, `${stderr}\n${stdout.split("\n").slice(-20).join("\n")}`).toBe(0);
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  };
  const guests = async (): Promise<Host[]> => {
    const plan = await deploy();
    expect(plan.at(-1)).toMatchObject({ type: "plan", idle: true });
    return await Promise.all(
      (await machinesRunning(tbuild.home)).sort().map(async (command) => {
        const [, port = ""] = /hostfwd=tcp:127\.0\.0\.1:(\d+)/.exec(command) ?? [];
        const guest = sshHost({ host: "127.0.0.1", port: Number(port), user: "root", login: { askpass } });
        return await waitFor(
          "ssh",
          async () =>
            (await guest.run(["true"]).then(
              () => true,
              () => undefined,
            ))
              ? guest
              : undefined,
          { timeoutMs: 240_000 },
        );
      }),
    );
  };
  const blocks = (guest: Host, device: string) =>
    guest
      .run(["dd", `if=/dev/${device}`, "bs=512", "count=1", "iflag=direct"])
      .then(({ stdout }) => stdout.slice(0, 5));

  await write(2, ["asm1", "asm2", "asm3"]);
  const killed = tbuild.start("deploy", "rac.yaml", "--json", "--yes");
  for await (const line of createInterface(killed.stdout as Readable))
    if (JSON.parse(line).text === "configuring itself") killed.kill("SIGKILL");
  await killed.ended;
  expect(await machinesRunning(tbuild.home)).toHaveLength(2);
  const finished = await deploy();
  expect(finished.at(-1)).toMatchObject({ type: "done", unconfirmed: [] });

  const [one, other] = await guests();
  if (!one || !other) throw new Error("two nodes were deployed");
  for (const [slot, device] of ["vdb", "vdc", "vdd"].entries()) {
    const word = `asm${slot + 1}!`;
    await one.run(["dd", `of=/dev/${device}`, "bs=512", "conv=sync,fsync", "oflag=direct"], { input: word });
    expect(await blocks(other, device)).toBe(word);
  }
  expect((await one.run(["hostname"])).stdout.trim()).toBe("rac1");
  expect((await other.run(["hostname"])).stdout.trim()).toBe("rac2");

  const boot = async () => (await one.run(["cat", "/proc/sys/kernel/random/boot_id"])).stdout;
  const first = await boot();
  await one.run(["sh", "-c", "(sleep 1; exec reboot) >/dev/null 2>&1 </dev/null &"]);
  await waitFor(
    "another boot",
    async () => ((await boot().catch(() => first)) === first ? undefined : true),
    { timeoutMs: 240_000, everyMs: 500 },
  );
  // Quiet: it is not armed, and did not ask for messages again.
  await one.run([
    "sh",
    "-c",
    "! grep -is '^INITIAL_CONFIG=.*yes' /etc/sysconfig/ovmd /etc/sysconfig/ovm-template-initial-config",
  ]);

  await write(3, ["asm1", "asm2", "asm3", "asm4"]);
  const changed = await deploy();
  const parts = changed[0].parts as { name: string; action: string }[];
  expect(Object.fromEntries(parts.map(({ name, action }) => [name, action]))).toMatchObject({
    rac1: "change",
    rac2: "change",
    rac3: "create",
    "rac-asm4": "create",
    "rac-asm1": "keep",
  });
  const three = await guests();
  expect(three).toHaveLength(3);
  for (const guest of three)
    for (const [slot, device] of ["vdb", "vdc", "vdd"].entries())
      expect(await blocks(guest, device)).toBe(`asm${slot + 1}!`);

  const told = [
    ...said,
    await readFile(join(tbuild.home, "deployments/states/rac.json"), "utf8"),
    ...(await processes()),
  ].join("\n");
  expect(told).not.toContain(password);
  await deploy("--destroy");
  expect(await machinesRunning(tbuild.home)).toEqual([]);
}
