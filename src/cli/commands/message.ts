import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { type MessageFormName, messageForms } from "../../firstboot/message-forms.ts";
import type { Answer } from "../../firstboot/messages.ts";
import { noCloudSeed, passwordKeys } from "../../firstboot/nocloud.ts";
import { choicesOf, typeOf } from "../../firstboot/value-types.ts";
import { checkValues } from "../../firstboot/values.ts";
import { valuesSchema } from "../../firstboot/values-schema.ts";
import { localHost } from "../../host/local.ts";
import { writeDisc } from "../../media/small-disc.ts";
import { hasWholeContract, noParametersSentence } from "../../model/known.ts";
import type { Manifest, Parameter } from "../../model/manifest.ts";
import { interruptible, stays } from "../interrupt.ts";
import { openFound } from "../open-site.ts";
import { answersOf, readValues } from "../values.ts";
import { table } from "../words.ts";

interface MessageFlags {
  readonly values?: string;
  readonly as: MessageFormName;
  readonly machine: string;
  readonly output?: string;
  readonly form?: boolean;
  readonly schema?: boolean;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<MessageFlags>();
  const ref = String(args[0]);
  const { entry } = await openFound(command, ref);
  const { name, version } = entry.manifest;
  const { contract } = entry.manifest;
  if (flags.values !== undefined) await writeMessages(await answersFrom(flags.values, entry.manifest), flags);
  else if (flags.form) process.stdout.write(formOf(contract, `${name}@${version}`));
  else if (flags.schema)
    process.stdout.write(
      `${JSON.stringify(valuesSchema(contract, `first-boot values of ${name}@${version}`), undefined, 2)}\n`,
    );
  else if (flags.json) process.stdout.write(`${JSON.stringify(contract, undefined, 2)}\n`);
  else if (contract.length === 0)
    process.stdout.write(`${name}@${version}: ${noParametersSentence(entry.manifest)}\n`);
  else process.stdout.write(`${table(contract.map(row))}\n`);
}

function row(parameter: Parameter): string[] {
  const { key, module, required, hidden, password, description } = parameter;
  const marks = [
    ...(required ? ["required"] : []),
    ...(password ? ["password"] : []),
    ...(hidden ? ["hidden"] : []),
  ];
  return [key, module, formOfValue(parameter), marks.join(" ") || "-", description];
}

function formOfValue(parameter: Parameter): string {
  return choicesOf(parameter)?.join("|") ?? typeOf(parameter);
}

// A file to fill in: every parameter is there, those that are not required as comments.
function formOf(contract: readonly Parameter[], template: string): string {
  const entries = contract.map((parameter) => {
    const { key, description, required, password } = parameter;
    const form = formOfValue(parameter);
    const about = `# ${description.replaceAll("\n", " ")}${form === "text" ? "" : ` (${form})`}`;
    const value = password ? "{ env: NAME }" : JSON.stringify(parameter.default ?? "");
    return `${about}\n${required ? "" : "# "}${key}: ${value}\n`;
  });
  return `# First-boot values of ${template}, for: tbuild message ${template} --values FILE\n\n${entries.join("\n")}`;
}

async function answersFrom(
  file: string,
  manifest: Pick<Manifest, "contract" | "recipeText">,
): Promise<Answer[]> {
  const { contract } = manifest;
  const { shown, values } = await readValues(file);
  return answersOf(shown, contract, checkValues(contract, values, hasWholeContract(manifest)));
}

async function writeMessages(
  answers: readonly Answer[],
  { as, machine, output }: MessageFlags,
): Promise<void> {
  const { write, disc } = messageForms[as];
  if (output !== undefined && disc === undefined)
    throw new TbuildError("usage", `--output is for a disc; the form ${as} is text`, {
      hint: "Leave --output out, and redirect the text to a file.",
    });
  if (output === undefined || disc === undefined) {
    if (as === "nocloud")
      throw new TbuildError("usage", "a seed for cloud-init is several files", {
        hint: "Say where: --output seed.iso, or --output FOLDER.",
      });
    process.stdout.write(write(answers, machine));
    return;
  }
  let files: Readonly<Record<string, string>> = { [disc.file]: write(answers, machine) };
  if (as === "nocloud") {
    const hashes = new Map<string, string>();
    for (const key of passwordKeys(answers)) hashes.set(key, await hashOf(answers, key));
    const seed = noCloudSeed(answers, machine, hashes);
    files = seed.files;
    for (const key of seed.left) process.stderr.write(`warning: ${key}: cloud-init has no place for it\n`);
  }
  await interruptible(stays.noOutput, (signal) =>
    writeDisc(localHost(), { files, label: disc.label, output, signal }),
  );
  process.stderr.write(
    `${output}: written for ${machine}; it holds what the values say, so keep it like a secret\n`,
  );
}

async function hashOf(answers: readonly Answer[], key: string): Promise<string> {
  const value = answers.find((one) => one.key === key)?.value ?? "";
  // What is a hash already stays one.
  if (/^\$[1-6]\$[./0-9A-Za-z]+\$[./0-9A-Za-z]+$/.test(value)) return value;
  const { stdout } = await localHost().run(["openssl", "passwd", "-6", "-stdin"], { input: `${value}\n` });
  return stdout.trim();
}
