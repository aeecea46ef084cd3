import { homedir } from "node:os";
import { join } from "node:path";
import type { Host } from "../host/host.ts";
import { proxiesOf } from "../io/proxies.ts";
import { systemBundles } from "../io/system-certificates.ts";
import { dockerCredentials } from "../store/exchange/oci/credentials.ts";
import type { Reference } from "../store/exchange/oci/reference.ts";
import { openRegistry, type Registry } from "../store/exchange/oci/registry.ts";

/** The registry of a reference, with the credentials of `docker login` and the certificates in Docker's folders. */
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
