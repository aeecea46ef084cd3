import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Answer } from "../firstboot/messages.ts";
import { type CheckedValues, type GivenValue, judgeValues, parameterOf } from "../firstboot/values.ts";
import { reasonOf } from "../io/file-fault.ts";
import type { Parameter } from "../model/manifest.ts";
import { type Finding, refuse } from "../recipe/findings.ts";
import { type Located, placed, readYaml } from "../recipe/located.ts";
import { resolvedValue } from "./resolved-value.ts";

/** Reads a file of values; `shown` is its name in messages. */
export async function readValues(
  file: string,
): Promise<{ readonly shown: string; readonly values: Located }> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new TbuildError(
      error.code === "ENOENT" ? "usage" : "environment",
      `cannot be read: ${reasonOf(error)}`,
      { subject: file, cause: error },
    );
  });
  const shown = relative(process.cwd(), resolve(file)) || file;
  if (!isUtf8(bytes))
    throw new TbuildError("usage", "is not UTF-8", {
      subject: shown,
      hint: "Convert the file, with iconv for example.",
    });
  return { shown, values: readYaml(shown, bytes.toString("utf8")) };
}

/**
 * The answers in checked values, with secrets fetched from their sources. Prints warnings, and throws all
 * errors at once.
 */
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
    // The value of an unknown parameter may be a secret.
    const password = parameterOf(contract, one.key)?.password ?? true;
    answers.push({ key: one.key, value: await resolvedValue(one), password });
  }
  refuse(shown, faultsOfResolved(contract, values, answers));
  return answers;
}

// References are resolved only now. Errors in their values are reported without the value, which may be a
// secret.
function faultsOfResolved(
  contract: readonly Parameter[],
  values: readonly GivenValue[],
  answers: readonly Answer[],
): Finding[] {
  const isReference = new Set(values.filter(({ value }) => typeof value !== "string").map(({ key }) => key));
  const resolved = values.map((one, index) => ({ ...one, value: answers[index]?.value ?? "" }));
  const asSecrets = contract.map((one) => ({ ...one, password: true }));
  const at = values[0]?.at;
  if (isReference.size === 0 || at === undefined) return [];
  return judgeValues(asSecrets, resolved, { isWhole: false, at }).errors.filter(({ path }) =>
    isReference.has(path),
  );
}
