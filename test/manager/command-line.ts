import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { run } from "../../src/cli/run.ts";
import { localHost } from "../../src/host/local.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";
import { captured } from "../fakes/captured.ts";

/** For each test of this file: a simulated Manager, and tbuild's command line in a new folder with a site. */
export interface ManagerBench {
  readonly said: ReturnType<typeof captured>;
  readonly folder: string;
  readonly simulator: Simulator;
  tbuild(...args: string[]): Promise<number>;
  /** Writes the site file. */
  site(text: string): Promise<void>;
  /** The key `manager` of a site that trusts the simulator. `more` has further keys. */
  manager(via: "ssh" | "rest", more?: string): string;
}

export function managerBench(version = "3.4.5.1919"): ManagerBench {
  const said = captured();
  let folder: string;
  let simulator: Simulator;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-manager-"));
    await writeFile(join(folder, "password"), "Welcome1\n");
    simulator = await startSimulator({ host: localHost(), settings: { version } });
  });
  afterEach(async () => {
    process.exitCode = undefined;
    await simulator[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const place = () => join(folder, "site.yaml");
  return {
    said,
    get folder() {
      return folder;
    },
    get simulator() {
      return simulator;
    },
    async tbuild(...args) {
      process.exitCode = undefined;
      return run(["--home", join(folder, "home"), "--site", place(), ...args]);
    },
    site: (text) => writeFile(place(), text),
    manager(via, more = "") {
      const { cli, rest, hostKey } = simulator;
      return `manager:
  host: 127.0.0.1
  via: ${via}
  port: ${via === "ssh" ? cli.port : rest?.port}
  password: { file: ${join(folder, "password")} }
  hostKey: ${hostKey}
  certificate: "${rest?.fingerprint}"
  repository: repo1
${more}`;
    },
  };
}
