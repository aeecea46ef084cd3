import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import { TbuildError } from "../../../errors.ts";
import { textOf } from "../../../io/durable.ts";
import { reasonOf } from "../../../io/file-fault.ts";
import { certificatesIn } from "../../../io/system-certificates.ts";

/** Places with certificates, besides Node's own. */
export interface TrustPlaces {
  /** Files with any number of certificates, such as the system's. Missing files are skipped. */
  readonly bundles: readonly string[];
  /** Folders like Docker's `certs.d`: `HOST:PORT/*.crt` are trusted for that host, `*.cert` with its `*.key` is the client certificate. */
  readonly folders: readonly string[];
}

/** The trusted certificates for a host. A registry redirects to other hosts; its own certificates are trusted there too. */
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
    throw new TbuildError("environment", `cannot be read: ${reasonOf(error)}`, {
      subject: folder,
      cause: error,
    });
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

/** Why a certificate was refused, and what to do; `undefined` for other failures. */
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
      `Ask its operator for the certificate of its authority (or its own, if it is self-signed), and put that into ${places.folders
        .map((folder) => join(folder, registry, "ca.crt"))
        .join(" or ")}.`,
    );
  if (error.code === "CERT_HAS_EXPIRED" || error.code === "CERT_NOT_YET_VALID")
    return fault(
      error.code === "CERT_HAS_EXPIRED" ? "its certificate has expired" : "its certificate is not valid yet",
      "Its operator must renew it, or the clock of this machine is wrong.",
    );
  if (error.code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return fault("its certificate is for another name", "Use a name that is in its certificate.");
  if (/^ERR_SSL_.*(ALERT_BAD_CERTIFICATE|CERTIFICATE_REQUIRED|ALERT_UNKNOWN_CA)/.test(error.code ?? ""))
    return fault(
      "requires a client certificate, and refuses ours or got none",
      `Put your client certificate, with its key, into ${places.folders
        .map((folder) => join(folder, registry, "client.cert and client.key"))
        .join(" or ")}.`,
    );
  return undefined;
}
