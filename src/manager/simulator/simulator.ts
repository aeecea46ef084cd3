import { fingerprint } from "../cli/connection.ts";
import { addTemplate } from "./operations.ts";
import { type SimulatorSettings, usualSettings } from "./settings.ts";
import { type CliServer, type CliServerOptions, cliServer } from "./ssh-server.ts";
import { type Backing, World } from "./world.ts";

export interface Simulator extends AsyncDisposable {
  readonly world: World;
  readonly cli: CliServer;
  /** `SHA256:…`. */
  readonly hostKey: string;
}

export interface SimulatorOptions extends CliServerOptions {
  readonly settings?: Partial<SimulatorSettings>;
  readonly backing?: Backing;
}

/** A simulated Oracle VM Manager: its CLI on a loopback port, with one pool, two servers, two repositories and two networks. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const world = new World({ ...usualSettings, ...options.settings }, options.backing);
  furnish(world);
  const cli = await cliServer(world, options);
  return {
    world,
    cli,
    hostKey: fingerprint(cli.hostKey),
    async [Symbol.asyncDispose]() {
      await cli.close();
    },
  };
}

function furnish(world: World): void {
  const pool = world.add("ServerPool", "pool1");
  for (const name of ["ovs1", "ovs2"]) world.add("Server", name, { pool: pool.id, isUp: true });
  const free = 500 * 2 ** 30;
  const repository = world.add("Repository", "repo1", { freeBytes: free });
  world.add("Repository", "repo2", { freeBytes: free });
  for (const name of ["public", "private"]) world.add("Network", name);
  addTemplate(world, repository, "OVM_OL6");
}
