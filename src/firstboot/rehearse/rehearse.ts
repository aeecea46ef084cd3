import { cp, readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { isThere } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import { amount } from "../../io/units.ts";
import { writeFile } from "../../io/write-file.ts";
import { additions } from "../additions.ts";
import { parseContract } from "../contract.ts";
import type { FirstBootModule, Target } from "../module.ts";
import { incompatibleSyntax } from "../python/features.ts";
import { withPython } from "../python/script.ts";
import { type Change, changesBetween, changesFrom, heldIn } from "./changes.ts";
import { enterScript } from "./enter.ts";
import { makeSkeleton } from "./skeleton.ts";

export interface RehearseOptions {
  readonly target: Target;
  readonly values: ReadonlyMap<string, string>;
  /** Values to mask in all output. */
  readonly secrets: readonly string[];
  /** The folder of a guest's files. Default: a small root with this machine's /usr. */
  readonly tree?: string;
  /** A folder of more files that the guest has, such as the software that the module installs. */
  readonly files?: string;
  /** For each run. */
  readonly deadlineSeconds: number;
  readonly signal?: AbortSignal;
}

/** One run of a module's target. */
export interface RehearsedRun {
  readonly exitCode: number;
  readonly seconds: number;
  /** The deadline ended it. */
  readonly late: boolean;
  /** The output of the module and its commands, without secrets. */
  readonly said: readonly string[];
  /** Programs that still ran when the module had ended. */
  readonly left: readonly string[];
}

export interface Rehearsal {
  readonly module: string;
  readonly target: Target;
  /** The Python that ran the module: its path, in the root. */
  readonly python: string;
  readonly runs: readonly RehearsedRun[];
  /** The module's program for after the boot, after the first run. */
  readonly afterBoot?: RehearsedRun;
  /** Why the module failed, in one line. */
  readonly failed?: string;
  readonly changes: readonly Change[];
  /** The changes of the second run; empty if the module may run twice. Absent if there was no second run. */
  readonly again?: readonly Change[];
}

/**
 * Runs a target of a first-boot module twice, in a throw-away root without network. A module that fails,
 * hangs or changes something the second time is a result, not an error. Throws `environment` if this machine
 * cannot make such a root.
 */
export async function rehearseModule(
  host: Host,
  module: FirstBootModule,
  options: RehearseOptions,
): Promise<Rehearsal> {
  const { target, values, tree, files, deadlineSeconds, signal } = options;
  await checkHost(host);
  await using folder = await temporaryFolder("rehearse");
  const python = await pythonFor(module, tree);
  await layModule(join(folder.path, "module"), module);
  await layLibrary(join(folder.path, "library"), tree === undefined ? python : undefined);
  if (tree === undefined) await makeSkeleton(join(folder.path, "skeleton"));
  await writeFile(join(folder.path, "params"), JSON.stringify(Object.fromEntries(values)), { mode: 0o600 });
  const args = [folder.path, tree ?? "", String(deadlineSeconds), "2", module.name, target, files ?? ""];
  // If tbuild is killed, everything is killed: unshare itself ignores termination signals.
  const namespaces = ["unshare", "-m", "-p", "-n", "-i", "-f", "--kill-child", "--mount-proc"];
  await host.run(["setpriv", "--pdeathsig", "KILL", ...namespaces, "sh", "-ec", enterScript, "sh", ...args], {
    timeoutMs: (5 * deadlineSeconds + 60) * 1000,
    ...(signal && { signal }),
  });
  return await resultOf(join(folder.path, "out"), module.name, python, options);
}

async function resultOf(
  out: string,
  module: string,
  python: string,
  { target, secrets, tree, deadlineSeconds }: RehearseOptions,
): Promise<Rehearsal> {
  const masked = (text: string) => secrets.reduce((rest, one) => rest.replaceAll(one, "********"), text);
  const without = (changes: readonly Change[]) =>
    changes.map((one) => (one.patch ? { ...one, patch: one.patch.map(masked) } : one));
  const enumerated = await runIn(out, "enumerate", masked);
  const first = await runIn(out, "1", masked);
  const second = await runIn(out, "2", masked);
  const [after, afterSecond] = [await runIn(out, "1.after", masked), await runIn(out, "2.after", masked)];
  if (!enumerated || !first) throw new Error("the rehearsal left no result");
  const before = await heldIn([
    [join(out, "before.tar"), ""],
    ...(tree === undefined ? [[join(out, "before.usr.tar"), "/usr"] as const] : []),
  ]);
  const held = (run: string) =>
    heldIn([
      [join(out, `${run}.changed.tar`), ""],
      ...(tree === undefined ? [[join(out, `${run}.usr.tar`), "/usr"] as const] : []),
    ]);
  const [one, two] = [await held("1"), await held("2")];
  const failureIn = (run: RehearsedRun, what: string, fault?: string) =>
    failureOf(run, what, deadlineSeconds, fault);
  const failed =
    failureIn(enumerated, "--enumerate", await enumerateFault(out)) ??
    failureIn(first, target, await answerFault(out, "1")) ??
    (after && failureIn(after, afterWords)) ??
    (second && failureIn(second, `${target}, the second time,`, await answerFault(out, "2"))) ??
    (afterSecond && failureIn(afterSecond, `${afterWords} the second time,`));
  return {
    module,
    target,
    python,
    runs: second ? [first, second] : [first],
    ...(after && { afterBoot: after }),
    ...(failed !== undefined && { failed: masked(failed) }),
    changes: without(changesFrom(before, one)),
    // Each run adds to the log of the additions, which does not count as a change.
    ...(second && {
      again: without(changesBetween(before, one, two)).filter(({ path }) => path !== logFile),
    }),
  };
}

const afterWords = "the afterBoot program";

const logFile = "/var/log/ovm-template-config.log";

async function runIn(
  out: string,
  name: string,
  masked: (text: string) => string,
): Promise<RehearsedRun | undefined> {
  const end = await readFile(join(out, `${name}.end`), "utf8").catch(() => undefined);
  if (end === undefined) return undefined;
  const [code, began, ended, late] = end.trim().split(" ");
  const said = linesOf(await readFile(join(out, `${name}.stderr`), "utf8"));
  return {
    exitCode: Number(code),
    seconds: Math.round((Number(ended) - Number(began)) * 100) / 100,
    late: late === "late",
    said: said.map(masked),
    left: linesOf(await readFile(join(out, `${name}.left`), "utf8")).map((line) => masked(line.trim())),
  };
}

function failureOf(
  run: RehearsedRun,
  what: string,
  deadlineSeconds: number,
  fault?: string,
): string | undefined {
  if (run.late)
    return `${what} did not end before the deadline of ${amount(deadlineSeconds, "second")}, and was killed`;
  if (run.exitCode > 128 && run.exitCode < 160) return `${what} was killed by signal ${run.exitCode - 128}`;
  const last = run.said.at(-1);
  if (run.exitCode !== 0) return `${what} failed with exit code ${run.exitCode}${last ? `: ${last}` : ""}`;
  return fault && `${what} ${fault}`;
}

async function enumerateFault(out: string): Promise<string | undefined> {
  const text = await readFile(join(out, "enumerate.stdout"), "utf8");
  try {
    parseContract(JSON.stringify([["00", "module", JSON.parse(text.trim() || "[]")]]));
    return undefined;
  } catch {
    return "did not print a JSON list of parameters";
  }
}

async function answerFault(out: string, run: string): Promise<string | undefined> {
  const text = await readFile(join(out, `${run}.stdout`), "utf8");
  try {
    const found: unknown = JSON.parse(text.trim() || "{}");
    if (typeof found === "object" && found !== null && !Array.isArray(found)) return undefined;
  } catch {
    // told below
  }
  return "did not return a JSON object, so the next module would not get the parameters";
}

async function checkHost(host: Host): Promise<void> {
  const { stdout } = await host.run(["cat", "/proc/self/status"]);
  // CAP_SYS_ADMIN, bit 21: root in a container often lacks it.
  const held = BigInt(`0x${/^CapEff:\s*([\da-f]+)$/m.exec(stdout)?.[1] ?? "0"}`);
  if ((held & (1n << 21n)) === 0n)
    throw new TbuildError("environment", "only root can make the throw-away root, because it needs mounts", {
      subject: "module rehearse",
      hint: "Run it with sudo. In a container, give it the capability SYS_ADMIN.",
    });
}

/**
 * The Python that the module's first line asks for. In a guest's files it is the guest's own. Here `python` is Python 2.7, if this
 * machine has it, and otherwise Python 3, if that reads the program.
 */
async function pythonFor(module: FirstBootModule, tree: string | undefined): Promise<string> {
  const asked = interpreterOf(module);
  if (tree !== undefined) return asked.path ?? `/usr/bin/${asked.name}`;
  if (/^python3/.test(asked.name)) return "/usr/bin/python3";
  if (await isThere("/usr/bin/python2.7")) return "/usr/bin/python2.7";
  const faults = await withPython(Buffer.from(module.script).toString(), (script) =>
    incompatibleSyntax(script, [3, 9]),
  );
  const [fault] = faults;
  if (fault)
    throw new TbuildError("environment", "is written for Python 2, which this machine lacks", {
      subject: `module ${module.name}`,
      lines: [`line ${fault.line}: ${fault.text}`],
      hint: "Rehearse it in the files of a guest: --tree IMAGE or FOLDER.",
    });
  return "/usr/bin/python3";
}

/** The interpreter in the script's first line: its path, unless `env` looks for it, and its name. */
function interpreterOf(module: FirstBootModule): { readonly path?: string; readonly name: string } {
  const [line = ""] = Buffer.from(module.script).toString("latin1").split("\n", 1);
  const [path = "", name = ""] = line.replace(/^#!\s*/, "").split(/\s+/);
  return path.endsWith("/env") ? { name } : { path, name: path.split("/").at(-1) ?? "" };
}

async function layModule(folder: string, { name, script, payload }: FirstBootModule): Promise<void> {
  await makeFolders(join(folder, "usr"));
  await lay(join(folder, "etc/template.d/scripts", name), script, 0o755);
  for (const { path, data, mode } of payload) await lay(join(folder, path), data, mode);
}

async function layLibrary(folder: string, python: string | undefined): Promise<void> {
  for (const path of ["dev", "proc", "run", "sys", "usr/bin"]) await makeFolders(join(folder, path));
  for (const name of ["templateconfig", "ovmdaemon"])
    await cp(join(additions, name), join(folder, "usr/lib/python-templateconfig", name), { recursive: true });
  if (python !== undefined)
    for (const name of ["python", "python2", "python2.7", "python2.6", "python2.4"])
      await symlink(python, join(folder, "usr/bin", name));
}

async function lay(path: string, data: Uint8Array, mode: number): Promise<void> {
  await makeFolders(dirname(path));
  await writeFile(path, data, { mode });
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}
