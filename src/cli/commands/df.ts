import { statfs } from "node:fs/promises";
import type { Command } from "commander";
import { usedSpace } from "../../build/space.ts";
import { openSite } from "../open-site.ts";
import { table } from "../table.ts";
import { size } from "../words.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { json = false } = command.opts<{ json?: boolean }>();
  const { home } = await openSite(command);
  const used = await usedSpace(home);
  const bytes = used.reduce((sum, one) => sum + one.bytes, 0);
  const free = await statfs(home.root)
    .then(({ bavail, bsize }) => bavail * bsize)
    .catch(() => undefined);
  if (json) {
    process.stdout.write(`${JSON.stringify({ home: home.root, bytes, free, used }, undefined, 2)}\n`);
    return;
  }
  const rows = used.map(({ what, bytes, how }) => [size(bytes).padStart(8), what, how]);
  const total = [[size(bytes).padStart(8), "in total", free === undefined ? "" : `${size(free)} are free`]];
  process.stdout.write(`${table([...rows, ...total])}\n`);
}
