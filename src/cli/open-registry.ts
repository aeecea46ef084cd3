import { homedir } from "node:os";
import { join } from "node:path";
import type { Host } from "../host/host.ts";
import { dockerCredentials } from "../store/oci/credentials.ts";
import type { Reference } from "../store/oci/reference.ts";
import { openRegistry, type Registry } from "../store/oci/registry.ts";

/** The registry of a reference, with what `docker login` knows of it. */
export function registryOf(
  host: Host,
  reference: Reference,
  options: { plainHttp?: boolean; signal: AbortSignal },
): Registry {
  const file = join(process.env.DOCKER_CONFIG ?? join(homedir(), ".docker"), "config.json");
  return openRegistry(reference, {
    ...options,
    credentials: () => dockerCredentials(host, file, reference.registry),
  });
}
