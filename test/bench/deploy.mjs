// How long a deployment of 50 machines takes on the simulated Manager: planned, applied, planned again, and destroyed.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { localHost } from "../../dist/host/local.js";
import { startSimulator } from "../../dist/manager/simulator/simulator.js";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const machines = Number(process.argv[2] ?? 50);
const folder = mkdtempSync(join(tmpdir(), "tbuild-bench-"));
const run = (...args) =>
  new Promise((done) => {
    const begun = performance.now();
    const common = ["--home", join(folder, "home"), "--site", join(folder, "site.yaml")];
    const child = spawn(process.execPath, [main, ...common, "deploy", join(folder, "many.yaml"), ...args]);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
    child.once("close", (code) => done({ code, said, seconds: (performance.now() - begun) / 1000 }));
  });

try {
  writeFileSync(join(folder, "password"), "Welcome1\n");
  writeFileSync(
    join(folder, "many.yaml"),
    `name: many
template: place:OVM_OL6
shared: [{ name: asm1, size: 1G }]
machines: [{ name: "vm[001-0${machines}]", nics: [{ network: public }], shared: [asm1] }]
`,
  );
  for (const via of ["ssh", "rest"]) {
    const simulator = await startSimulator({
      host: localHost(),
      settings: { version: "3.4.5.1919", jobMs: 20 },
    });
    const { cli, rest, hostKey } = simulator;
    writeFileSync(
      join(folder, "site.yaml"),
      `manager: { host: 127.0.0.1, via: ${via}, port: ${via === "ssh" ? cli.port : rest.port}, hostKey: "${hostKey}", certificate: "${rest.fingerprint}", password: { file: ${join(folder, "password")} }, repository: repo1 }\n`,
    );
    for (const [what, ...args] of [
      ["planned", "--plan"],
      ["applied", "--yes"],
      ["planned again", "--plan"],
      ["destroyed", "--destroy", "--yes"],
    ]) {
      const { code, said, seconds } = await run(...args);
      if (code !== 0) throw new Error(said);
      console.log(`${machines} machines over ${via}, ${what}: ${seconds.toFixed(1)} s`);
    }
    await simulator[Symbol.asyncDispose]();
  }
} finally {
  rmSync(folder, { recursive: true });
}
