import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Answer } from "../firstboot/messages.ts";
import { type CheckedValues, type GivenValue, mostBytes, parameterOf } from "../firstboot/values.ts";
import type { Parameter } from "../model/manifest.ts";
import { refuse } from "../recipe/findings.ts";
import { type Located, placed, readYaml } from "../recipe/located.ts";
import { askSecret } from "./ask-secret.ts";

/** Reads a file of values; `shown` is its name in messages. */
export async function readValues(
  file: string,
): Promise<{ readonly shown: string; readonly values: Located }> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new TbuildError(
      error.code === "ENOENT" ? "usage" : "environment",
      `cannot be read (${error.code})`,
      { subject: file, cause: error },
    );
  });
  const shown = relative(process.cwd(), resolve(file)) || file;
  return { shown, values: readYaml(shown, text) };
}

/** The answers in checked values, with secrets fetched from where they refer to. Prints warnings, and throws all errors at once. */
export async function answersOf(
  shown: string,
  contract: readonly Parameter[],
  { values, errors, warnings }: CheckedValues,
): Promise<Answer[]> {
  refuse(shown, errors);
  for (const { at, path, text: what } of warnings)
    process.stderr.write(`warning: ${placed(at)}: ${path}: ${what}\n`);
  const answers: Answer[] = [];
  for (const one of values) {
    // What nobody knows may be a secret.
    const password = parameterOf(contract, one.key)?.password ?? true;
    answers.push({ key: one.key, value: await resolved(one), password });
  }
  return answers;
}

async function resolved({ key, value, at }: GivenValue): Promise<string> {
  if (typeof value === "string") return value;
  const fail = (what: string, hint: string) =>
    new TbuildError("usage", `${key}: ${what}`, { subject: placed(at), hint });
  const found =
    value.kind === "env"
      ? process.env[value.name]
      : value.kind === "prompt"
        ? await askSecret(`${key}: `)
        : await readFile(value.path, "utf8").then(
            (text) => text.replace(/\r?\n$/, ""),
            (error: NodeJS.ErrnoException) => {
              throw fail(
                `${value.path} cannot be read (${error.code})`,
                "Correct the path, or write the file.",
              );
            },
          );
  if (found === undefined || found === "")
    throw fail(
      value.kind === "env" ? `the environment variable ${value.name} is not set` : "the value is empty",
      "Set it before the command, or refer to a file.",
    );
  if (/[\0\r\n]/.test(found))
    throw fail("the value has several lines or a zero byte", "A message has one line.");
  if (Buffer.byteLength(found) > mostBytes.unlogged)
    throw fail(`the value has ${Buffer.byteLength(found)} bytes`, `A message takes ${mostBytes.unlogged}.`);
  return found;
}
