import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { localHost } from "../../host/local.ts";
import { printable } from "../../io/escape.ts";
import { startSimulator } from "../../manager/simulator/simulator.ts";
import { interruptible } from "../interrupt.ts";
import { simulatorBacking } from "../simulator-backing.ts";
import { coloursFor } from "../words.ts";

// The last releases whose guides describe the syntax; 3.4.5 is the last with PVM guests.
const versions: Readonly<Record<string, string>> = {
  "3.2": "3.2.11.775",
  "3.3": "3.3.4.1094",
  "3.4": "3.4.5.1919",
};

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.optsWithGlobals<{
    release: string;
    port?: string;
    restPort?: string;
    backWith?: string;
    json?: boolean;
  }>();
  const port = portIn("--port", flags.port);
  const restPort = portIn("--rest-port", flags.restPort);
  const { bold, yellow } = coloursFor(process.stdout);
  await interruptible(
    "the simulator ended",
    async (signal) => {
      const say = (text: string) => void process.stderr.write(`${printable(text)}\n`);
      const real =
        flags.backWith === undefined ? undefined : await simulatorBacking(command, flags.backWith, say);
      await using _lock = real?.lock;
      await using simulator = await startSimulator({
        settings: { version: versions[flags.release] ?? "" },
        host: localHost(),
        ...(port !== undefined && { port }),
        ...(restPort !== undefined && { restPort }),
        ...(real && { backing: real.backing }),
        // The simulator needs no secrets, but a message can contain one.
        onCommand: (text) => say(text.replace(/(message=)("[^"]*"|\S+)/i, "$1***")),
      });
      const { user } = simulator.world.settings;
      const { cli, rest, hostKey } = simulator;
      const reached = {
        simulator: true,
        user,
        cli: { host: "127.0.0.1", port: cli.port, hostKey },
        ...(rest && { rest: { host: "127.0.0.1", port: rest.port, certificate: rest.fingerprint } }),
      };
      process.stdout.write(
        flags.json
          ? `${JSON.stringify(reached)}\n`
          : `${bold(yellow("SIMULATOR"))} of Oracle VM Manager ${simulator.world.settings.version}. ${real ? `Its machines are real, on ${flags.backWith}` : "Nothing here is real"}; Ctrl-C ends it.

Put this into site.yaml, and run: OVMM_PASSWORD=Welcome1 tbuild manager

manager:
  host: 127.0.0.1
  port: ${cli.port}
  password: { env: OVMM_PASSWORD }
  hostKey: ${hostKey}
${rest ? `\nThe same over REST: via: rest, port: ${rest.port}, and this certificate:\n  certificate: "${rest.fingerprint}"\n` : ""}
or log in: ssh -p ${cli.port} ${user}@127.0.0.1    (password Welcome1)
`,
      );
      await new Promise<void>((done) => {
        if (signal.aborted) done();
        signal.addEventListener("abort", () => done(), { once: true });
      });
    },
    () => process.stderr.write("\nthe simulator ends\n"),
  );
}

function portIn(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  throw new TbuildError("usage", `${text} is not a port`, {
    subject: option,
    hint: "A port is a number between 1 and 65535.",
  });
}
