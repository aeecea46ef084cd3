import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import type { Manifest } from "../../model/manifest.ts";
import { manifestDigest } from "../../model/manifest.ts";
import { parseReference, referenceText } from "../../store/exchange/oci/reference.ts";
import type { Heard } from "../../store/exchange/oci/statements.ts";
import { pullTemplate, versionsAmong, versionsHint } from "../../store/exchange/oci/template.ts";
import { rememberPlace } from "../../store/exchange/places.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import type { Revocation } from "../../store/records/revocations.ts";
import { interruptible } from "../interrupt.ts";
import { registryOf } from "../open-registry.ts";
import { openSite } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { hear, take } from "../refresh-statements.ts";
import { coloursFor, signatureWords, size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { home, host, records } = await openSite(command);
  const { json, plainHttp } = command.opts<{ json?: boolean; plainHttp?: boolean }>();
  const { which, ...place } = parseReference(String(args[0]));
  const line = progressLine(json === true);
  const connect = (signal: AbortSignal) =>
    registryOf(host, place, {
      ...(plainHttp && { plainHttp }),
      signal,
      onWait: (words) => line.show(words),
    });
  if (which === undefined) {
    const tags = await interruptible("no version was added; the next pull fetches only the rest", (signal) =>
      connect(signal).tags(),
    );
    const newest = versionsAmong(tags.names).at(-1);
    throw new TbuildError("usage", "the version is missing", {
      subject: String(args[0]),
      hint: `For example ${args[0]}:${newest ?? "1.0.0"}. ${versionsHint(tags)}`,
    });
  }
  const heard = await interruptible("no version was added; the next pull fetches only the rest", (signal) =>
    hear(connect(signal), records),
  );
  const { wanted, digest: pointedAt } = meant(String(args[0]), which, heard);
  // Called before the disks are fetched, so that the user learns now that the version is revoked.
  const accept = async (manifest: Manifest, text: string | undefined) => {
    await records.check(manifest);
    const { name, version } = manifest;
    if (pointedAt !== undefined && pointedAt !== manifestDigest(manifest))
      throw new TbuildError("integrity", `${which} points at another ${name}@${version}`, {
        subject: String(args[0]),
        hint: "Nothing was fetched. Ask who runs the registry: one of the two was replaced.",
      });
    const signature = await records.signature(manifest, text);
    if (signature.state === "bad")
      throw new TbuildError("integrity", `its signature is bad: ${signature.why}`, {
        subject: String(args[0]),
        hint: "Nothing was downloaded. Contact the person who pushed it.",
      });
    await take(heard, records, name, referenceText(place));
    const revoked = await records.revocation(name, version);
    if (revoked) warnOf(name, version, revoked);
  };
  const pulled = await interruptible("no version was added; the next pull fetches only the rest", (signal) =>
    pullTemplate(storeFolder(home.store), { ...place, which: wanted }, connect(signal), {
      accept,
      progress: (moved, total) => line.show("fetching", moved, total),
    }),
  ).finally(line.close);
  const { manifest, digest, moved, spared, ancestors } = pulled;
  const { name, version } = manifest;
  await rememberPlace(home.store, { place: referenceText(place), name, plainHttp: plainHttp === true });
  await records.put(manifest, pulled.signature ?? false);
  for (const ancestor of ancestors) if (!(await records.has(ancestor))) await records.put(ancestor, false);
  const signature = await records.signature(manifest);
  const revoked = await records.revocation(name, version);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name, version, digest, moved, spared, signature, revoked })}\n`
      : `${name}@${version}: ${size(moved)} fetched, ${size(spared)} already here; signature: ${signatureWords(signature, coloursFor(process.stdout))}\n`,
  );
}

/** The meaning of a reference's tag: one of tbuild's channels or tags, the newest version for `latest`, or the tag itself. */
function meant(
  reference: string,
  which: string,
  { names, statements, lacking }: Heard,
): { readonly wanted: string; readonly digest?: string } {
  const pointer = statements.find(
    (one) => (one.says === "channel" && one.channel === which) || (one.says === "tag" && one.tag === which),
  );
  if (pointer && "digest" in pointer) return { wanted: pointer.version, digest: pointer.digest };
  if (which !== "latest" || names.includes(which)) return { wanted: which };
  const revoked = new Set(
    statements.flatMap((one) => (one.says === "revoked" && one.lifted === undefined ? [one.version] : [])),
  );
  const newest = versionsAmong(names).findLast((version) => !revoked.has(version));
  if (newest !== undefined && lacking === undefined) return { wanted: newest };
  if (lacking !== undefined && !lacking.startsWith("404"))
    throw new TbuildError("environment", "which version is the newest is not known", {
      subject: reference,
      lines: [`the registry did not list all of its tags: ${lacking}`],
      hint: "Name a version.",
    });
  if (revoked.size > 0)
    throw new TbuildError("usage", "all of its versions are revoked", {
      subject: reference,
      hint: "To pull one anyway, name its version.",
    });
  return { wanted: which };
}

function warnOf(name: string, version: string, { since, reason }: Revocation): void {
  process.stderr.write(
    `warning: ${name}@${version} was revoked on ${since.slice(0, 10)}: ${printable(reason)}\n`,
  );
}
