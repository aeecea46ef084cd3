import { TbuildError } from "../errors.ts";
import { cloneProgram } from "../firstboot/clone-files.ts";
import { messageForms } from "../firstboot/message-forms.ts";
import { rootPasswordKey } from "../firstboot/shipped.ts";
import type { Host } from "../host/host.ts";
import type { Login } from "../host/ssh.ts";
import { waitFor } from "../host/wait-for.ts";
import { writeDisc } from "../media/small-disc.ts";
import { consoleTail, loggedIn, machineFile } from "./guest-machine.ts";
import type { MachineContext } from "./step.ts";
import { logFile, usualDeadlines } from "./trial-configuration.ts";

/**
 * Writes the disc from which a clone without guest additions reads its values. It is removed with the
 * machine's login data.
 */
export async function valuesDisc(
  context: MachineContext,
  machine: string,
  values: readonly (readonly [key: string, value: string])[],
): Promise<string> {
  const { disc, write } = messageForms.ovf;
  if (disc === undefined) throw new Error("the form ovf must be a disc");
  const output = machineFile(context.folder, machine, "iso");
  const answers = values.map(([key, value]) => ({ key, value, password: key === rootPasswordKey }));
  await writeDisc(context.host, {
    files: { [disc.file]: write(answers, machine) },
    label: disc.label,
    output,
    signal: context.signal,
  });
  return output;
}

const configurationFailed = "the clone was detected as a clone, but its configuration failed";

/**
 * Waits until a clone with clone detection has taken its root password from the disc. sshd starts after that.
 */
export async function configuredByDisc(context: MachineContext, name: string, login: Login): Promise<Host> {
  const done = new AbortController();
  const scoped = { ...context, signal: AbortSignal.any([context.signal, done.signal]) };
  const { patience = 1 } = context.hypervisor;
  const { quietMs, allMs } = usualDeadlines;
  let last = { console: "", since: Date.now() };
  const failed = waitFor(
    "the clone to fail",
    async () => {
      const console = await context.hypervisor.consoleText(name);
      if (console !== last.console) last = { console, since: Date.now() };
      if (console.includes("tbuild-clone: the configuration failed")) return configurationFailed;
      return Date.now() - last.since > quietMs * patience
        ? "the clone does not configure itself: its console shows nothing new"
        : undefined;
    },
    { timeoutMs: allMs * patience + 20_000, everyMs: 500, signal: scoped.signal },
  ).then(
    async (what) => {
      throw new TbuildError("guest", what, {
        subject: name,
        hint: `Read ${logFile} in the clone.`,
        lines: await consoleTail(context, name, 40),
      });
    },
    () => new Promise<never>(() => {}),
  );
  try {
    const guest = await Promise.race([loggedIn(scoped, name, login, allMs), failed]);
    await requireConfigured(guest, name);
    return guest;
  } finally {
    done.abort();
  }
}

// A clone also lets an operator log in after a failure, and not every console shows the failure: that of a
// PVM guest is hvc0.
async function requireConfigured(guest: Host, name: string): Promise<void> {
  if (!(await statusOf(guest)).pending) return;
  const { stdout } = await guest.run(["tail", "-n", "40", logFile]);
  throw new TbuildError("guest", configurationFailed, { subject: name, lines: stdout.trim().split("\n") });
}

/** Throws if a clone that is configured would be configured again. */
export async function proveRecorded(guest: Host, name: string): Promise<void> {
  const { verdict, why, pending } = await statusOf(guest);
  if (verdict !== "same" || pending)
    throw new TbuildError("guest", `would be configured again: ${why}`, { subject: name });
}

async function statusOf(guest: Host): Promise<{ verdict: string; why: string; pending: boolean }> {
  const { stdout } = await guest.run([cloneProgram, "status"]);
  return JSON.parse(stdout);
}
