import type { Command } from "commander";
import { TbuildError } from "../errors.ts";
import type { ManagerContext } from "../manager/open.ts";
import type { ManagerOptions } from "../manager/options.ts";
import { askSecret } from "./ask-secret.ts";
import { openSite } from "./open-site.ts";

/** The Manager of the site, and the context to open it with. */
export async function siteManager(
  command: Command,
  signal: AbortSignal,
): Promise<{ readonly options: ManagerOptions; readonly context: ManagerContext }> {
  const { site: file, verbose = false } = command.optsWithGlobals<{ site: string; verbose?: boolean }>();
  const { site, home, environment } = await openSite(command);
  if (!site.manager)
    throw new TbuildError("usage", "has no manager", {
      subject: file,
      hint: "Add manager: { host: …, password: { env: … } }; `tbuild manager --help` shows an example.",
    });
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  return {
    options: site.manager,
    context: {
      environment,
      // Relative to the current folder, like the other paths in a site file.
      folder: ".",
      memory: home.memory,
      askSecret,
      signal,
      ...(verbose && { onCommand: (text: string) => say(`OVM> ${text}`) }),
      onWait: say,
    },
  };
}
