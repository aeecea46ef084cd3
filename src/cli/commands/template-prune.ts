import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import type { Digest } from "../../model/digest.ts";
import { type CatalogEntry, yieldedIn } from "../../store/records/catalog.ts";
import { interruptible } from "../interrupt.ts";
import { openCatalog } from "../open-site.ts";
import { table } from "../table.ts";
import { size } from "../words.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { store, catalog } = await openCatalog(command);
  const { json, keep, apply } = command.opts<{ json?: boolean; keep?: string; apply?: boolean }>();
  if (keep !== undefined && !/^[1-9]\d{0,5}$/.test(keep))
    throw new TbuildError("usage", `--keep ${keep}: must be a number, at least 1`);
  const pruned = await interruptible("only data that the store does not need was removed", (signal) =>
    store.prune({
      ...(keep !== undefined && { keep: Number(keep) }),
      held: heldBy(catalog),
      yielded: new Map(
        yieldedIn(catalog).map(({ digest }) => [
          digest,
          "the recipe repo records a different version with this number",
        ]),
      ),
      apply: apply === true,
      signal,
    }),
  );
  if (json) {
    process.stdout.write(`${JSON.stringify(pruned)}\n`);
    return;
  }
  const rows = [
    ...pruned.kept.map(({ what, reason }) => ["kept", what, reason]),
    ...pruned.removed.map(({ what, reason }) => [apply ? "removed" : "would be removed", what, reason]),
  ];
  if (rows.length > 0) process.stdout.write(`${table(rows)}\n`);
  if (pruned.removed.length === 0) process.stdout.write("nothing to remove\n");
  else if (apply) process.stdout.write(`${size(pruned.bytes)} freed\n`);
  else
    process.stdout.write(`${size(pruned.bytes)} would be freed; nothing was removed (--apply removes it)\n`);
}

/** The versions that channels and tags point at. */
function heldBy(catalog: readonly CatalogEntry[]): Map<Digest, string> {
  return new Map(
    catalog.flatMap(({ digest, channels, tags }) => {
      const names = [...channels, ...tags];
      return names.length > 0 ? [[digest, names.join(", ")] as const] : [];
    }),
  );
}
