import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { CloneDetector, GuestMode } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { initialConfigKey } from "../firstboot/additions.ts";
import { rootPasswordKey } from "../firstboot/shipped.ts";
import { type Identity, readIdentity } from "../guest/identity.ts";
import { compareImages, type TwinReport } from "../guest/twins.ts";
import type { Host } from "../host/host.ts";
import { shellQuoted } from "../host/local.ts";
import type { Login } from "../host/ssh.ts";
import { waitFor } from "../host/wait-for.ts";
import type { BuildAddresses, MessageChannel } from "../hypervisor/hypervisor.ts";
import { liveGuest } from "../image/ways/mounted-tree.ts";
import type { Recipe } from "../recipe/recipe.ts";
import {
  consoleTail,
  discard,
  loggedIn,
  machineFile,
  machineName,
  machineSpec,
  patient,
  reported,
  takePicture,
} from "./guest-machine.ts";
import type { MachineContext } from "./step.ts";
import { configured } from "./trial-configuration.ts";
import { configuredByDisc, proveRecorded, valuesDisc } from "./trial-disc.ts";

/** The machines of the clones, and the values to configure them with. */
export type Trial = Pick<Recipe, "machine" | "nics" | "release" | "trial"> & {
  /** The mode in which the clones boot. Default: `hvm`. */
  readonly mode?: GuestMode;
  /** How clones are detected. Default: by the flag of the guest additions. */
  readonly detect?: CloneDetector;
};

/** A clone that was configured and rebooted: the observations, one sentence each, and its identities. */
export interface TriedClone {
  readonly seen: readonly string[];
  readonly identity: Identity;
}

/**
 * Boots disposable clones of `images` (the system disk, then further disks) with new MACs, configures them by
 * first-boot messages with the root password last, checks them, and reboots each. Afterwards, all are
 * stopped; `discardClones` removes them.
 */
export async function tryClones(
  context: MachineContext,
  trial: Trial,
  images: readonly string[],
  count: number,
): Promise<TriedClone[]> {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const stop = new AbortController();
  const scoped = { ...context, signal: AbortSignal.any([context.signal, stop.signal]) };
  // All clones run in parallel, because each keeps only one core busy. If one fails, the others are stopped.
  const outcomes = await Promise.allSettled(
    numbers.map((number) =>
      tryClone(scoped, trial, images, number).catch((error) => {
        stop.abort();
        throw error;
      }),
    ),
  );
  const failed = outcomes.filter((outcome) => outcome.status === "rejected").map((outcome) => outcome.reason);
  const cause = failed.find((error) => error instanceof TbuildError) ?? failed[0];
  if (cause) throw cause;
  return outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? outcome.value : []));
}

/** Compares the system disks of the first two clones of a trial. The disks pass through the folder `out`. */
export async function compareClones(context: MachineContext, out: string): Promise<TwinReport> {
  context.progress("comparing the clones");
  const files = [1, 2].map((number) => join(out, `trial-${number}.qcow2`));
  try {
    for (const [index, file] of files.entries())
      await context.hypervisor.fetchDisk(machineName(context, `trial-${index + 1}`), 0, file);
    const [one = "", other = ""] = files;
    return await compareImages(context.host, one, other, { signal: context.signal });
  } finally {
    for (const file of files) await rm(file, { force: true });
  }
}

/** Removes the machines of a trial and their login data, if they exist. */
export async function discardClones(
  context: Pick<MachineContext, "id" | "folder" | "hypervisor">,
  count: number,
): Promise<void> {
  for (let number = 1; number <= Math.max(count, 1); number++) await discard(context, `trial-${number}`);
}

async function tryClone(
  context: MachineContext,
  trial: Trial,
  [image = "", ...furtherDisks]: readonly string[],
  number: number,
): Promise<TriedClone> {
  const name = machineName(context, `trial-${number}`);
  const wanted = {
    hostname: `trial${number}.tbuild.example`,
    address: context.hypervisor.buildAddresses.address(number - 1),
  };
  const password = randomBytes(12).toString("base64url");
  const login = { askpass: await askpass(context, name, password) };
  const say = (text: string) => context.progress(`${wanted.hostname}: ${text}`);
  const macs = trial.nics.map(() => randomMac());
  const values = firstBootMessages(trial, wanted, context.hypervisor.buildAddresses);
  const byDisc = trial.detect === "mac";
  const cdroms = byDisc ? [await valuesDisc(context, name, [...values, [rootPasswordKey, password]])] : [];
  await context.hypervisor.define(
    machineSpec(
      trial,
      name,
      { grownFrom: image },
      {
        macs,
        cdroms,
        address: wanted.address,
        further: furtherDisks.map((grownFrom) => ({ grownFrom })),
        ...(trial.mode && { domainType: trial.mode }),
      },
    ),
  );
  await context.hypervisor.start(name);
  if (byDisc) {
    say("configuring itself from a disc");
    await orLetIn(context, name, login, configuredByDisc(context, name, login));
  } else await configureByMessages(context, name, { values, password, login }, say);
  await takePicture(context, "boot-trial", name, "configured");

  say("checking the result");
  const guest = await loggedIn(context, name, login, 120_000);
  const identity = await checkClone(context, guest, trial, wanted, macs);
  const seen = [
    `${wanted.hostname} got its hostname, its address ${wanted.address} and the root password from ${byDisc ? "a disc, after it was detected as a clone" : "messages"}`,
    `${wanted.hostname} has its own host keys and machine id`,
    ...trial.trial.checks.map((argv) => `${wanted.hostname}: ${shellQuoted(argv)}`),
  ];

  say("rebooting");
  const before = await bootOf(guest);
  await guest.run(["sh", "-c", "(sleep 1; exec reboot) >/dev/null 2>&1 </dev/null &"]);
  if (!context.hypervisor.continuesReboots) await startedAgain(context, name);
  await using later = byDisc ? undefined : await channelOf(context).open(name);
  const rebooted = await loggedIn(
    context,
    name,
    login,
    240_000,
    async (host) => (await bootOf(host)) !== before,
  );
  const after = await identityIn(rebooted);
  if (byDisc) await proveRecorded(rebooted, wanted.hostname);
  if (sameOf(identity) !== sameOf(after))
    throw new TbuildError("guest", "has a different identity after a reboot", {
      subject: name,
      lines: [sameOf(identity), sameOf(after)],
    });
  // sshd starts after ovmd, so a second configuration would have been reported by now.
  const more = later?.received().find((message) => message.key === initialConfigKey);
  if (more)
    throw new TbuildError("guest", `first-boot configuration ran again after a reboot (${more.value})`, {
      subject: name,
    });
  seen.push(`${wanted.hostname} rebooted, and nothing ran again`);
  await context.hypervisor.stop(name, { force: true });
  return { seen, identity: after };
}

async function startedAgain(context: MachineContext, name: string): Promise<void> {
  const { hypervisor, signal } = context;
  const deadline = { timeoutMs: patient(context, 120_000), signal };
  const how = await hypervisor.waitStopped(name, deadline);
  if (how !== "guest-reset") {
    const what = how === "guest-shutdown" ? "powered off instead of rebooting" : "was killed during a reboot";
    throw new TbuildError("guest", what, { subject: name });
  }
  await hypervisor.start(name);
}

/** Distinguishes one boot of a guest from another. */
async function bootOf(guest: Host): Promise<string> {
  return (await guest.run(["cat", "/proc/sys/kernel/random/boot_id"])).stdout.trim();
}

async function configureByMessages(
  context: MachineContext,
  name: string,
  { values, password, login }: { values: readonly [string, string][]; password: string; login: Login },
  say: (text: string) => void,
): Promise<void> {
  await using messages = await channelOf(context).open(name);
  say("waiting for its first boot to request messages");
  await reported(context, messages, initialConfigKey, (value) => value === "waiting", 300_000).catch(
    (error) => explain(context, name, error),
  );
  for (const [key, value] of values) await messages.send(key, value);
  // The last message: its arrival starts the modules.
  await messages.send(rootPasswordKey, password);
  say("configuring itself");
  await orLetIn(context, name, login, configured(context, name, messages));
}

/**
 * Before reporting that a clone was not configured, stores its login for `tbuild console --ssh`, if the login
 * works.
 */
async function orLetIn(
  context: MachineContext,
  name: string,
  login: Login,
  configured: Promise<unknown>,
): Promise<void> {
  try {
    await configured;
  } catch (error) {
    if (!context.signal.aborted)
      await loggedIn(context, name, login, 60_000).catch(() =>
        rm(machineFile(context.folder, name, "ssh"), { force: true }),
      );
    throw error;
  }
}

/** A trial is planned only if the hypervisor can send messages. */
function channelOf({ hypervisor }: Pick<MachineContext, "hypervisor">): MessageChannel {
  if (!hypervisor.messages) throw new Error(`${hypervisor.name} has no channel for messages`);
  return hypervisor.messages;
}

/** The messages of a trial clone in sending order. The root password follows them. */
export function firstBootMessages(
  trial: Trial,
  clone: { readonly hostname: string; readonly address: string },
  { netmask, gateway, nameServer }: BuildAddresses,
): [string, string][] {
  const network = "com.oracle.linux.network";
  const second: [string, string][] =
    trial.nics.length > 1
      ? [
          [`${network}.device.1`, "eth1"],
          [`${network}.onboot.1`, "yes"],
          [`${network}.bootproto.1`, "static"],
          [`${network}.ipaddr.1`, `192.168.77.${clone.address.split(".")[3]}`],
          [`${network}.netmask.1`, "255.255.255.0"],
        ]
      : [];
  return [
    [`${network}.hostname`, clone.hostname],
    [`${network}.device.0`, "eth0"],
    [`${network}.onboot.0`, "yes"],
    [`${network}.bootproto.0`, "static"],
    [`${network}.ipaddr.0`, clone.address],
    [`${network}.netmask.0`, netmask],
    [`${network}.gateway.0`, gateway],
    [`${network}.dns-servers.0`, nameServer],
    ...second,
    ...Object.entries(trial.trial.messages),
  ];
}

async function checkClone(
  context: MachineContext,
  guest: Host,
  trial: Trial,
  wanted: { hostname: string; address: string },
  macs: readonly string[],
): Promise<Identity> {
  const fail = (text: string, lines: readonly string[] = []) =>
    new TbuildError("guest", text, { subject: wanted.hostname, lines });
  const hostname = (await guest.run(["hostname"])).stdout.trim();
  if (hostname !== wanted.hostname) throw fail(`its hostname is "${hostname}"`);
  const addresses = (await guest.run(["ip", "-o", "addr"])).stdout;
  if (!addresses.includes(` ${wanted.address}/`))
    throw fail(`does not have the address ${wanted.address}`, addresses.trim().split("\n"));
  const links = (await guest.run(["ip", "-o", "link"])).stdout;
  for (const mac of macs)
    if (!links.includes(mac)) throw fail(`no interface has the MAC ${mac}`, links.trim().split("\n"));
  for (const argv of trial.trial.checks) {
    const out = await guest.run(argv, { allow: [...Array(255).keys()] });
    if (out.exitCode !== 0)
      throw fail(
        `${shellQuoted(argv)}: exit code ${out.exitCode}`,
        `${out.stdout}${out.stderr}`.trim().split("\n"),
      );
  }
  const identity = await identityIn(guest);
  if (identity.hostKeys.length === 0) throw fail("has no ssh host keys");
  const missing = await waitFor(
    "first-boot configuration",
    async () => ((await armedIn(guest)) ? undefined : true),
    { timeoutMs: patient(context, 30_000), signal: context.signal },
  );
  if (!missing) throw fail("is still armed");
  return identity;
}

// The random seed changes at each shutdown.
function sameOf({ randomSeed: _seed, ...identity }: Identity): string {
  return JSON.stringify(identity);
}

async function identityIn(guest: Host): Promise<Identity> {
  await using tree = liveGuest(guest);
  return await readIdentity(tree);
}

// The files of EL5 and EL6, and those of EL7 and later. After a completed first boot, neither contains yes.
async function armedIn(guest: Host): Promise<boolean> {
  const files = ["/etc/sysconfig/ovmd", "/etc/sysconfig/ovm-template-initial-config"];
  const out = await guest.run(["grep", "-is", "^INITIAL_CONFIG=[\"']*yes", ...files], { allow: [1, 2] });
  return out.stdout.trim() !== "";
}

// ssh gets the password from a program, so it never appears in the process list or an environment.
async function askpass(context: MachineContext, machine: string, password: string): Promise<string> {
  const secret = machineFile(context.folder, machine, "password");
  const program = machineFile(context.folder, machine, "askpass");
  await context.host.writeFile(secret, Buffer.from(`${password}\n`), 0o600);
  await context.host.writeFile(program, Buffer.from(`#!/bin/sh\nexec cat ${shellQuoted([secret])}\n`), 0o700);
  return program;
}

async function explain(context: MachineContext, name: string, error: unknown): Promise<never> {
  if (context.signal.aborted || !(error instanceof TbuildError)) throw error;
  throw error.within(name, { fault: "guest", lines: await consoleTail(context, name) });
}

function randomMac(): string {
  return ["00", "21", "f6", ...(randomBytes(3).toString("hex").match(/../g) ?? [])].join(":");
}
