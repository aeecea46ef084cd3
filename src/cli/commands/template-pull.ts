import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import type { Manifest } from "../../model/manifest.ts";
import { manifestDigest } from "../../model/manifest.ts";
import { parseReference, referenceText } from "../../store/exchange/oci/reference.ts";
import { pullTemplate, versionsAmong, versionsHint } from "../../store/exchange/oci/template.ts";
import { rememberPlace } from "../../store/exchange/places.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import type { Revocation } from "../../store/records/records.ts";
import { interruptible } from "../interrupt.ts";
import { registryOf } from "../open-registry.ts";
import { openSite } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { refreshStatements } from "../refresh-statements.ts";
import { coloursFor, signatureWords, size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { home, host, records } = await openSite(command);
  const { json, plainHttp } = command.opts<{ json?: boolean; plainHttp?: boolean }>();
  const { which, ...place } = parseReference(String(args[0]));
  if (which === undefined) {
    const there = registryOf(host, place, { ...(plainHttp && { plainHttp }) });
    const versions = versionsAmong(await interruptible(() => there.tags()));
    throw new TbuildError("usage", `${args[0]}: the version is missing`, {
      hint: `For example ${args[0]}:${versions.at(-1) ?? "1.0.0"}. ${versionsHint(versions)}`,
    });
  }
  const accept = async (manifest: Manifest, text: string | undefined) => {
    await records.check(manifest);
    if (pointer && "digest" in pointer && pointer.digest !== manifestDigest(manifest))
      throw new TbuildError("integrity", `${args[0]}: ${which} points at another ${name}@${wanted}`, {
        hint: "Nothing was fetched. Ask who runs the registry: one of the two was exchanged.",
      });
    const signature = await records.signature(manifest, text);
    if (signature.state === "bad")
      throw new TbuildError("integrity", `${args[0]}: its signature is bad: ${signature.why}`, {
        hint: "Nothing was downloaded. Contact the person who pushed it.",
      });
  };
  const line = progressLine(json === true);
  const connect = (signal: AbortSignal) =>
    registryOf(host, place, {
      ...(plainHttp && { plainHttp }),
      signal,
      onWait: (words) => line.show(words),
    });
  const name = place.repository.split("/").at(-1) ?? "";
  // Before anything is fetched: who wants a version that was revoked is to know it now.
  const said = /^[a-z][a-z0-9-]*$/.test(name)
    ? await interruptible((signal) => refreshStatements(connect(signal), records, name))
    : [];
  const pointer = said.find(
    (one) => (one.says === "channel" && one.channel === which) || (one.says === "tag" && one.tag === which),
  );
  const wanted = pointer?.version ?? which;
  const revoked = /^\d+\.\d+\.\d+$/.test(wanted) ? await records.revocation(name, wanted) : undefined;
  if (revoked) warnOf(name, wanted, revoked);
  const pulled = await interruptible((signal) =>
    pullTemplate(storeFolder(home.store), { ...place, which: wanted }, connect(signal), {
      accept,
      progress: (moved, total) => line.show("fetching", moved, total),
    }),
  ).finally(line.close);
  const { manifest, digest, moved, spared, ancestors } = pulled;
  const { version } = manifest;
  await rememberPlace(home.store, {
    place: referenceText(place),
    name: manifest.name,
    plainHttp: plainHttp === true,
  });
  await records.put(manifest, pulled.signature ?? false);
  for (const ancestor of ancestors) if (!(await records.has(ancestor))) await records.put(ancestor, false);
  const signature = await records.signature(manifest);
  const isRevoked = await records.revocation(manifest.name, version);
  if (isRevoked && !revoked) warnOf(manifest.name, version, isRevoked);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name: manifest.name, version, digest, moved, spared, signature, revoked: isRevoked })}\n`
      : `${manifest.name}@${version}: ${size(moved)} fetched, ${size(spared)} already here; signature: ${signatureWords(signature, coloursFor(process.stdout))}\n`,
  );
}

function warnOf(name: string, version: string, { since, reason }: Revocation): void {
  process.stderr.write(
    `warning: ${name}@${version} was revoked on ${since.slice(0, 10)}: ${printable(reason)}\n`,
  );
}
