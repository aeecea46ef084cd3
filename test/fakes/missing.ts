import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** What of `needs` this machine lacks, in words, to be shown beside a skipped test; nothing when all is there. */
export function missing(...needs: readonly string[]): string | undefined {
  const lacking = needs.filter((need) => !has(need));
  if (lacking.length === 0) return undefined;
  if (process.env.TBUILD_REQUIRE === "1") throw new Error(`this machine lacks ${lacking.join(", ")}`);
  return `this machine lacks ${lacking.join(", ")}`;
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
