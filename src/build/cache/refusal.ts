import { TbuildError } from "../../errors.ts";
import { manifestDigest } from "../../model/manifest.ts";
import type { EntryThere } from "../../store/exchange/oci/cache.ts";
import type { Passwords } from "../secrets.ts";
import type { BuildContext } from "../step.ts";

/** Why this site may not use a cache entry: nothing proves that it is the result of this build. */
export async function distrustOf(
  context: BuildContext,
  key: string,
  { entry, text, signature, manifest, manifestSignature }: EntryThere,
): Promise<string | undefined> {
  const { records } = context;
  const worth = await records.entrySignature(text, signature);
  if (worth.state === "unsigned") return "it is not signed";
  if (worth.state === "bad") return `its signature is bad: ${worth.why}`;
  if (worth.state === "stranger")
    return (await records.hasSigners())
      ? `allowed_signers does not list the key that signed it, ${worth.key}`
      : "there is no allowed_signers file, which lists who may sign";
  if (entry.key !== key) return "it was signed for another build";
  if (entry.template !== manifestDigest(manifest)) return "it was signed for another template";
  if (manifest.rehearsal !== context.rehearsal)
    return manifest.rehearsal ? "it is a rehearsal" : "it is not a rehearsal";
  if (manifest.kind !== "template" || manifest.name !== context.name)
    return `it is ${manifest.kind} ${manifest.name}`;
  if (manifestSignature !== undefined) {
    const own = await records.signature(manifest, manifestSignature);
    if (own.state === "bad") return `its manifest's signature is bad: ${own.why}`;
  }
  return undefined;
}

/** Why a cache entry is not used; `undefined` if it may be used. */
export async function refusalOf(
  context: BuildContext,
  { passwords }: { readonly passwords: Passwords },
  key: string,
  there: EntryThere,
): Promise<string | undefined> {
  const { entry, manifest } = there;
  const { records } = context;
  const why = await distrustOf(context, key, there);
  if (why !== undefined) return why;
  const revoked = await records.revocation(manifest.name, manifest.version);
  if (revoked && revoked.lifted === undefined) return `it is revoked: ${revoked.reason}`;
  const own = await context.store.find("template", { name: manifest.name, version: manifest.version });
  if (own && manifestDigest(own) !== entry.template) return otherHere(manifest);
  try {
    await records.check(manifest);
  } catch (error) {
    if (error instanceof TbuildError && error.fault === "integrity") return otherHere(manifest);
    throw error;
  }
  return passwords.changed(entry.passwords);
}

function otherHere({ name, version }: { readonly name: string; readonly version: string }): string {
  return `it is ${name}@${version}, but this store has a different ${name}@${version}`;
}
