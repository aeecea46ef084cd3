import { X509Certificate } from "node:crypto";
import type { Host } from "../../host/host.ts";
import { fingerprint } from "../cli/ssh/fingerprint.ts";
import type { Backing } from "./backing/backing.ts";
import { makeCertificate } from "./certificate.ts";
import { addTemplate } from "./operations/index.ts";
import { type RestServer, restServer } from "./rest-server.ts";
import { type SimulatorSettings, usualSettings } from "./settings.ts";
import { type CliServer, type CliServerOptions, cliServer } from "./ssh-server.ts";
import { World } from "./world.ts";

export interface Simulator extends AsyncDisposable {
  readonly world: World;
  readonly cli: CliServer;
  /** `SHA256:…`. */
  readonly hostKey: string;
  /** Absent below 3.3, or if there is no host to make a certificate on. */
  readonly rest?: RestServer & { readonly fingerprint: string };
}

export interface SimulatorOptions extends CliServerOptions {
  readonly settings?: Partial<SimulatorSettings>;
  /** The hypervisor of the machines. The simulator closes it. */
  readonly backing?: Backing;
  /** Makes the certificate of the REST API; left out, only the CLI is served. */
  readonly host?: Host;
  readonly restPort?: number;
}

/** A simulated Oracle VM Manager: its CLI on a loopback port, with one pool, two servers, two repositories and two networks. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const world = new World({ ...usualSettings, ...options.settings }, options.backing);
  furnish(world);
  const cli = await cliServer(world, options);
  const { host } = options;
  const hasRest = !/^3\.[12]/.test(world.settings.version);
  const rest =
    host && hasRest
      ? await serveRest(world, host, options).catch(async (error) => {
          await cli.close();
          throw error;
        })
      : undefined;
  return {
    world,
    ...(rest && { rest }),
    cli,
    hostKey: fingerprint(cli.hostKey),
    async [Symbol.asyncDispose]() {
      await Promise.all([cli.close(), rest?.close()]);
      await options.backing?.[Symbol.asyncDispose]();
    },
  };
}

async function serveRest(world: World, host: Host, { restPort, onCommand }: SimulatorOptions) {
  const rest = await restServer(world, {
    certificate: await makeCertificate(host),
    ...(restPort !== undefined && { port: restPort }),
    ...(onCommand && { onRequest: onCommand }),
  });
  return { ...rest, fingerprint: new X509Certificate(rest.certificate).fingerprint256 };
}

function furnish(world: World): void {
  const pool = world.add("ServerPool", "pool1");
  for (const name of ["ovs1", "ovs2"]) world.add("Server", name, { pool: pool.id, isUp: true });
  const free = 500 * 2 ** 30;
  const repository = world.add("Repository", "repo1", { freeBytes: free });
  world.add("Repository", "repo2", { freeBytes: free });
  for (const name of ["public", "private"]) world.add("Network", name);
  // A template without data could not be started.
  if (!world.backing) addTemplate(world, repository, "OVM_OL6");
}
