import { chmod, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { stringify } from "yaml";
import { TbuildError } from "../errors.ts";
import { releases } from "../guest/release.ts";
import { inOnePiece } from "../host/partial-file.ts";
import { temporaryFolder } from "../host/temporary.ts";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { checkModules } from "./check/index.ts";
import { moduleYaml } from "./module.ts";
import { ModuleYaml, variableOf } from "./module-yaml.ts";

/** The description of a new module. */
export interface NewModule {
  readonly name: string;
  readonly description: string;
  readonly targets: ModuleYaml["targets"];
  readonly parameters: readonly {
    readonly name: string;
    readonly required?: true;
    readonly password?: true;
  }[];
  readonly language: keyof typeof languages;
}

const extensions = { bash: "sh", python: "py", perl: "pl" } as const;

/** The languages that `module new` writes a program in. */
export const languages = {
  bash: (module: NewModule) => `#!/bin/bash
# ${module.description}
# It gets the target as its argument, and the values in environment variables: ${variables(module) || "none"}.
set -eu

case $1 in
${Object.keys(module.targets)
  .map((target) => `  ${target})\n    echo "${module.name}: ${target}"\n    ;;`)
  .join("\n")}
esac
`,
  python: (module: NewModule) => `# ${module.description}
# It gets the target as its argument, and the values in environment variables: ${variables(module) || "none"}.
import sys

print('${module.name}: ' + sys.argv[1])
`,
  perl: (module: NewModule) => `#!/usr/bin/perl
# ${module.description}
# It gets the target as its argument, and the values in environment variables: ${variables(module) || "none"}.
use strict;
use warnings;

print "${module.name}: $ARGV[0]\\n";
`,
} as const;

function variables({ parameters }: NewModule): string {
  return parameters.map(({ name }) => variableOf(name)).join(", ");
}

/** Writes the folder of a new module, `folder/NAME`. Throws `usage` for what no module can have, and leaves nothing. Returns its files. */
export async function writeNewModule(folder: string, given: NewModule): Promise<string[]> {
  // Its program has it in a comment.
  const module = { ...given, description: given.description.replaceAll(/\s+/g, " ").trim() };
  const program = `/opt/tbuild/${module.name}/run.${extensions[module.language]}`;
  const yaml = {
    name: module.name,
    description: module.description,
    targets: module.targets,
    parameters: module.parameters.map(({ name, ...flags }) => ({
      name,
      description: `Describe ${name} here.`,
      ...flags,
    })),
    run: { program, ...(module.language === "python" && { interpreter: "python" as const }) },
  };
  const result = ModuleYaml.safeParse(yaml);
  if (!result.success)
    throw new TbuildError("usage", "cannot be a module", {
      subject: module.name,
      lines: result.error.issues.map(({ path, message }) => `${path.join(".")}: is not ${message}`),
    });
  const at = join(folder, module.name);
  if (await stat(at).catch(() => undefined))
    throw new TbuildError("usage", "exists already", { subject: at });
  const script = join("payload", program);
  const write = async (into: string) => {
    const file = join(into, script);
    await makeFolders(dirname(file));
    await writeFile(file, languages[module.language](module));
    if (module.language !== "python") await chmod(file, 0o755);
    await writeFile(
      join(into, moduleYaml),
      `# tbuild module check reads this; docs/module.md lists all keys.\n${stringify(yaml)}`,
    );
  };
  await using temporary = await temporaryFolder("module");
  // The checks compare the name of a module with that of its folder.
  const trial = join(temporary.path, module.name);
  await write(trial);
  await refuse(trial, module.name);
  await makeFolders(folder);
  await inOnePiece(at, write);
  return [join(at, moduleYaml), join(at, script)];
}

// What `tbuild module check` would refuse.
async function refuse(at: string, name: string): Promise<void> {
  const everywhere = Object.entries(releases).map(([major, { python }]) => ({ name: `ol${major}`, python }));
  const { findings } = await checkModules([at], everywhere);
  const errors = findings.filter(({ level }) => level === "error");
  if (errors.length > 0)
    throw new TbuildError("usage", "cannot be a module", {
      subject: name,
      lines: errors.map(({ text, remedy }) => `${text}. ${remedy}`),
    });
}
