import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { GuestMode } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type Login, sshAnswers, sshCommand, sshHost } from "../host/ssh.ts";
import { sleep, waitFor } from "../host/wait-for.ts";
import {
  type Address,
  buildNetwork,
  type DiskContent,
  type Messages,
  type VmSpec,
} from "../hypervisor/hypervisor.ts";
import { namesIn } from "../io/durable.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import type { BuildContext, MachineContext } from "./step.ts";

/** The names of a build's machines. All start with the build's id, so machines can be found after a crash. */
export function machineName(context: Pick<BuildContext, "id">, purpose: string): string {
  return `${context.id}-${purpose}`;
}

/** What a build's folder keeps of a machine, to examine it after a failure. `ssh` is the login command. */
export function machineFile(
  buildFolder: string,
  machine: string,
  what: "ssh" | "password" | "askpass" | "iso",
): string {
  return join(buildFolder, `${machine}.${what}`);
}

/** The folder of the build that a machine belongs to: its name starts with the build's id. */
export function folderOfMachine(builds: string, machine: string): string {
  return join(builds, /^.*-[0-9a-f]{6}(?=-)/.exec(machine)?.[0] ?? machine);
}

/** Removes the login data of a machine that no longer exists or needs no login. */
export async function forgetLogin(buildFolder: string, machine: string): Promise<void> {
  for (const file of await namesIn(buildFolder))
    if (file.startsWith(`${machine}.`)) await rm(join(buildFolder, file), { force: true });
}

/** Removes a machine of this build and its login data, if they exist. */
export async function discard(
  context: Pick<BuildContext, "id" | "folder" | "hypervisor">,
  purpose: string,
): Promise<void> {
  const name = machineName(context, purpose);
  await context.hypervisor.destroy(name);
  await forgetLogin(context.folder, name);
}

/** A machine for this recipe. `addresses` are the guest's future addresses, if known. */
export function machineSpec(
  recipe: Pick<Recipe, "machine" | "nics" | "release">,
  name: string,
  disk: DiskContent,
  options: {
    readonly cdroms?: readonly string[];
    readonly macs: readonly string[];
    readonly address?: string;
    /** Default: `hvm`, because a master is installed and provisioned as an HVM guest. */
    readonly domainType?: GuestMode;
    /** After the system disk. */
    readonly further?: readonly DiskContent[];
  },
): VmSpec {
  return {
    name,
    domainType: options.domainType ?? "hvm",
    vcpus: recipe.machine.vcpus,
    memoryMib: recipe.machine.memory,
    disks: [disk, ...(options.further ?? [])].map((content, slot) => ({ slot, mode: "write", content })),
    cdroms: options.cdroms ?? [],
    nics: recipe.nics.map((network, index) => ({
      // During a build, only the first nic needs a network.
      network: index === 0 ? buildNetwork : network,
      mac: options.macs[index] ?? "",
      ...(index === 0 && options.address !== undefined && { address: options.address }),
    })),
    ...(recipe.machine.firmware === "uefi" && { firmware: "uefi" as const }),
    guest: { release: majorOf(recipe.release) },
  };
}

/** MACs with Oracle's prefix, always the same for the same purpose. */
export function fixedMacs(count: number): string[] {
  return Array.from(
    { length: count },
    (_, index) => `00:21:f6:00:00:${(index + 1).toString(16).padStart(2, "0")}`,
  );
}

/** A running guest that accepts logins. */
export interface LiveGuest {
  readonly host: Host;
  readonly name: string;
}

/** Starts a defined machine and waits until ssh answers. The console is logged in the build's folder. */
export async function bootGuest(
  context: MachineContext,
  name: string,
  login: Login,
  options: { readonly timeoutMs?: number } = {},
): Promise<LiveGuest> {
  await context.hypervisor.start(name);
  context.progress("booting");
  return { name, host: await loggedIn(context, name, login, options.timeoutMs ?? 300_000) };
}

/** Waits until ssh answers, and `isIt` accepts the guest that answers. */
export async function loggedIn(
  context: MachineContext,
  name: string,
  login: Login,
  timeoutMs: number,
  isIt: (guest: Host) => Promise<boolean> = async () => true,
): Promise<Host> {
  let known: Address | undefined;
  const { patience = 1 } = context.hypervisor;
  return waitFor(
    `${name}: ssh`,
    async (last) => {
      if ((await context.hypervisor.state(name)) !== "running") throw await fallen(context, name);
      const address = await context.hypervisor.address(name);
      if (!address && last) throw await unreached(context, name, "its address is unknown");
      if (!address) return undefined;
      const target = { ...address, user: "root", login, patience };
      if (address.host !== known?.host || address.port !== known.port)
        await context.host.writeFile(
          machineFile(context.folder, name, "ssh"),
          Buffer.from(sshCommand(target)),
          0o600,
        );
      known = address;
      // If the connection goes through another machine, an open port proves nothing: only a login shows
      // whether the guest answers.
      if (!last && target.through === undefined && !(await sshAnswers(target.host, target.port)))
        return undefined;
      const host = sshHost(target, (argv) => context.report({ type: "command", host: name, argv }));
      try {
        await host.run(["true"], { timeoutMs: patient(context, 20_000), signal: context.signal });
        return (await isIt(host)) ? host : undefined;
      } catch (error) {
        if (last) throw await unreached(context, name, "ssh does not answer", error);
        return undefined;
      }
    },
    { timeoutMs: patient(context, timeoutMs), everyMs: 500, signal: context.signal },
  );
}

/**
 * Works with a running machine, and fails immediately if the machine cannot continue. If the host's disk is
 * full, the machine stops silently, and it would take long to notice on its console or by ssh.
 */
export async function whileRunning<T>(context: MachineContext, name: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const signal = AbortSignal.any([context.signal, done.signal]);
  const unable = context.hypervisor.waitStopped(name, { timeoutMs: 24 * 3_600_000, signal }).then(
    () => work,
    (error) => (error instanceof TbuildError ? Promise.reject(error) : work),
  );
  try {
    return await Promise.race([work, unable]);
  } finally {
    done.abort();
    unable.catch(() => {});
  }
}

/** A time limit for a guest on this hypervisor, in ms. */
export function patient({ hypervisor }: Pick<MachineContext, "hypervisor">, ms: number): number {
  return ms * (hypervisor.patience ?? 1);
}

/** Shuts a guest down from the inside, as an operator would, and waits until the machine has stopped. */
export async function shutDown(context: MachineContext, guest: LiveGuest): Promise<void> {
  context.progress("shutting down");
  // The command loses its connection, so success means that the machine stops.
  await guest.host.run(["sh", "-c", "sync; (sleep 1; exec poweroff) >/dev/null 2>&1 </dev/null &"], {
    signal: context.signal,
  });
  const how = await context.hypervisor.waitStopped(guest.name, {
    timeoutMs: patient(context, 180_000),
    signal: context.signal,
  });
  if (how !== "guest-shutdown") throw await fallen(context, guest.name);
}

/** Logs the console in the build's folder while the machine runs. Ends with the machine. */
export async function* teeConsole(context: MachineContext, name: string): AsyncIterable<string> {
  for await (const line of context.hypervisor.console(name, context.signal)) {
    context.report({ type: "output", from: name, line });
    yield line;
  }
}

/** Stores a PNG of the screen for the report. Without a picture, the build still succeeds. */
export async function takePicture(
  context: MachineContext,
  step: string,
  name: string,
  text: string,
): Promise<void> {
  const file = join(context.folder, "pictures", `${name}-${text.replaceAll(/\W+/g, "-")}.png`);
  if (!context.hypervisor.picture) return;
  try {
    const picture = await context.hypervisor.picture(name);
    if (picture === undefined) return;
    await context.host.writeFile(file, picture);
    context.report({ type: "picture", step, file, text });
  } catch (error) {
    context.report({
      type: "note",
      text: `no picture of ${name}: ${error instanceof Error ? error.message : error}`,
    });
  }
}

/**
 * Waits until the guest reports `key` with a value that `wanted` accepts. Returns all values that it
 * reported.
 */
export async function reported(
  context: MachineContext,
  messages: Messages,
  key: string,
  wanted: (value: string) => boolean,
  timeoutMs: number,
): Promise<string> {
  return waitFor(
    `message ${key}`,
    async () =>
      messages.received().findLast((message) => message.key === key && wanted(message.value))?.value,
    { timeoutMs: patient(context, timeoutMs), everyMs: 200, signal: context.signal },
  );
}

export async function consoleTail(
  context: Pick<BuildContext, "hypervisor">,
  name: string,
  count = 20,
): Promise<string[]> {
  const lines = (await context.hypervisor.consoleText(name)).split(/[\r\n]+/);
  return lines.filter((line) => line.trim() !== "").slice(-count);
}

async function unreached(
  context: MachineContext,
  name: string,
  why: string,
  cause?: unknown,
): Promise<TbuildError> {
  return new TbuildError("guest", why, {
    subject: name,
    cause,
    hint: `Read its console in ${context.hypervisor.consolePlace(name)}. If the host is slow, raise hypervisor.patience in the site file.`,
    lines: await consoleTail(context, name),
  });
}

async function fallen(context: MachineContext, name: string): Promise<TbuildError> {
  await sleep(200);
  return new TbuildError("guest", "the machine stopped unexpectedly", {
    subject: name,
    hint: `Read its console in ${context.hypervisor.consolePlace(name)}.`,
    lines: await consoleTail(context, name),
  });
}
