import { join, resolve } from "node:path";
import type { Command } from "commander";
import { type InstallMediaRequest, makeInstallMedia } from "../../build/install-media.ts";
import type { MediaForm } from "../../build/media-forms.ts";
import { printable } from "../../io/escape.ts";
import { releaseOf } from "../../media/media.ts";
import { stays } from "../interrupt.ts";
import { oneStep } from "../one-step.ts";
import { openSite } from "../open-site.ts";

interface Options {
  readonly as: MediaForm;
  readonly iso?: string;
  readonly rehearse?: boolean;
  readonly kickstart?: string;
  readonly addons?: string;
  readonly console?: "screen" | "serial";
  readonly volume: "iso" | "disk";
  readonly url?: string;
  readonly out?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { json = false, ...options } = command.opts<Options>();
  const [recipe] = args as [string?];
  const opened = await openSite(command);
  const title = `${recipe ?? "kickstart"}-${options.as}`.replaceAll("/", "-");
  const request: InstallMediaRequest = {
    form: options.as,
    rehearse: options.rehearse ?? false,
    oemdrvForm: options.volume,
    out: options.out === undefined ? join(opened.home.root, "install-media", title) : resolve(options.out),
    replace: options.out === undefined,
    ...(recipe !== undefined && { recipe }),
    ...(options.iso !== undefined && { iso: options.iso }),
    ...(options.kickstart !== undefined && { kickstart: options.kickstart }),
    ...(options.addons !== undefined && { addons: options.addons }),
    ...(options.console !== undefined && { talksOn: options.console }),
    ...(options.url !== undefined && { url: options.url }),
  };
  const made = await oneStep(
    { name: title, step: "installation media", json, stays: stays.noOutput },
    (how) => makeInstallMedia(opened, request, how),
  );
  if (json) {
    process.stdout.write(`${JSON.stringify({ type: "result", ...made })}\n`);
    return;
  }
  const { medium, files, commandLine, notes } = made;
  process.stdout.write(
    [
      ...files,
      `from ${releaseOf(medium)}, ${medium.volumeId}`,
      ...(commandLine === undefined ? [] : [`starts with: ${commandLine}`]),
      ...(made.addonsUrl === undefined ? [] : [`packages at: ${made.addonsUrl}`]),
      ...notes.map((note) => `- ${note}`),
    ]
      .map((line) => `${printable(line)}\n`)
      .join(""),
  );
}
