import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { type languages, type NewModule, writeNewModule } from "../../firstboot/new-module.ts";
import { type Target, targets } from "../../firstboot/targets.ts";
import { ask } from "../ask.ts";

interface NewFlags {
  readonly description?: string;
  readonly target?: readonly string[];
  readonly parameter?: readonly string[];
  readonly language: keyof typeof languages;
  readonly into?: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.optsWithGlobals<NewFlags & { recipes: string }>();
  const description = flags.description ?? (await askedDescription());
  const wanted =
    flags.parameter ?? (await asked("Parameters, such as size:required token:password (none): "));
  const module: NewModule = {
    name: String(args[0]),
    description,
    targets: targetsOf(flags.target ?? ["configure:80"]),
    parameters: wanted.map(parameterOf),
    language: flags.language,
  };
  const folder = resolve(flags.into ?? `${flags.recipes}/modules`);
  for (const file of await writeNewModule(folder, module))
    process.stdout.write(`${relative(process.cwd(), file)}\n`);
}

async function askedDescription(): Promise<string> {
  if (!process.stdin.isTTY)
    throw new TbuildError("usage", "needs a description", {
      subject: "module new",
      hint: 'For example: tbuild module new dns --description "Sets the name servers."',
    });
  return ask("Description (one sentence): ");
}

// Asked only on a terminal, because parameters are optional.
async function asked(question: string): Promise<string[]> {
  if (!process.stdin.isTTY) return [];
  return (await ask(question)).split(/[\s,]+/).filter((word) => word !== "");
}

function targetsOf(words: readonly string[]): NewModule["targets"] {
  const all = words.map(targetOf);
  const twice = all.find(([target], index) => all.findIndex(([one]) => one === target) < index)?.[0];
  if (twice !== undefined)
    throw new TbuildError("usage", `gives ${twice} two priorities`, { subject: "--target" });
  return Object.fromEntries(all);
}

function targetOf(text: string): [Target, number] {
  const [, name = "", priority = ""] = /^([a-z]+):(\d{1,2})$/.exec(text) ?? [];
  const target = targets.find((one) => one === name);
  if (target === undefined)
    throw new TbuildError("usage", "not TARGET:PRIORITY", {
      subject: `--target ${text}`,
      hint: `For example configure:80. Targets: ${targets.join(", ")}.`,
    });
  return [target, Number(priority)];
}

function parameterOf(text: string): NewModule["parameters"][number] {
  const [name = "", ...flags] = text.split(":");
  const odd = flags.filter((flag) => flag !== "required" && flag !== "password");
  if (odd.length > 0)
    throw new TbuildError("usage", "not NAME, NAME:required or NAME:password", {
      subject: `--parameter ${text}`,
    });
  return {
    name,
    ...(flags.includes("required") && { required: true as const }),
    ...(flags.includes("password") && { password: true as const }),
  };
}
