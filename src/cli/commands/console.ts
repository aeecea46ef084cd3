import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import type { Command } from "commander";
import { allCheckpoints } from "../../build/checkpoint.ts";
import { TbuildError } from "../../errors.ts";
import { shellQuoted } from "../../host/local.ts";
import { sshArgv } from "../../host/ssh.ts";
import { openSite } from "../open-site.ts";
import { table } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { home, hypervisor } = await openSite(command);
  const name = args[0] as string | undefined;
  if (name === undefined) {
    const machines = await hypervisor.list();
    const rows = await Promise.all(
      machines.map(async (machine) => [machine, await hypervisor.state(machine)]),
    );
    process.stdout.write(rows.length === 0 ? "no machines\n" : `${table(rows)}\n`);
    return;
  }
  if ((await hypervisor.state(name)) !== "running")
    throw new TbuildError("environment", `${name}: is not running`, {
      hint: `Its console so far: ${hypervisor.consoleFiles(name).log}`,
    });
  if (command.opts<{ ssh?: boolean }>().ssh) {
    const key = await keyFor(home.checkpoints, home.builds, name);
    const address = await hypervisor.address(name);
    process.stdout.write(`${shellQuoted(sshArgv({ ...address, user: "root", login: { key } }))}\n`);
    return;
  }
  await joinConsole(hypervisor.consoleFiles(name).socket);
}

/** The build key of the newest installation that this machine can have come from. */
async function keyFor(checkpoints: string, builds: string, machine: string): Promise<string> {
  const known = (await allCheckpoints(checkpoints)).filter(
    (c) => c.step === "install-guest" && machine.startsWith(`${c.recipe}-`),
  );
  const newest = known.sort((a, b) => b.made.localeCompare(a.made))[0];
  if (newest && "key" in newest.gives) return String(newest.gives.key);
  const parts = (await readdir(checkpoints).catch(() => [])).filter((name) => name.endsWith(".part"));
  throw new TbuildError("environment", `${machine}: has no build key yet`, {
    hint: `It is still being installed${parts.length > 0 ? "" : " or was cleaned"}; log in on its console, the root password is in ${join(builds, machine.replace(/-[^-]+$/, ""), "root-password")}.`,
  });
}

// Ctrl-] leaves, as in telnet and virsh.
function joinConsole(socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const line = connect(socket);
    const terminal = process.stdin;
    const leave = () => {
      if (terminal.isTTY) terminal.setRawMode(false);
      terminal.pause();
      line.destroy();
      resolve();
    };
    line.once("error", (error) => reject(new TbuildError("environment", `${socket}: ${error.message}`)));
    line.once("connect", () => {
      process.stderr.write("joined; Enter shows a prompt, Ctrl-] leaves\r\n");
      if (terminal.isTTY) terminal.setRawMode(true);
      terminal.on("data", (data) => (data.includes(0x1d) ? leave() : line.write(data)));
      line.on("data", (data) => process.stdout.write(data));
      line.once("close", leave);
    });
  });
}
