import { homedir } from "node:os";
import { join } from "node:path";
import type { Host } from "../host/host.ts";
import { proxiesOf } from "../io/proxies.ts";
import { systemBundles } from "../io/system-certificates.ts";
import { dockerCredentials } from "../store/exchange/oci/credentials.ts";
import type { Reference } from "../store/exchange/oci/reference.ts";
import { openRegistry, type Registry } from "../store/exchange/oci/registry.ts";

/** The registry of a reference, with what `docker login` knows of it, and the certificates kept for it as for Docker. */
export function registryOf(
  host: Host,
  reference: Reference,
  options: { plainHttp?: boolean; signal?: AbortSignal; onWait?: (words: string) => void },
): Registry {
  const docker = process.env.DOCKER_CONFIG ?? join(homedir(), ".docker");
  const file = join(docker, "config.json");
  const more = process.env.NODE_EXTRA_CA_CERTS;
  return openRegistry(reference, {
    ...options,
    proxyFor: proxiesOf((name) => process.env[name]),
    credentials: () => dockerCredentials(host, file, reference.registry),
    lookedIn: file,
    trust: {
      bundles: [...systemBundles, ...(more ? [more] : [])],
      folders: ["/etc/docker/certs.d", join(docker, "certs.d")],
    },
  });
}
