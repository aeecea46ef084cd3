import { statSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { type MessageFormName, messageForms } from "../../firstboot/message-forms.ts";
import type { Answer } from "../../firstboot/messages.ts";
import { noCloudSeed, passwordKeys } from "../../firstboot/nocloud.ts";
import { choicesOf, typeOf } from "../../firstboot/value-types.ts";
import { checkValues } from "../../firstboot/values.ts";
import { valuesSchema } from "../../firstboot/values-schema.ts";
import { enumeratedInside } from "../../guest/enumerated-inside.ts";
import { contractOf } from "../../guest/facts.ts";
import { Survey } from "../../guest/survey.ts";
import { localHost } from "../../host/local.ts";
import { openImageFile } from "../../image/open.ts";
import { jsonText, shown } from "../../io/escape.ts";
import { writeDisc } from "../../media/small-disc.ts";
import type { Parameter } from "../../model/manifest.ts";
import { hasWholeContract, noParametersSentence } from "../../model/manifest-sentences.ts";
import { interruptible, stays } from "../interrupt.ts";
import { farPath, type NamedImage, withImage } from "../named-image.ts";
import { openFound } from "../open-site.ts";
import { table } from "../table.ts";
import { answersOf, readValues } from "../values.ts";

interface MessageFlags {
  readonly values?: string;
  readonly as: MessageFormName;
  readonly machine: string;
  readonly output?: string;
  readonly list?: boolean;
  readonly form?: boolean;
  readonly schema?: boolean;
  readonly json?: boolean;
  readonly run?: boolean;
}

/** The parameters, and their source. */
interface Known {
  readonly name: string;
  readonly contract: readonly Parameter[];
  readonly isWhole: boolean;
  /** The message if there are none. */
  readonly none: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<MessageFlags>();
  refuseTogether(flags);
  const known = await knownOf(command, String(args[0]), flags.run ?? false);
  const { name, contract } = known;
  if (flags.values !== undefined) await writeMessages(await answersFrom(flags.values, known), flags);
  else if (flags.form) process.stdout.write(formOf(contract, name));
  else if (flags.schema)
    process.stdout.write(
      `${JSON.stringify(valuesSchema(contract, `first-boot values of ${name}`), undefined, 2)}\n`,
    );
  else if (flags.json) process.stdout.write(`${jsonText(contract, 2)}\n`);
  else if (contract.length === 0) process.stdout.write(`${name}: ${known.none}\n`);
  else process.stdout.write(`${table(contract.map((one) => row(one).map(shown)))}\n`);
}

/** One command writes one of these. */
function refuseTogether({ values, form, schema, list, json, output }: MessageFlags): void {
  const asked = [
    ...(values === undefined ? [] : ["--values"]),
    ...(form ? ["--form"] : []),
    ...(schema ? ["--schema"] : []),
    ...(json ? ["--json"] : list ? ["--list"] : []),
  ];
  const [one, other] = asked;
  if (other !== undefined)
    throw new TbuildError("usage", `${one} and ${other} exclude each other`, {
      hint: "Run the command once for each.",
    });
  if (output !== undefined && values === undefined)
    throw new TbuildError("usage", "--output is for messages, and they need --values FILE", {
      hint: "Redirect other output to a file.",
    });
}

/** The parameters of a template version, or of an image if `ref` names a file or a remote image. */
async function knownOf(command: Command, ref: string, runs: boolean): Promise<Known> {
  const isFar = farPath(ref) !== undefined;
  if (isFar || ref.includes("/") || isFile(ref)) {
    if (runs && isFar)
      throw new TbuildError("environment", "the modules of a remote image cannot be run", {
        subject: ref,
        hint: "Run tbuild on that machine, or copy the image here.",
      });
    return interruptible(stays.unchanged, (signal) =>
      withImage(ref, {}, (image) => (runs ? knownByRunning(image, signal) : knownInside(image, signal))),
    );
  }
  if (runs)
    throw new TbuildError("usage", "--run is for an image, and this is the name of a template", {
      subject: ref,
      hint: "Give the path of an image, such as ./System.img.",
    });
  const { manifest } = (await openFound(command, ref)).entry;
  return {
    name: `${manifest.name}@${manifest.version}`,
    contract: manifest.contract,
    isWhole: hasWholeContract(manifest),
    none: noParametersSentence(manifest),
  };
}

/** Its modules are read, and none is run. */
async function knownInside({ name, file, far }: NamedImage, signal: AbortSignal): Promise<Known> {
  await using image = await openImageFile(localHost(), file, {
    readOnly: true,
    watch: { signal },
    ...(far && { far }),
  });
  const unknown: string[] = [];
  const contract = await contractOf(new Survey(image.tree), unknown);
  for (const one of unknown) process.stderr.write(`warning: ${shown(one)}\n`);
  if (unknown.length > 0 && !far)
    process.stderr.write("Parameters may be missing. With --run, tbuild runs the modules and asks them.\n");
  return {
    name: basename(name),
    contract,
    isWhole: unknown.length === 0,
    none:
      unknown.length > 0
        ? "Its first-boot parameters are not known."
        : "No module that runs at its first boot has a parameter.",
  };
}

/** Its modules are run, apart from this machine. */
async function knownByRunning({ name, file }: NamedImage, signal: AbortSignal): Promise<Known> {
  await using image = await openImageFile(localHost(), file, {
    readOnly: true,
    programs: {},
    watch: { signal },
  });
  const { programs } = image.tree;
  if (!programs) throw new Error("opened without programs");
  const contract = await enumeratedInside(programs, { signal });
  return {
    name: basename(name),
    contract,
    isWhole: true,
    none: "No module that runs at its first boot has a parameter.",
  };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
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

// A file to fill in. It contains every parameter; optional ones are comments.
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

async function answersFrom(file: string, { contract, isWhole }: Known): Promise<Answer[]> {
  const { shown, values } = await readValues(file);
  return answersOf(shown, contract, checkValues(contract, values, isWhole));
}

async function writeMessages(
  answers: readonly Answer[],
  { as, machine, output }: MessageFlags,
): Promise<void> {
  const { write, disc, seed: version } = messageForms[as];
  if (output !== undefined && disc === undefined)
    throw new TbuildError("usage", `--output is for a disc; the form ${as} is text`, {
      hint: "Leave --output out, and redirect the text to a file.",
    });
  if (output === undefined || disc === undefined) {
    if (version !== undefined)
      throw new TbuildError("usage", "a seed for cloud-init is several files", {
        hint: "Say where: --output seed.iso, or --output FOLDER.",
      });
    process.stdout.write(write(answers, machine));
    return;
  }
  let files: Readonly<Record<string, string>> = { [disc.file]: write(answers, machine) };
  if (version !== undefined) {
    const hashes = new Map<string, string>();
    for (const key of passwordKeys(answers)) hashes.set(key, await hashOf(answers, key));
    const seed = noCloudSeed(answers, machine, hashes, version);
    files = seed.files;
    for (const key of seed.left) process.stderr.write(`warning: ${key}: cloud-init has no setting for it\n`);
  }
  await interruptible(stays.noOutput, (signal) =>
    writeDisc(localHost(), { files, label: disc.label, output, signal }),
  );
  process.stderr.write(`${output}: written for ${machine}; it may contain secrets, so protect it\n`);
}

async function hashOf(answers: readonly Answer[], key: string): Promise<string> {
  const value = answers.find((one) => one.key === key)?.value ?? "";
  // A value that is already a hash is not hashed again.
  if (/^\$[1-6]\$[./0-9A-Za-z]+\$[./0-9A-Za-z]+$/.test(value)) return value;
  const { stdout } = await localHost().run(["openssl", "passwd", "-6", "-stdin"], { input: `${value}\n` });
  return stdout.trim();
}
