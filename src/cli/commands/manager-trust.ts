import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { identityOf, trustIdentity } from "../../manager/open.ts";
import { portOf } from "../../manager/options.ts";
import { trustedIdentity } from "../../manager/trusted-identities.ts";
import { askYes } from "../ask.ts";
import { interruptible } from "../interrupt.ts";
import { siteManager } from "../open-manager.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { yes = false, json = false } = command.optsWithGlobals<{ yes?: boolean; json?: boolean }>();
  await interruptible("nothing was recorded", async (signal) => {
    const { options, context } = await siteManager(command, signal);
    const identity = await identityOf(options, context);
    const port = portOf(options);
    const known = await trustedIdentity(context.memory, options.host, port);
    const shown = identity.hostKey ?? identity.certificate ?? "";
    const before = known.hostKey ?? known.certificate;
    const what = options.via === "rest" ? "certificate" : "host key";
    if (before !== shown) {
      process.stderr.write(`${options.host}:${port} shows the ${what}\n  ${shown}\n`);
      if (before !== undefined) process.stderr.write(`so far, tbuild trusts\n  ${before}\n`);
      if (!yes && !(await agreed(signal))) {
        process.stderr.write("nothing was recorded\n");
        return;
      }
      await trustIdentity(options, context, identity);
    }
    const result = { host: options.host, port, ...identity, isNew: before !== shown };
    process.stdout.write(
      json
        ? `${JSON.stringify(result, undefined, 2)}\n`
        : `${options.host}:${port}: ${before === shown ? "this is the" : "recorded the"} ${what} to trust\n`,
    );
  });
}

async function agreed(signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new TbuildError("usage", "there is no terminal to ask on", {
      subject: "tbuild manager trust",
      hint: "Use --yes if you have compared the fingerprint.",
    });
  return askYes("Trust it?", signal);
}
