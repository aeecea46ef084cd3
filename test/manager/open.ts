import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { localHost } from "../../src/host/local.ts";
import type { ManagerApi } from "../../src/manager/api.ts";
import { openManager } from "../../src/manager/open.ts";
import { ManagerOptions } from "../../src/manager/options.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";

/** A simulator and a Manager opened on it, with the logs of both. */
export interface OpenedSimulator {
  readonly simulator: Simulator;
  readonly api: ManagerApi;
  readonly world: Simulator["world"];
  /** The client's log. */
  readonly commands: string[];
  readonly options: ManagerOptions;
}

type Starting = Parameters<typeof startSimulator>[0];

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

export async function openSimulator(
  starting: Starting = {},
  more: Partial<ManagerOptions> = {},
  signal?: AbortSignal,
): Promise<OpenedSimulator> {
  const simulator = await startSimulator({ ...(more.via === "rest" && { host: localHost() }), ...starting });
  opened.push(async () => simulator[Symbol.asyncDispose]());
  const options = optionsFor(simulator, more);
  const commands: string[] = [];
  const api = await openOn(options, commands, signal);
  return { simulator, api, world: simulator.world, commands, options };
}

export function optionsFor(simulator: Simulator, more: Partial<ManagerOptions> = {}): ManagerOptions {
  return ManagerOptions.parse({
    host: "127.0.0.1",
    port: more.via === "rest" ? simulator.rest?.port : simulator.cli.port,
    ...(simulator.rest && { certificate: simulator.rest.fingerprint }),
    password: { env: "MANAGER_PASSWORD" },
    hostKey: simulator.hostKey,
    ...more,
  });
}

/** Gives a disk to a machine `borrower`, as somebody could do in the Manager. The result takes it back. */
export function lentIn(world: Simulator["world"], disk: string): () => Promise<void> {
  const size = { domainType: "XEN_HVM", memoryMib: 64, vcpus: 1 };
  const vm = world.add("Vm", "borrower", { state: "STOPPED", ...size });
  const mapping = world.add("VmDiskMapping", "borrowed", { vm: vm.id, slot: 1, virtualDisk: disk });
  return async () => {
    for (const { id } of [mapping, vm]) world.objects.delete(id);
  };
}

export async function openOn(
  options: ManagerOptions,
  commands: string[] = [],
  signal?: AbortSignal,
): Promise<ManagerApi> {
  const memory = mkdtempSync(join(tmpdir(), "tbuild-manager-"));
  opened.push(async () => rmSync(memory, { recursive: true }));
  const api = await openManager(options, {
    environment: (name) => (name === "MANAGER_PASSWORD" ? "Welcome1" : undefined),
    folder: ".",
    memory,
    askSecret: async () => "Welcome1",
    onCommand: (text) => void commands.push(text),
    signal,
  });
  opened.push(async () => api[Symbol.asyncDispose]());
  return api;
}
