import { homedir } from "node:os";
import { join } from "node:path";
import type { Host } from "../host/host.ts";
import { dockerCredentials } from "../store/oci/credentials.ts";
import type { Reference } from "../store/oci/reference.ts";
import { openRegistry, type Registry } from "../store/oci/registry.ts";
import { progressBar, size } from "./words.ts";

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

/** On a terminal a bar that grows; elsewhere nothing. */
export function showTransfer(moved: number, total: number): void {
  if (!process.stderr.isTTY) return;
  const share = total === 0 ? 1 : moved / total;
  process.stderr.write(
    `\r${progressBar(share, 30)} ${size(moved)} of ${size(total)}${share === 1 ? "\n" : ""}`,
  );
}
