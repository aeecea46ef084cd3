import { TbuildError } from "../errors.ts";
import type { Host, Runner } from "../host/host.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { Act } from "./acts.ts";
import { type WorkOptions, workOf } from "./work.ts";
import { failedScriptlet, wantedPackages, type YumWork, yumConfigFile } from "./yum.ts";

interface Listener {
  readonly progress: (text: string, done?: number, total?: number) => void;
  readonly signal: AbortSignal;
}
export type ProvisionOptions = WorkOptions & Listener;

/** Configures a running guest as the recipe says, over ssh. A failure is a `guest` fault that names the action. */
export async function provision(guest: Host, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  const { disks, repositories, yum, configuration } = await workOf(recipe, options);
  await perform(guest, [...disks, ...repositories], options);
  await installPackages(guest, yum, options);
  await perform(guest, configuration, options);
}

async function perform(guest: Host, acts: readonly Act[], { progress, signal }: Listener): Promise<void> {
  const scripts = acts.filter(({ about }) => about.startsWith("script "));
  for (const act of acts) {
    if (scripts.includes(act)) progress(act.about, scripts.indexOf(act) + 1, scripts.length);
    await asGuest(act.about, async () => {
      if ("run" in act) return guest.run(act.run, { ...(act.input && { input: act.input }), signal });
      const { path, data, mode, owner, group } = act.write;
      await guest.writeFile(path, data, Number.parseInt(mode, 8));
      return guest.run(["chown", `${owner}:${group}`, path]);
    });
  }
}

/** Verifies that everything is installed, after %post or over ssh. */
export async function proveProvisioned(guest: Runner, recipe: Recipe): Promise<void> {
  await proveInstalled(guest, wantedPackages(recipe));
}

async function installPackages(guest: Host, work: YumWork, options: Listener): Promise<void> {
  const { install, remove } = work;
  if (install.length > 0) await installWanted(guest, work, options);
  if (remove.length > 0) await asGuest("packages", () => guest.run(["yum", "-y", "remove", ...remove]));
  await proveInstalled(guest, install);
  await guest.run(["yum", "clean", "all"]);
  await guest.run(["rm", "-f", yumConfigFile]);
}

async function installWanted(guest: Host, { command, config }: YumWork, options: Listener): Promise<void> {
  const said: string[] = [];
  options.progress("reading the repositories");
  if (config !== undefined) await guest.writeFile(yumConfigFile, Buffer.from(config));
  await asGuest("packages", () =>
    guest.run(command, {
      signal: options.signal,
      onLine(line) {
        said.push(line);
        const step = /^\s*(Installing|Updating|Upgrading)\s*:\s*(\S+)\s.*?(\d+)\/(\d+)/.exec(line);
        if (step) options.progress(`installing ${step[2]}`, Number(step[3]), Number(step[4]));
      },
    }),
  );
  const scriptlet = said.find((line) => new RegExp(failedScriptlet, "i").test(line));
  if (scriptlet !== undefined)
    throw new TbuildError("guest", `${scriptlet.trim()}`, { subject: "packages", lines: said.slice(-15) });
}

// yum on EL5 and EL6 continues if some of the names do not exist, so each one is checked.
async function proveInstalled(guest: Runner, wanted: readonly string[]): Promise<void> {
  const names = wanted.filter((name) => !name.startsWith("@") && !name.includes("*"));
  if (names.length === 0) return;
  const allow = [...Array(256).keys()];
  // A name may include an architecture or a version, which nothing provides, or be a capability of another package.
  const named = await guest.run(["rpm", "-q", ...names], { allow });
  const others = names.filter((name) => named.stdout.includes(`package ${name} is not installed`));
  if (others.length === 0) return;
  const out = await guest.run(["rpm", "-q", "--whatprovides", ...others], { allow });
  const missing = [...out.stdout.matchAll(/no package provides (\S+)/g)].map((match) => match[1]);
  if (missing.length > 0)
    throw new TbuildError("guest", `not installed: ${missing.join(", ")}`, {
      subject: "packages",
      hint: "No enabled repository has them. Check the repositories in the recipe and the spelling.",
    });
}

// A command that fails in the guest is the recipe author's problem, not the host administrator's.
async function asGuest(what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    throw error.within(what, { fault: "guest" });
  }
}
