import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import type { Manifest } from "../../model/manifest.ts";
import { parseReference } from "../../store/exchange/oci/reference.ts";
import { pullTemplate, versionsHint } from "../../store/exchange/oci/template.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import { interruptible } from "../interrupt.ts";
import { registryOf } from "../open-registry.ts";
import { openSite } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { coloursFor, signatureWords, size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { home, host, records } = await openSite(command);
  const { json, plainHttp } = command.opts<{ json?: boolean; plainHttp?: boolean }>();
  const { which, ...place } = parseReference(String(args[0]));
  if (which === undefined) {
    const there = registryOf(host, place, { ...(plainHttp && { plainHttp }) });
    const versions = await interruptible(() => there.tags());
    throw new TbuildError("usage", `${args[0]}: which version?`, {
      hint: `Such as ${args[0]}:${versions.at(-1) ?? "1.0.0"}. ${versionsHint(versions)}`,
    });
  }
  const accept = async (manifest: Manifest, text: string | undefined) => {
    await records.check(manifest);
    const signature = await records.signature(manifest, text);
    if (signature.state === "bad")
      throw new TbuildError("integrity", `${args[0]}: its signature is bad: ${signature.why}`, {
        hint: "Nothing was fetched. Ask whoever pushed it.",
      });
  };
  const line = progressLine(json === true);
  const pulled = await interruptible((signal) =>
    pullTemplate(
      storeFolder(home.store),
      { ...place, which },
      registryOf(host, place, { ...(plainHttp && { plainHttp }), signal }),
      { accept, progress: (moved, total) => line.show("fetching", moved, total) },
    ),
  ).finally(line.close);
  const { manifest, digest, moved, spared, ancestors } = pulled;
  const { name, version } = manifest;
  await records.put(manifest, pulled.signature ?? false);
  for (const ancestor of ancestors) if (!(await records.has(ancestor))) await records.put(ancestor, false);
  const signature = await records.signature(manifest);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name, version, digest, moved, spared, signature })}\n`
      : `${name}@${version}: ${size(moved)} fetched, ${size(spared)} were here already; signature: ${signatureWords(signature, coloursFor(process.stdout))}\n`,
  );
}
