import type { Command } from "commander";
import { openSite } from "../open-site.ts";
import { size, table } from "../words.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { store } = await openSite(command);
  const manifests = (await store.list()).sort(
    (a, b) =>
      a.kind.localeCompare(b.kind) * -1 || a.name.localeCompare(b.name) || a.made.localeCompare(b.made),
  );
  if (command.opts<{ json?: boolean }>().json) {
    process.stdout.write(`${JSON.stringify(manifests, undefined, 2)}\n`);
    return;
  }
  const rows = manifests.map((m) => [
    m.kind,
    `${m.name}@${m.version}`,
    m.release.name,
    m.domainType,
    size(m.disks.reduce((sum, disk) => sum + disk.dataBytes, 0)),
    m.rehearsal ? "rehearsal" : "",
    m.made.slice(0, 16).replace("T", " "),
  ]);
  process.stdout.write(rows.length === 0 ? "nothing published yet\n" : `${table(rows)}\n`);
}
