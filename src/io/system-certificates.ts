import { createSecureContext, type SecureContext } from "node:tls";
import { textOf } from "./durable.ts";

/** What Debian's and Oracle's systems trust, where a company adds its own authority. */
export const systemBundles = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/** Trusts what Node brings, NODE_EXTRA_CA_CERTS, and what these files hold; absent ones are passed over. */
export async function systemContext(bundles: readonly string[] = systemBundles): Promise<SecureContext> {
  // With a list of our own, Node would forget NODE_EXTRA_CA_CERTS.
  const trusted = createSecureContext();
  for (const file of bundles)
    for (const one of certificatesIn(await textOf(file))) trusted.context.addCACert(one);
  return trusted;
}

/** The certificates of a PEM text. */
export function certificatesIn(text = ""): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
