import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Duplex } from "node:stream";
import type { Command } from "commander";
import { folderOfMachine, machineFile } from "../../build/guest-machine.ts";
import { TbuildError } from "../../errors.ts";
import { deploymentHypervisor } from "../open-place.ts";
import { openSite } from "../open-site.ts";
import { table } from "../table.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const opened = await openSite(command);
  const { home } = opened;
  const hypervisors = [opened.hypervisor, await deploymentHypervisor(opened)];
  const name = args[0] as string | undefined;
  if (name === undefined) {
    const rows = new Map<string, string[]>();
    for (const one of hypervisors)
      for (const machine of await one.list()) rows.set(machine, [machine, await one.state(machine)]);
    process.stdout.write(rows.size === 0 ? "no machines\n" : `${table([...rows.values()])}\n`);
    return;
  }
  const [ofBuilds] = hypervisors;
  const states = await Promise.all(hypervisors.map((one) => one.state(name)));
  if (states.every((state) => state === "absent"))
    throw new TbuildError("usage", "no such machine", {
      subject: name,
      hint: "`tbuild console` lists the machines.",
    });
  const hypervisor = hypervisors[states.indexOf("running")] ?? ofBuilds ?? opened.hypervisor;
  if (!states.includes("running"))
    throw new TbuildError("environment", "is not running", {
      subject: name,
      hint: `Its console output so far: ${hypervisor.consolePlace(name)}`,
    });
  if (command.opts<{ ssh?: boolean }>().ssh) {
    process.stdout.write(`${await sshCommandOf(home.builds, name)}\n`);
    return;
  }
  await joinTerminal(await hypervisor.joinConsole(name));
}

async function sshCommandOf(builds: string, machine: string): Promise<string> {
  const folder = folderOfMachine(builds, machine);
  const text = await readFile(machineFile(folder, machine, "ssh"), "utf8").catch(() => undefined);
  if (text !== undefined) return text;
  throw new TbuildError("environment", "ssh is not available", {
    subject: machine,
    hint: withoutSsh(folder, machine),
  });
}

/** Why nobody can log in to a machine by ssh, and what to do instead. The machine's name ends with its purpose. */
export function withoutSsh(folder: string, machine: string): string {
  const itsConsole = `\`tbuild console ${machine}\``;
  const purpose = machine.startsWith(`${basename(folder)}-`)
    ? machine.slice(basename(folder).length + 1)
    : "";
  if (purpose === "")
    return `It belongs to a deployment, whose values define its users. Its console: ${itsConsole}.`;
  if (purpose === "install")
    return `It is still being installed. Log in on its console; the root password is in ${join(folder, "root-password")}.`;
  if (purpose.startsWith("trial-"))
    return `Nobody can log in to this clone until its first boot has configured it. Watch the first boot on its console: ${itsConsole}.`;
  return `It is still booting. Its console: ${itsConsole}.`;
}

// Ctrl-] leaves, as in telnet and virsh.
function joinTerminal(line: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    const terminal = process.stdin;
    const leave = () => {
      if (terminal.isTTY) terminal.setRawMode(false);
      // Pausing is not enough: if a pipe stays open, the process keeps waiting.
      terminal.destroy();
      line.destroy();
      resolve();
    };
    process.stderr.write("connected; press Enter for a prompt, Ctrl-] to leave\r\n");
    if (terminal.isTTY) terminal.setRawMode(true);
    terminal.on("data", (data) => (data.includes(0x1d) ? leave() : line.write(data)));
    line.on("data", (data) => process.stdout.write(data));
    line.once("error", (error) =>
      reject(new TbuildError("environment", `the console is gone: ${error.message}`, { cause: error })),
    );
    line.once("close", leave);
  });
}
