import type { Command } from "commander";
import { printable } from "../../io/escape.ts";
import { meantVersion, takeVersion } from "../../store/exchange/oci/pull.ts";
import { parseReference } from "../../store/exchange/oci/reference.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import { interruptible } from "../interrupt.ts";
import { registryOf } from "../open-registry.ts";
import { openSite } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { coloursFor, signatureWords, size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { home, host, records } = await openSite(command);
  const { json, plainHttp = false } = command.opts<{ json?: boolean; plainHttp?: boolean }>();
  const reference = parseReference(String(args[0]));
  const line = progressLine(json === true);
  const pulled = await interruptible(
    "no version was added; the next pull fetches only the rest",
    async (signal) => {
      const registry = registryOf(host, reference, {
        plainHttp,
        signal,
        onWait: (words) => line.show(words),
      });
      const meant = await meantVersion(reference, registry, records);
      return await takeVersion(
        meant,
        registry,
        { store: storeFolder(home.store), records },
        {
          plainHttp,
          tell: (words) => process.stderr.write(`${printable(words)}\n`),
          progress: (moved, total) => line.show("fetching", moved, total),
          // Warns before the disks are fetched.
          onRevoked: ({ name, version }, { since, reason }) =>
            process.stderr.write(
              `warning: ${name}@${version} was revoked on ${since.slice(0, 10)}: ${printable(reason)}\n`,
            ),
        },
      );
    },
  ).finally(line.close);
  const { manifest, digest, moved, spared } = pulled;
  const { name, version } = manifest;
  const signature = await records.signature(manifest);
  const revoked = await records.revocation(name, version);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name, version, digest, moved, spared, signature, revoked })}\n`
      : `${name}@${version}: ${size(moved)} fetched, ${size(spared)} already here; signature: ${signatureWords(signature, coloursFor(process.stdout))}\n`,
  );
}
