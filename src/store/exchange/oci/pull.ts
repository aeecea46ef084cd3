import { TbuildError } from "../../../errors.ts";
import type { Digest } from "../../../model/digest.ts";
import { type Manifest, manifestDigest } from "../../../model/manifest.ts";
import type { StoreFolder } from "../../folder/store-folder.ts";
import type { Records } from "../../records/records.ts";
import type { Revocation } from "../../records/revocations.ts";
import { rememberPlace } from "../places.ts";
import { type Reference, referenceText } from "./reference.ts";
import type { Registry } from "./registry.ts";
import { type Heard, judgeBy, readStatements, statementWords, takeStatements } from "./statements.ts";
import { type Progress, pullTemplate, templateIn, versionsAmong, versionsHint } from "./template.ts";

/** The version that a reference names, and its registry's statements about it. */
export interface MeantVersion {
  /** The reference as typed. */
  readonly asked: string;
  /** Names a tag of the registry, or the digest of an artifact. */
  readonly reference: Reference & { readonly which: string };
  /** The manifest that the channel or tag points at, if the reference names one. */
  readonly pointsAt?: Digest;
  readonly heard: Heard;
}

/** Asks the registry which version a reference names. Changes nothing. */
export async function meantVersion(
  reference: Reference,
  registry: Registry,
  records: Records,
): Promise<MeantVersion> {
  const { which } = reference;
  const asked = referenceText(reference);
  if (which === undefined) {
    const tags = await registry.tags();
    const newest = versionsAmong(tags.names).at(-1);
    throw new TbuildError("usage", "the version is missing", {
      subject: asked,
      hint: `For example ${asked}:${newest ?? "1.0.0"}. ${versionsHint(tags)}`,
    });
  }
  const heard = await hear(registry, records);
  const pointer = heard.statements.find(
    (one) => (one.says === "channel" && one.channel === which) || (one.says === "tag" && one.tag === which),
  );
  if (pointer && "digest" in pointer)
    return {
      asked,
      reference: { ...reference, which: pointer.version },
      pointsAt: pointer.digest as Digest,
      heard,
    };
  return { asked, reference: { ...reference, which: newestIfLatest(asked, which, heard) }, heard };
}

/** The manifest of a version in a registry, and whether it is revoked there. Throws if it does not match. */
export async function manifestIn(
  meant: MeantVersion,
  registry: Registry,
  records: Records,
): Promise<{ readonly manifest: Manifest; readonly revoked?: string }> {
  const { manifest, signature } = await templateIn(meant.reference, registry);
  await refuseDoubtful(manifest, signature, meant, records);
  const revoked = meant.heard.statements.find(
    (one) =>
      one.says === "revoked" &&
      one.lifted === undefined &&
      one.name === manifest.name &&
      one.version === manifest.version,
  );
  return { manifest, ...(revoked?.says === "revoked" && { revoked: revoked.reason }) };
}

export interface TakeOptions {
  readonly plainHttp?: boolean;
  readonly progress?: Progress;
  /** Messages for people: new statements of the registry, and invalid ones. */
  readonly tell: (words: string) => void;
  /** Called before the disks are fetched. */
  readonly onRevoked?: (manifest: Manifest, revocation: Revocation) => void;
}

/**
 * Pulls a version into the store and the records, with its ancestors and the registry's statements about it.
 */
export async function takeVersion(
  meant: MeantVersion,
  registry: Registry,
  { store, records }: { readonly store: StoreFolder; readonly records: Records },
  { plainHttp = false, progress, tell, onRevoked }: TakeOptions,
) {
  const { which: _, ...place } = meant.reference;
  const accept = async (manifest: Manifest, signature: string | undefined) => {
    await records.check(manifest);
    await refuseDoubtful(manifest, signature, meant, records);
    await take(meant.heard, records, manifest.name, referenceText(place), tell);
    const revoked = await records.revocation(manifest.name, manifest.version);
    if (revoked) onRevoked?.(manifest, revoked);
  };
  const pulled = await pullTemplate(store, meant.reference, registry, {
    accept,
    ...(progress && { progress }),
  });
  const { manifest, ancestors } = pulled;
  await rememberPlace(store.folder, { place: referenceText(place), name: manifest.name, plainHttp });
  await records.put(manifest, pulled.signature ?? false);
  for (const ancestor of ancestors) if (!(await records.has(ancestor))) await records.put(ancestor, false);
  return pulled;
}

/** A registry's statements about the versions in a repository, of any template. */
export function hear(registry: Registry, records: Records): Promise<Heard> {
  return readStatements(registry, judgeBy(records));
}

/** Adopts a registry's statements about one template, and reports what is new, invalid or unknown. */
export async function take(
  { statements, doubted, lacking }: Heard,
  records: Records,
  name: string,
  place: string,
  tell: (words: string) => void,
): Promise<void> {
  const ours = statements.filter((one) => one.name === name);
  for (const words of await takeStatements(records, ours)) tell(words);
  for (const { statement, why } of doubted)
    if (statement.name === name) tell(`warning: ${place} states "${statementWords(statement)}"; ${why}`);
  if (lacking !== undefined)
    tell(
      `warning: ${place} did not list all of its tags (${lacking}); its revocations, channels and tags are unknown`,
    );
}

async function refuseDoubtful(
  manifest: Manifest,
  text: string | undefined,
  { asked, pointsAt }: MeantVersion,
  records: Records,
): Promise<void> {
  const { name, version } = manifest;
  if (pointsAt !== undefined && pointsAt !== manifestDigest(manifest))
    throw new TbuildError("integrity", `points at another ${name}@${version}`, {
      subject: asked,
      hint: "Nothing was fetched. Ask the operator of the registry: one of the two was replaced.",
    });
  const signature = await records.signature(manifest, text);
  if (signature.state === "bad")
    throw new TbuildError("integrity", `its signature is bad: ${signature.why}`, {
      subject: asked,
      hint: "Nothing was downloaded. Contact the person who pushed it.",
    });
}

/** The newest version for `latest`, unless the registry has a tag of that name; otherwise the tag itself. */
function newestIfLatest(asked: string, which: string, { names, statements, lacking }: Heard): string {
  if (which !== "latest" || names.includes(which)) return which;
  const revoked = new Set(
    statements.flatMap((one) => (one.says === "revoked" && one.lifted === undefined ? [one.version] : [])),
  );
  const newest = versionsAmong(names).findLast((version) => !revoked.has(version));
  if (newest !== undefined && lacking === undefined) return newest;
  if (lacking !== undefined && !lacking.startsWith("404"))
    throw new TbuildError("environment", "the newest version is unknown", {
      subject: asked,
      lines: [`the registry did not list all of its tags: ${lacking}`],
      hint: "Name a version.",
    });
  if (revoked.size > 0)
    throw new TbuildError("usage", "all of its versions are revoked", {
      subject: asked,
      hint: "To pull one anyway, name its version: NAME@1.2.3.",
    });
  return which;
}
