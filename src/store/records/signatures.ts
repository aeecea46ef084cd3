import { join } from "node:path";
import type { Runner } from "../../host/host.ts";
import { textOf } from "../../io/durable.ts";
import { type Manifest, manifestText } from "../../model/manifest.ts";
import type { RecordFiles } from "./record-files.ts";
import { cacheEntries, type Signature, signatureOf, signText, statements } from "./signature.ts";

/** Signatures of records, and of statements for a registry, checked by the repo's `allowed_signers`. */
export function signaturesIn(host: Runner, { folder, fileOf }: RecordFiles, signingKey: string | undefined) {
  const signers = join(folder, "allowed_signers");
  const signatureText = (manifest: Manifest) => textOf(`${fileOf(manifest)}.sig`);

  return {
    signatureText,

    async signature(manifest: Manifest, given?: string): Promise<Signature> {
      const signature = given ?? (await signatureText(manifest));
      if (signature === undefined) return { state: "unsigned" };
      return signatureOf(host, manifestText(manifest), signature, signers);
    },

    async signStatement(text: string): Promise<string | undefined> {
      return signingKey === undefined ? undefined : signText(host, signingKey, text, statements);
    },

    async statementSignature(text: string, signature: string | undefined): Promise<Signature> {
      if (signature === undefined) return { state: "unsigned" };
      return signatureOf(host, text, signature, signers, statements);
    },

    async signEntry(text: string): Promise<string | undefined> {
      return signingKey === undefined ? undefined : signText(host, signingKey, text, cacheEntries);
    },

    async entrySignature(text: string, signature: string | undefined): Promise<Signature> {
      if (signature === undefined) return { state: "unsigned" };
      return signatureOf(host, text, signature, signers, cacheEntries);
    },

    hasSigners: async () => (await textOf(signers)) !== undefined,
  };
}
