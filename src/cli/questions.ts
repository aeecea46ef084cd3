import { keepGuestFault } from "../build/build.ts";
import type { OpenedSite } from "../build/opened-site.ts";
import type { AfterFailure, BeforeStep, OnFailure } from "../build/run-pipeline.ts";
import { firstFault, Interrupted, TbuildError } from "../errors.ts";
import { fileWord } from "../io/escape.ts";
import { systemFault } from "../io/file-fault.ts";
import { ask } from "./ask.ts";
import { explained } from "./explained.ts";
import type { Reporter } from "./reporter.ts";

/** The choices of `--on-error`. */
export type OnError = "ask" | AfterFailure;

interface Asking {
  readonly opened: OpenedSite;
  readonly screen: Reporter;
  readonly signal: AbortSignal;
}

/** Throws `usage` if `option` cannot ask anyone. */
export function requireSomebody(option: string, { jobs, json }: { jobs: number; json: boolean }): void {
  const why = json
    ? "it asks questions, and --json is for programs"
    : jobs > 1
      ? "it asks about one build at a time, but --jobs runs several"
      : process.stdin.isTTY
        ? undefined
        : "it asks on a terminal, but standard input is not a terminal";
  if (why !== undefined) throw new TbuildError("usage", why, { subject: option });
}

/** `undefined` selects the build's default. */
export function onFailureOf(choice: OnError | undefined, asking: Asking): OnFailure | undefined {
  if (choice === undefined) return undefined;
  if (choice === "retry") return onceMore();
  if (choice !== "ask") return async () => choice;
  return ({ build, step, error }) =>
    asking.screen.pausing(async () => {
      const machines = await machinesOf(asking.opened, build);
      tell([
        "",
        explained(systemFault(firstFault(error)) ?? firstFault(error)),
        "",
        `${build}: ${step} failed. Examine it from another terminal:`,
        ...machines.map((machine) => `  tbuild console ${machine}`),
        ...(machines.length === 0 ? ["  this build has no machine"] : []),
        `  less ${fileWord(`${asking.opened.home.builds}/${build}/log.txt`)}`,
      ]);
      return answerTo("[r]etry the step, [k]eep its machine and end, or [c]lean up and end? ", asking.signal);
    });
}

/** Stops before each step. */
export function stopBefore({ screen, signal }: Omit<Asking, "opened">): BeforeStep {
  return ({ build, step, text, state }) =>
    screen.pausing(async () => {
      const { image, disk } = state as { readonly image?: string; readonly disk?: string };
      const file = image ?? disk;
      tell([
        "",
        `${build}: next is ${step}: ${text}`,
        ...(file === undefined
          ? ["  the guest has no disk yet"]
          : [`  look at its disk:        tbuild ls ${fileWord(`${file}:/`)}`]),
        "  log in while it runs:    tbuild console, from another terminal",
      ]);
      const answer = await ask("Enter runs it, q ends the build: ", signal);
      if (/^q/i.test(answer)) throw new Interrupted();
    });
}

/** Retries each step once. After that, applies the build's default. */
function onceMore(): OnFailure {
  const tried = new Set<string>();
  return async (failed) => {
    const name = `${failed.build} ${failed.step}`;
    if (tried.has(name)) return keepGuestFault(failed);
    tried.add(name);
    return "retry";
  };
}

async function answerTo(question: string, signal: AbortSignal): Promise<AfterFailure> {
  const answers = { r: "retry", k: "keep", c: "clean" } as const;
  for (;;) {
    const answer = (await ask(question, signal)).toLowerCase()[0] ?? "";
    if (answer in answers) return answers[answer as keyof typeof answers];
  }
}

async function machinesOf({ hypervisor }: OpenedSite, build: string): Promise<string[]> {
  return (await hypervisor.list()).filter((name) => name.startsWith(`${build}-`));
}

function tell(lines: readonly string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}
