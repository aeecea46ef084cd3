import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { exitCodes, TbuildError } from "../../errors.ts";
import { parseContract } from "../../firstboot/contract.ts";
import { enumerate } from "../../firstboot/enumerate.ts";
import { type FirstBootModule, readModule, type Target, targets } from "../../firstboot/module.ts";
import type { Change } from "../../firstboot/rehearse/changes.ts";
import { type Rehearsal, rehearseModule } from "../../firstboot/rehearse/rehearse.ts";
import { shippedKey } from "../../firstboot/shipped.ts";
import { checkValues, parameterOf } from "../../firstboot/values.ts";
import { localHost } from "../../host/local.ts";
import { openImageFile } from "../../image/open.ts";
import { jsonText, shown } from "../../io/escape.ts";
import { reasonOf } from "../../io/file-fault.ts";
import { amount } from "../../io/units.ts";
import type { Parameter } from "../../model/manifest.ts";
import type { Located } from "../../recipe/located.ts";
import { interruptible } from "../interrupt.ts";
import { moduleFolderOf } from "../module-folders.ts";
import { answersOf, readValues } from "../values.ts";
import { coloursFor } from "../words.ts";

interface Flags {
  readonly values?: string;
  readonly tree?: string;
  readonly files?: string;
  readonly target?: string;
  readonly deadline: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  const module = await readModule(await moduleFolderOf(String(args[0]), command));
  const target = targetOf(module, flags.target);
  const deadlineSeconds = secondsOf(flags.deadline);
  const answers = await answersFor(module, target, args[1] as string[], flags.values);
  const files = await folderOf(flags.files);
  const rehearsal = await interruptible("the throw-away root was removed", async (signal) => {
    await using tree = await openTree(flags.tree);
    return await rehearseModule(localHost(), module, {
      target,
      values: new Map(answers.map(({ key, value }) => [key, value])),
      secrets: answers.filter(({ password, value }) => password && value !== "").map(({ value }) => value),
      ...(tree && { tree: tree.folder }),
      ...(files !== undefined && { files }),
      deadlineSeconds,
      signal,
    });
  });
  if (flags.json) process.stdout.write(`${jsonText(rehearsal, 2)}\n`);
  else process.stdout.write(`${lines(rehearsal).join("\n")}\n`);
  if (rehearsal.failed !== undefined) process.exitCode = exitCodes.guest;
  else if ((rehearsal.again ?? []).length > 0) process.exitCode = exitCodes.found;
}

function targetOf({ name, priorities }: FirstBootModule, asked: string | undefined): Target {
  const own = targets.filter((target) => priorities[target] !== undefined);
  const found = asked === undefined ? own[0] : own.find((target) => target === asked);
  if (found === undefined)
    throw new TbuildError("usage", `does not run for ${asked ?? "any target"}`, {
      subject: `module ${name}`,
      hint: `Its header names: ${own.join(", ") || "none"}.`,
    });
  return found;
}

function secondsOf(words: string): number {
  const seconds = Number(words);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 86_400) return seconds;
  throw new TbuildError(
    "usage",
    `--deadline takes a whole number of seconds from 1 to 86400, not "${words}"`,
  );
}

async function answersFor(
  module: FirstBootModule,
  target: Target,
  words: readonly string[],
  file: string | undefined,
) {
  const { parameters, doubts } = await enumerate(Buffer.from(module.script).toString(), target);
  const own = parseContract(JSON.stringify([["00", module.name, parameters]]));
  const said = file === undefined ? undefined : await readValues(file);
  const values = merged(said?.values, words);
  return answersOf(
    said?.shown ?? "values",
    own,
    checkValues(withShipped(own, values), values, doubts.length === 0),
  );
}

// A module may read the values of Oracle's modules, such as the host name.
function withShipped(own: readonly Parameter[], values: Located): Parameter[] {
  const keys = values.kind === "map" ? [...values.entries.keys()] : [];
  const more = keys.filter((key) => shippedKey(key) && !parameterOf(own, key));
  return [
    ...own,
    ...more.map((key) => ({
      key,
      module: "",
      description: "",
      required: false,
      hidden: true,
      password: false,
    })),
  ];
}

/** The values of the file; those of the command line override them. */
function merged(file: Located | undefined, words: readonly string[]): Located {
  if (file !== undefined && file.kind !== "map") return file;
  const entries = new Map(file?.entries ?? []);
  words.forEach((word) => {
    const at = { file: "command line", line: 0, column: 0 };
    const cut = word.indexOf("=");
    if (cut < 1)
      throw new TbuildError("usage", `"${word}" is not KEY=VALUE`, {
        hint: 'Write, for example: org.example.port=1521. A file of values is given with "-f".',
      });
    entries.set(word.slice(0, cut), { kind: "scalar", at, value: word.slice(cut + 1) });
  });
  return { kind: "map", at: file?.at ?? { file: "command line", line: 0, column: 0 }, entries };
}

async function folderOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory())
    throw new TbuildError("usage", found ? "is not a folder" : "no such folder", {
      subject: path,
      hint: "--files takes a folder whose files go to the same paths in the root.",
    });
  return resolve(path);
}

interface OpenTree extends AsyncDisposable {
  readonly folder: string;
}

async function openTree(path: string | undefined): Promise<OpenTree | undefined> {
  if (path === undefined) return undefined;
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new TbuildError("usage", `cannot be read: ${reasonOf(error)}`, { subject: path, cause: error });
  });
  if (found.isDirectory()) return { folder: resolve(path), async [Symbol.asyncDispose]() {} };
  const image = await openImageFile(localHost(), path, { readOnly: true, via: "loop" });
  const folder = image.tree.mountedAt;
  if (folder === undefined) throw new Error("a loop mount has no folder");
  return { folder, [Symbol.asyncDispose]: () => image[Symbol.asyncDispose]() };
}

function lines({ module, target, python, runs, afterBoot, failed, changes, again }: Rehearsal): string[] {
  const colours = coloursFor(process.stdout);
  const [first] = runs;
  const seconds = runs.map((one) => `${one.seconds} s`).join(", then ");
  const result =
    failed ??
    (again?.length === 0
      ? "the second run changed nothing"
      : `the second run changed ${amount(again?.length ?? 0, "thing")}`);
  const left = runs.at(-1)?.left ?? [];
  const bad = failed !== undefined || again?.length !== 0;
  return [
    `${module}, ${target}, by ${python}: ${seconds}`,
    ...section("It said:", first?.said.map(shown) ?? []),
    ...(afterBoot
      ? section(`Output after the boot (${afterBoot.seconds} s):`, afterBoot.said.map(shown))
      : []),
    ...section(
      changes.length === 0 ? "It changed nothing." : `It changed ${amount(changes.length, "thing")}:`,
      changeLines(changes),
    ),
    ...section("Still running at the end, and killed:", left.map(shown)),
    ...(again && again.length > 0 ? section("The second run changed:", changeLines(again)) : []),
    bad ? colours.red(result) : result,
  ];
}

function section(title: string, text: readonly string[]): string[] {
  if (text.length === 0) return title.endsWith(".") ? [title] : [];
  return [title, ...text.map((line) => `  ${line}`)];
}

const marks = { added: "+", changed: "~", removed: "-" } as const;
/** The number of diff lines to show; --json has all of them. */
const mostLines = 40;

function changeLines(changes: readonly Change[]): string[] {
  return changes.flatMap(({ path, how, kind, mode, what, patch }) => {
    const about = [kind === "file" ? "" : kind === "dir" ? "folder" : kind, mode ?? "", ...what].filter(
      Boolean,
    );
    const text = (patch ?? []).filter((line) => !line.startsWith("\\"));
    const cut = text.length - mostLines;
    return [
      `${marks[how]} ${shown(path)}${about.length > 0 ? ` (${about.map(shown).join(", ")})` : ""}`,
      ...text.slice(0, mostLines).map((line) => `    ${shown(line)}`),
      ...(cut > 0 ? [`    … ${amount(cut, "more line")}`] : []),
    ];
  });
}
