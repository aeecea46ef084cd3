import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { waitFor } from "../../src/host/wait-for.ts";

/**
 * Debian's docker-registry on a free port of the loopback, with its data in `folder`; `auth` and `tls` are parts of its
 * YAML configuration.
 */
export async function startRegistry(folder: string, auth = "", tls = ""): Promise<DockerRegistry> {
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  const config = join(folder, "config.yml");
  await writeFile(
    config,
    `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${folder}/data } }
http: { addr: 127.0.0.1:${port}${tls && `, tls: ${tls}`} }
${auth}`,
  );
  const child = spawn("docker-registry", ["serve", config], { stdio: "ignore" });
  const ended = new Promise((done) => child.once("exit", done));
  await waitFor("the registry", () => answers(port, child), { timeoutMs: 30_000 });
  return {
    address: `127.0.0.1:${port}`,
    data: join(folder, "data/docker/registry/v2"),
    async stop() {
      child.kill();
      await ended;
    },
  };
}

export interface DockerRegistry {
  readonly address: string;
  readonly data: string;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

// This also works with TLS: the registry then answers that the request is not TLS.
async function answers(port: number, child: ChildProcess): Promise<true | undefined> {
  if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
  return (await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined)) ? true : undefined;
}
