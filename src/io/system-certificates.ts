import { createSecureContext, type SecureContext } from "node:tls";
import { textOf } from "./durable.ts";

/** The system's trusted certificates on Debian and Oracle Linux. Companies add their own authority there. */
export const systemBundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/** Trusts Node's certificates, NODE_EXTRA_CA_CERTS, and these files. Missing files are skipped. */
export async function systemContext(bundles: readonly string[] = systemBundles): Promise<SecureContext> {
  // Node ignores NODE_EXTRA_CA_CERTS if it gets an explicit list.
  const trusted = createSecureContext();
  for (const file of bundles)
    for (const one of certificatesIn(await textOf(file))) trusted.context.addCACert(one);
  return trusted;
}

/** The certificates of a PEM text. */
export function certificatesIn(text = ""): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
