import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { TbuildError } from "../../../errors.ts";
import { textOf } from "../../../io/durable.ts";
import { certificatesIn } from "../../../io/system-certificates.ts";

/** Where certificates are looked for, beside those that Node brings. */
export interface TrustPlaces {
  /** Files with certificates of any number, such as the system's; those that are absent are passed over. */
  readonly bundles: readonly string[];
  /** Folders as Docker's `certs.d`: `HOST:PORT/*.crt` vouch for it, `*.cert` with its `*.key` says who we are. */
  readonly folders: readonly string[];
}

/** Whom to trust at a host. Registries send us to other hosts, which the registry's own certificates may vouch for, too. */
export function trust(places: TrustPlaces, registry: string): (host: string) => Promise<SecureContext> {
  const known = new Map<string, Promise<SecureContext>>();
  return (host) => {
    const context = known.get(host) ?? contextOf(places, registry, host);
    known.set(host, context);
    return context;
  };
}

async function contextOf(places: TrustPlaces, registry: string, host: string): Promise<SecureContext> {
  const ca: string[] = [...rootCertificates];
  const client: { cert?: string; key?: string } = {};
  for (const file of places.bundles) ca.push(...certificatesIn(await textOf(file)));
  for (const folder of places.folders)
    for (const name of new Set([registry, host]))
      for (const file of await filesIn(join(folder, name))) {
        if (file.endsWith(".crt")) ca.push(...required(file, await readFile(file, "utf8")));
        if (!file.endsWith(".cert") || name !== host) continue;
        const key = file.replace(/\.cert$/, ".key");
        const keyText = await textOf(key);
        if (keyText === undefined)
          throw new TbuildError("environment", "its key is missing", {
            subject: file,
            hint: `Put it into ${key}.`,
          });
        client.cert = await readFile(file, "utf8");
        client.key = keyText;
      }
  try {
    return createSecureContext({ ca, ...client });
  } catch (cause) {
    throw new TbuildError("environment", "its certificate or key cannot be used", {
      subject: host,
      cause,
      lines: [(cause as Error).message],
      hint: `Look into ${places.folders.map((folder) => join(folder, host)).join(" and ")}.`,
    });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw new TbuildError("environment", `cannot be read (${error.code})`, { subject: folder, cause: error });
  });
  return names.sort().map((name) => join(folder, name));
}

function required(file: string, text: string): string[] {
  const found = certificatesIn(text);
  if (found.length > 0) return found;
  throw new TbuildError("environment", "contains no certificate", {
    subject: file,
    hint: "It must be in PEM format, with a line BEGIN CERTIFICATE.",
  });
}

/** What a certificate is refused for, and what to do then; `undefined` for failures of another kind. */
export function certificateFault(
  registry: string,
  places: TrustPlaces,
  error: NodeJS.ErrnoException,
): TbuildError | undefined {
  const fault = (what: string, hint: string) =>
    new TbuildError("environment", what, {
      subject: registry,
      cause: error,
      lines: [`${error.code}: ${error.message}`],
      hint,
    });
  const unknown =
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT(_LOCALLY)?)|CERT_UNTRUSTED)$/;
  if (unknown.test(error.code ?? ""))
    return fault(
      "its certificate is not signed by a trusted authority",
      `Ask who runs it for the certificate of its authority (or its own, when it is self-signed), and put that into ${places.folders
        .map((folder) => join(folder, registry, "ca.crt"))
        .join(" or ")}.`,
    );
  if (error.code === "CERT_HAS_EXPIRED" || error.code === "CERT_NOT_YET_VALID")
    return fault(
      error.code === "CERT_HAS_EXPIRED" ? "its certificate has expired" : "its certificate is not valid yet",
      "Who runs it has to renew it; or the clock of this machine is wrong.",
    );
  if (error.code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return fault("its certificate is for another name", "Call it by a name that its certificate has.");
  if (/^ERR_SSL_.*(ALERT_BAD_CERTIFICATE|CERTIFICATE_REQUIRED|ALERT_UNKNOWN_CA)/.test(error.code ?? ""))
    return fault(
      "wants to see a certificate of ours, and takes none that it was shown",
      `Put the one that was made for us, with its key, into ${places.folders
        .map((folder) => join(folder, registry, "client.cert and client.key"))
        .join(" or ")}.`,
    );
  return undefined;
}
