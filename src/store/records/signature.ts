import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { writeFile } from "../../io/write-file.ts";

/** The validity of a manifest's signature. */
export type Signature =
  | { readonly state: "unsigned" }
  | { readonly state: "good"; readonly by: string }
  /** It matches the manifest, but the key is not in `allowed_signers`. */
  | { readonly state: "stranger"; readonly key: string }
  | { readonly state: "bad"; readonly why: string };

// Signatures for something else, such as a git commit, are not valid for a manifest.
const manifests = "tbuild-manifest";
/** The namespace for statements about versions in a registry. */
export const statements = "tbuild-statement";
/** The namespace for entries of a cache. */
export const cacheEntries = "tbuild-cache";

/**
 * Signs with ssh-keygen. People have such keys, in agents and on tokens too; git signs commits with them;
 * and `allowed_signers` is a text file that is reviewed and merged like any other.
 */
export async function signText(
  host: Runner,
  key: string,
  text: string,
  namespace = manifests,
): Promise<string> {
  try {
    return (await host.run(["ssh-keygen", "-Y", "sign", "-f", key, "-n", namespace], { input: text })).stdout;
  } catch (cause) {
    throw new TbuildError("environment", "cannot sign with it", {
      subject: key,
      cause,
      lines: cause instanceof TbuildError ? cause.lines : [],
      hint: "`signingKey` in the site file names an ssh key; one with a passphrase has to be in ssh-agent.",
    });
  }
}

const signed: Readonly<Record<string, string>> = {
  [manifests]: "manifest",
  [statements]: "statement",
  [cacheEntries]: "cache entry",
};

/** Checks a signature of `text` against `allowed_signers`. */
export async function signatureOf(
  host: Runner,
  text: string,
  signature: string,
  signers: string,
  namespace = manifests,
): Promise<Signature> {
  await using folder = await temporaryFolder("signature");
  const file = join(folder.path, "sig");
  await writeFile(file, signature);
  return await checked(host, text, file, signers, namespace);
}

async function checked(
  host: Runner,
  text: string,
  file: string,
  signers: string,
  namespace: string,
): Promise<Signature> {
  const any = { input: text, allow: [...Array(256).keys()] };
  const fits = await host.run(["ssh-keygen", "-Y", "check-novalidate", "-n", namespace, "-s", file], any);
  if (fits.exitCode !== 0)
    return { state: "bad", why: `the signature does not belong to this ${signed[namespace] ?? "text"}` };
  const key = /key (\S+)/.exec(fits.stdout)?.[1] ?? "unknown";
  if ((await readFile(signers).catch(() => undefined)) === undefined) return { state: "stranger", key };
  const found = await host.run(["ssh-keygen", "-Y", "find-principals", "-s", file, "-f", signers], any);
  const by = found.stdout.trim().split("\n")[0] ?? "";
  if (found.exitCode !== 0 || by === "") return { state: "stranger", key };
  const verified = await host.run(
    ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", by, "-n", namespace, "-s", file],
    any,
  );
  if (verified.exitCode === 0) return { state: "good", by };
  return {
    state: "bad",
    why: `${by} may not sign ${signed[namespace] ?? "text"}s, or could not at that time`,
  };
}
