import type { ModuleFile, ModuleParts, Target } from "../module.ts";
import type { ReadShell } from "../shell/read.ts";
import { type Command, shellFiles } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";

/** Oracle's additions have no deadline that is documented; tbuild's end a module after this time. */
const usualSeconds = 1800;

/** The seconds that a module may run. */
export function secondsOf({ yaml, script }: ModuleParts): number {
  const said = /^#\s*tbuild-timeout:\s*(\d+)\s*$/m.exec(Buffer.from(script).toString("latin1"))?.[1];
  return yaml?.run.timeout ?? (said === undefined ? usualSeconds : Number(said));
}

/** What is wrong with a sleep of so many seconds. */
export function sleepProblem(slept: number, deadline: number) {
  if (slept < deadline) return undefined;
  return {
    text: `sleeps ${slept} seconds, but the module may run ${deadline}`,
    remedy: "Do it after the boot, or give the module more time",
  };
}

/** A `sleep` that is longer than a module may run. */
export function sleepFinding(
  { words, file, line, isBackground, hasLimit }: Command,
  deadline: number,
): ModuleFinding | undefined {
  if (isBackground || hasLimit) return undefined;
  const [program = "", ...rest] = words;
  if (program.replace(/^.*\//, "") !== "sleep") return undefined;
  const unit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  const seconds = rest.map((word) => {
    const [, number, letter = "s"] = /^(\d+(?:\.\d+)?)([smhd])?$/.exec(word ?? "") ?? [];
    return Number(number ?? (/^inf/.test(word ?? "") ? Number.POSITIVE_INFINITY : 0)) * (unit[letter] ?? 1);
  });
  const problem = sleepProblem(
    seconds.reduce((sum, one) => sum + one, 0),
    deadline,
  );
  return problem && { level: "error", file, line, ...problem };
}

/** The loops without a limit in a shell program that a target starts. */
export function waitFindings(
  file: ModuleFile,
  payload: readonly ModuleFile[],
  read: ReadShell,
  target: Target,
): ModuleFinding[] {
  return shellFiles(file, payload, read).flatMap(([one, { waits }]) =>
    waits.map(({ line, loop, isEndless }): ModuleFinding => {
      const found = { file: one.from, line } as const;
      return isEndless
        ? {
            ...found,
            level: "error",
            text: `never ends: nothing leaves the loop ${loop}`,
            remedy: "Make it end",
          }
        : {
            ...found,
            level: "warning",
            text: `waits without a limit at ${target}: ${loop}`,
            remedy: "Count the rounds, and fail with a message after the last",
          };
    }),
  );
}

// They come after the first-boot configuration, so that each start of them waits for its end.
const later =
  /^(?:sshd|ovm-template-initial-config|getty@\S*|serial-getty@\S*)\.service$|^(?:multi-user|graphical|default|getty)\.target$/;

/**
 * A start of a unit that systemd runs after the first-boot configuration. systemd queues it, systemctl waits for
 * it, and the configuration waits for systemctl.
 */
export function deadlockFinding(
  { words, file, line, isBackground }: Command,
  target: Target,
  payload: readonly ModuleFile[],
): ModuleFinding | undefined {
  if (isBackground || (target !== "configure" && target !== "reconfigure")) return undefined;
  const unit = unitsStarted(words).find((one) => isLater(one, payload));
  if (unit === undefined) return undefined;
  return {
    level: "error",
    file,
    line,
    text: `starts ${unit} at ${target} and waits for it, but systemd starts it after the configuration: neither ends`,
    remedy: "Add --no-block, or leave it to the boot, which starts it next",
  };
}

function unitsStarted(words: Command["words"]): string[] {
  const [program = "", ...rest] = words.map((word) => word ?? "");
  const name = program.replace(/^.*\//, "");
  const named = (unit: string) => (/\.\w+$/.test(unit) ? unit : `${unit}.service`);
  const verbs = /^(?:start|restart|try-restart|reload-or-restart|reload-or-try-restart|condrestart|isolate)$/;
  if (name === "service") return verbs.test(rest[1] ?? "") ? [named(rest[0] ?? "")] : [];
  if (/^\/etc\/(?:rc\.d\/)?init\.d\//.test(program)) return verbs.test(rest[0] ?? "") ? [named(name)] : [];
  if (name !== "systemctl" || rest.includes("--no-block")) return [];
  const [verb = "", ...units] = rest.filter((word) => !word.startsWith("-"));
  const starts = verbs.test(verb) || (verb === "enable" && rest.includes("--now"));
  return starts ? units.filter((unit) => unit !== "" && unit !== "x").map(named) : [];
}

function isLater(unit: string, payload: readonly ModuleFile[], depth = 0): boolean {
  if (later.test(unit)) return true;
  const own = payload.find(({ path }) => path.endsWith(`/systemd/system/${unit}`));
  if (!own || depth > 5) return false;
  const text = Buffer.from(own.data).toString("utf8");
  return [...text.matchAll(/^After=(.*)$/gm)]
    .flatMap(([, units = ""]) => units.trim().split(/\s+/))
    .some((one) => isLater(one, payload, depth + 1));
}
