import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import type { BuildContext } from "./step.ts";

/** Serves folders with repodata on the loopback address, by repository id, while a guest is provisioned. */
export interface RepositoryServer extends AsyncDisposable {
  readonly port: number;
}

export async function serveRepositories(
  folders: Readonly<Record<string, string>>,
): Promise<RepositoryServer> {
  const server = createServer((request, response) => {
    answer(folders, request, response).catch(() => response.writeHead(400).end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The URL of each mirror for the guest. A mirror that is a local folder is served. */
export function mirrorsFor(
  mirrors: Readonly<Record<string, string>>,
  standIns: Readonly<Record<string, string>>,
): { readonly served: Record<string, string>; urls(port: number, host?: string): Record<string, string> } {
  const folders = Object.entries(mirrors).filter(([, where]) => !/^[a-z]+:\/\//.test(where));
  const served = { ...Object.fromEntries(folders), ...standIns };
  return {
    served,
    // Default: the address by which a guest in qemu's user network reaches this machine's loopback.
    urls: (port, host = "10.0.2.2") => ({
      ...mirrors,
      ...Object.fromEntries(Object.keys(served).map((id) => [id, `http://${host}:${port}/${id}/`])),
    }),
  };
}

/**
 * The address by which guests reach this machine's loopback. Throws if folders must be served to guests that
 * cannot reach it.
 */
export function loopbackFor(
  hypervisor: Pick<Hypervisor, "name" | "buildAddresses">,
  served: Readonly<Record<string, string>>,
): string | undefined {
  const { loopback } = hypervisor.buildAddresses;
  const names = Object.keys(served);
  if (loopback !== undefined || names.length === 0) return loopback;
  throw new TbuildError(
    "environment",
    "guests there cannot reach the folders that tbuild serves as repositories",
    {
      subject: hypervisor.name,
      hint: "Use URLs in the site's mirrors. For a rehearsal, first build its master with hypervisor.kind qemu; the boot trial runs anywhere.",
      lines: names.map((name) => `repository ${name}: ${served[name]}`),
    },
  );
}

async function answer(
  folders: Readonly<Record<string, string>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [id = "", ...rest] = decodeURIComponent(request.url ?? "/")
    .replace(/\?.*$/, "")
    .slice(1)
    .split("/");
  const folder = folders[id];
  // Normalised as an absolute path, so `..` cannot leave the folder.
  const file = folder === undefined ? undefined : join(folder, normalize(`/${rest.join("/")}`));
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !found?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-length": found.size, "content-type": "application/octet-stream" });
  createReadStream(file)
    .on("error", () => response.destroy())
    .pipe(response);
}

/** A rehearsal has stand-ins for some repositories, and must not use the rest. */
export function onlyStandIns(standIns: Readonly<Record<string, string>>): { only?: readonly string[] } {
  const ids = Object.keys(standIns);
  return ids.length > 0 ? { only: ids } : {};
}

export function proxyOf({ site }: Pick<BuildContext, "site">): { proxy?: string } {
  return site.proxy === undefined ? {} : { proxy: site.proxy };
}
