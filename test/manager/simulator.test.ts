import { type AddressInfo, createServer } from "node:net";
import { expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";

async function taken() {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return { port, free: () => new Promise((done) => server.close(done)) };
}

it.each(["port", "restPort"])("a simulator names the port that it cannot have, and ends: %s", async (key) => {
  const [one, other] = [await taken(), await taken()];
  await other.free();
  const wanted = { port: other.port, [key]: one.port };
  await expect(startSimulator({ host: localHost(), ...wanted })).rejects.toMatchObject({
    fault: "environment",
    subject: `port ${one.port} of 127.0.0.1`,
    message: expect.stringContaining("is in use by another program"),
  });
  await one.free();
  // It holds no port any more.
  await using simulator = await startSimulator({ port: other.port });
  expect(simulator.cli.port).toBe(other.port);
});
