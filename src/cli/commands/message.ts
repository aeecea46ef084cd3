import type { Command } from "commander";
import { type MessageFormName, messageForms } from "../../firstboot/message-forms.ts";
import type { Answer } from "../../firstboot/messages.ts";
import { shippedKey } from "../../firstboot/shipped.ts";
import { checkValues } from "../../firstboot/values.ts";
import { hasWholeContract, noParametersSentence } from "../../model/known.ts";
import type { Manifest, Parameter } from "../../model/manifest.ts";
import { openFound } from "../open-site.ts";
import { answersOf, readValues } from "../values.ts";
import { table } from "../words.ts";

interface MessageFlags {
  readonly values?: string;
  readonly as: MessageFormName;
  readonly machine: string;
  readonly form?: boolean;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<MessageFlags>();
  const ref = String(args[0]);
  const { entry } = await openFound(command, ref);
  const { name, version } = entry.manifest;
  const { contract } = entry.manifest;
  if (flags.values !== undefined)
    process.stdout.write(
      messageForms[flags.as].write(await answersFrom(flags.values, entry.manifest), flags.machine),
    );
  else if (flags.form) process.stdout.write(formOf(contract, `${name}@${version}`));
  else if (flags.json) process.stdout.write(`${JSON.stringify(contract, undefined, 2)}\n`);
  else if (contract.length === 0)
    process.stdout.write(`${name}@${version}: ${noParametersSentence(entry.manifest)}\n`);
  else process.stdout.write(`${table(contract.map(row))}\n`);
}

function row({ key, module, required, hidden, password, description }: Parameter): string[] {
  const marks = [
    ...(required ? ["required"] : []),
    ...(password ? ["password"] : []),
    ...(hidden ? ["hidden"] : []),
  ];
  return [key, module, marks.join(" ") || "-", description];
}

// A file to fill in: every parameter is there, those that are not required as comments.
function formOf(contract: readonly Parameter[], template: string): string {
  const entries = contract.map(({ key, description, required, password }) => {
    const type = shippedKey(key)?.type;
    const about = `# ${description.replaceAll("\n", " ")}${type && type !== "text" ? ` (${type})` : ""}`;
    const value = password ? "{ env: NAME }" : '""';
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
