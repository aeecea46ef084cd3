import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";

/** The parts of `needs` that this machine lacks, in words for a skipped test; empty if it has all. */
export function missing(...needs: readonly string[]): string | undefined {
  const lacking = needs.filter((need) => !has(need));
  if (lacking.length === 0) return undefined;
  if (process.env.TBUILD_REQUIRE === "1") throw new Error(`this machine lacks ${lacking.join(", ")}`);
  return `this machine lacks ${lacking.join(", ")}`;
}

/**
 * A group of tests that need programs, files, `root` or `loop`. If one is missing, the group is skipped, and its title says
 * why.
 */
export function describeWith(needs: readonly string[], name: string, tests: () => void): void {
  const lacking = missing(...needs);
  describe.skipIf(lacking !== undefined)(titled(name, lacking), tests);
}

/** The same for one test. */
export function itWith(needs: readonly string[], name: string, test: () => unknown, timeout?: number): void {
  const lacking = missing(...needs);
  it.skipIf(lacking !== undefined)(titled(name, lacking), test, timeout);
}

/** The title of a test, with the reason if it is skipped. */
export function titled(name: string, lacking: string | undefined): string {
  return lacking === undefined ? name : `${name} — skipped: ${lacking}`;
}

function has(need: string): boolean {
  if (need === "root") return process.getuid?.() === 0;
  if (need === "loop") return isThere("/dev/loop-control");
  if (need.startsWith("/")) return isThere(need);
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin"];
  return folders.some((folder) => isThere(join(folder, need)));
}

function isThere(path: string): boolean {
  try {
    accessSync(path, constants.F_OK);
    return true;
  } catch {
    return false;
  }
}
