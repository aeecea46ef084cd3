import type { Host } from "../../host/host.ts";

export interface Certificate {
  /** PEM. */
  readonly key: string;
  readonly cert: string;
}

/** A self-signed certificate for the loopback, like that of a real Manager. */
export async function makeCertificate(host: Host): Promise<Certificate> {
  const argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const subject = ["-subj", "/CN=ovmm.simulator", "-days", "30", "-nodes"];
  // Both go to the standard output, so that no key is written to a file.
  const { stdout } = await host.run([...argv, ...subject, "-keyout", "-"]);
  const part = (name: string) =>
    new RegExp(`-----BEGIN ${name}-----[\\s\\S]*?-----END ${name}-----\\n`).exec(stdout)?.[0] ?? "";
  return { key: part("PRIVATE KEY"), cert: part("CERTIFICATE") };
}
