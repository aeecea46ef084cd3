import { z } from "zod";
import { ModuleYaml } from "../firstboot/module-yaml.ts";
import type { JsonSchema } from "../recipe/json-schema.ts";
import { keyTable } from "../recipe/reference.ts";

/** The JSON Schema of a module.yaml, for editors. */
export function moduleSchema(): JsonSchema {
  const { $schema, ...whole } = z.toJSONSchema(ModuleYaml, { io: "input" }) as JsonSchema & {
    $schema: string;
  };
  return { $schema, title: "A first-boot module of tbuild", ...whole } as JsonSchema;
}

/** docs/module.md: every key of a module.yaml, from the schema. */
export function moduleReference(): string {
  return `${head}\n${keyTable(moduleSchema())}${tail}`;
}

const head = `# Module reference

Generated from the schema by \`tbuild module schema --markdown\`. The JSON Schema is in \`docs/module.schema.json\`
(\`tbuild module schema\` prints it).

A first-boot module is a folder with a \`module.yaml\` and a \`payload/\`, whose files go to the same paths in the guest. tbuild
makes the program for \`ovm-template-config\` from it, for the Python of the guest's release (2.4 to 3).

\`[]\` stands for the items of a list. **Bold** keys are required.
`;

const tail = `
## Input of the program

The target (\`configure\`, \`cleanup\` …) is its only argument. Each value is in an environment variable: \`scan-name\` becomes
\`SCAN_NAME\`, and the values of a numbered parameter \`address\` become \`ADDRESS_0\`, \`ADDRESS_1\` and so on. Secrets never appear on a
command line, and are replaced by \`***\` in the log. With \`input: json\`, the program also gets an object of KEY: VALUE on standard input.

Its output and exit code go to \`/var/log/ovm-template-config.log\`. If it fails or does not end within \`timeout\`, no further module
runs. tbuild's guest additions then still run \`network\` and \`authentication\`, so that you can log in and read the log.

It configures a clone once: \`configure\` does nothing while \`/var/lib/tbuild/modules/NAME\` exists. A seal removes that file.

## Work after the boot

File systems of the network and other services are not up at \`configure\`. A program in \`afterBoot\` runs when they are: tbuild makes a
service \`tbuild-after-NAME\` for SysV init and for systemd, which starts it in the background after the first boot, and again at each
boot until it has ended with 0. It gets the argument \`after-boot\` and the same values, which wait in a file that only root can read.

| Exit code | Meaning |
|---|---|
| 0 | done; it does not run again |
| 75 | what it needs is not there yet: no failure. The next boot tries again, or \`service tbuild-after-NAME start\` |
| other | failed; the log has its output, and the next boot tries again |

[First-boot modules](modules.md) shows how to make, check and package one.
`;
