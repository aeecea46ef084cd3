import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { mediaCache } from "../test-medium.ts";

export const repository = resolve(import.meta.dirname, "../..");

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built `tbuild`, in a home for tests that shares the media. */
export interface Tbuild {
  readonly home: string;
  run(...args: string[]): Promise<Ended>;
  /** Starts it; the test ends it. */
  start(...args: string[]): ChildProcess & { readonly ended: Promise<Ended>; said(): string };
}

export async function makeTbuild(name: string, recipes = join(repository, "recipes")): Promise<Tbuild> {
  const home = join(repository, ".tbuild", name);
  await rm(home, { recursive: true, force: true });
  await mkdir(home, { recursive: true });
  await mkdir(mediaCache, { recursive: true });
  await symlink(mediaCache, join(home, "media"));
  const start: Tbuild["start"] = (...args) => {
    const child = spawn(
      process.execPath,
      [join(repository, "dist/bin/main.js"), "--home", home, "--recipes", recipes, ...args],
      // In the recipe repo, like a user.
      { cwd: join(recipes, ".."), stdio: "pipe", env: { ...process.env, VISUAL: "", EDITOR: "vi" } },
    );
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream]?.setEncoding("utf8").on("data", (text) => (said[stream] += text));
    const ended = new Promise<Ended>((done) => child.once("close", (code) => done({ code, ...said })));
    return Object.assign(child, { ended, said: () => said.stdout });
  };
  return {
    home,
    start,
    run: (...args) => {
      const child = start(...args);
      child.stdin?.end();
      return child.ended;
    },
  };
}

/** The qemu processes of a home. One that is becoming a daemon is two for a moment, and counts once. */
export async function machinesRunning(home: string): Promise<string[]> {
  const all = await processes();
  const ours = all.filter((command) => command.startsWith("qemu-system") && command.includes(`${home}/`));
  return [...new Set(ours)];
}

/** The command lines of all processes. */
export async function processes(): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const commands = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""));
  return (await Promise.all(commands)).map((command) => command.replaceAll("\0", " "));
}
