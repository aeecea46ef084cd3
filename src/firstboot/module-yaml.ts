import { z } from "zod";
import { parameterTypes } from "../choices.ts";
import type { Finding } from "../recipe/findings.ts";
import { placeOf, plain, readYaml } from "../recipe/located.ts";
import { shapeFindings } from "../recipe/shape.ts";
import { isPattern } from "./pattern.ts";
import { targets } from "./targets.ts";
import { faultOf } from "./value-types.ts";

const described = <T extends z.ZodType>(schema: T, text: string) => schema.describe(text);
/** A string of a form. The reference tells the form by its words. */
const formed = (pattern: RegExp, words: string) => z.string().regex(pattern, words).meta({ title: words });

const interpreter = described(
  z.enum(["sh", "bash", "ksh", "perl", "python"]).exactOptional(),
  "The interpreter of the program. Default: from its first line.",
);

const guestPath = formed(/^\/(?:[^/\0\n]+\/)*[^/\0\n]+$/, "an absolute path in the guest");

const ModuleParameter = z.strictObject({
  name: described(
    formed(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, "lower-case words joined by hyphens, such as scan-name"),
    "The last part of the key. The program gets the value in an environment variable: `scan-name` becomes SCAN_NAME.",
  ),
  description: described(z.string().min(1), "One sentence for the person who sets the value."),
  type: described(
    z.enum(parameterTypes).default("text"),
    "The form of the value. `device` is a network device, such as eth0; for a disk, use `path`.",
  ),
  required: described(z.boolean().default(false), "The module fails if the value is missing."),
  hidden: described(z.boolean().default(false), "Not asked on the console."),
  password: described(z.boolean().default(false), "A secret: never shown or logged."),
  default: described(z.string().exactOptional(), "The value if none is sent."),
  choices: described(z.array(z.string()).min(1).exactOptional(), "The only allowed values."),
  pattern: described(
    z.string().exactOptional(),
    "A regular expression that the whole value must match, in RE2's syntax, which has no lookaround and no backreferences.",
  ),
  index: described(
    z.boolean().default(false),
    "The key is numbered: key.0, key.1 and so on. The variables are NAME_0, NAME_1.",
  ),
});
export type ModuleParameter = z.infer<typeof ModuleParameter>;

/** The description of a first-boot module, from which its program for ovm-template-config is made. */
export const ModuleYaml = z.strictObject({
  name: described(
    formed(/^[a-z][a-z0-9-]*$/, "a name of lower-case letters, digits and hyphens, starting with a letter"),
    "The module's name, which is also the name of its folder.",
  ),
  description: described(z.string().min(1), "What the module does, in one sentence."),
  version: described(
    formed(/^\d+(?:\.\d+)*$/, "a version such as 1.0").default("1.0"),
    "The version of its RPM.",
  ),
  namespace: described(
    formed(
      /^[a-z][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)+$/,
      "a name space such as org.example.dns",
    ).exactOptional(),
    "The first part of each key. Default: org.tbuild.NAME.",
  ),
  targets: described(
    z.partialRecord(z.enum(targets), z.int().min(0).max(99)).refine((one) => Object.keys(one).length > 0, {
      message: "needs at least one target",
    }),
    "The targets at which it runs, each with its priority from 0 to 99. Oracle's module network has 50, authentication 90.",
  ),
  parameters: described(
    z.array(ModuleParameter).default([]),
    "The values that the module needs at configure.",
  ),
  run: described(
    z.strictObject({
      program: described(guestPath, "A program of the payload. It gets the target as its argument."),
      interpreter,
      input: described(
        z.enum(["environment", "json"]).default("environment"),
        "`environment`: values in environment variables. `json`: also an object of KEY: VALUE on standard input.",
      ),
      timeout: described(
        z.int().min(1).max(86_400).default(600),
        "Seconds after which the program is killed.",
      ),
    }),
    "What the module runs.",
  ),
  afterBoot: described(
    z
      .strictObject({
        program: described(
          guestPath,
          "A program of the payload. It gets the same values. Exit code 75 means: not yet, try again at the next boot.",
        ),
        interpreter,
        timeout: described(
          z.int().min(1).max(86_400).default(3600),
          "Seconds after which the program is killed.",
        ),
      })
      .exactOptional(),
    "What the module runs once after the boot, when network file systems and services are up. Only with the target configure.",
  ),
  needs: described(
    z.array(z.enum(["network", "mounts", "services"])).default([]),
    "What must be up when it runs. At the first boot, network file systems and other services start later.",
  ),
  packages: described(
    z.array(formed(/^\S+$/, "the name of a package, without blanks")).default([]),
    "Packages that the program needs. A recipe with this module must install them.",
  ),
  files: described(
    z
      .record(
        guestPath,
        z.strictObject({
          mode: described(
            formed(/^0?[0-7]{3,4}$/, "an octal mode such as 0600").exactOptional(),
            "The mode.",
          ),
          owner: described(
            formed(/^\d+:\d+$/, "numbers such as 54321:54321").exactOptional(),
            "User and group, as numbers.",
          ),
        }),
      )
      .default({}),
    "Modes and owners of files of the payload that differ from root:root and 0644 or 0755.",
  ),
});
export type ModuleYaml = z.infer<typeof ModuleYaml>;

/** The complete key of a parameter, without the number if it is numbered. */
export function keyOf(module: ModuleYaml, parameter: ModuleParameter): string {
  return `${module.namespace ?? `org.tbuild.${module.name}`}.${parameter.name}`;
}

/** The line of a value in module.yaml. */
export type LineOf = (path: readonly (string | number)[]) => number;

/** Reads a module.yaml. Throws a `usage` fault if it is not YAML; all other faults are findings. */
export function parseModuleYaml(
  file: string,
  text: string,
): { readonly module?: ModuleYaml; readonly findings: readonly Finding[]; lineOf: LineOf } {
  const root = readYaml(file, text);
  const result = ModuleYaml.safeParse(plain(root));
  const lineOf: LineOf = (path) => placeOf(root, path).line;
  if (!result.success) return { findings: shapeFindings(ModuleYaml, result.error, root), lineOf };
  const module = result.data;
  const findings: Finding[] = [];
  const find = (path: readonly (string | number)[], what: string) =>
    findings.push({ at: placeOf(root, path), path: path.join("."), text: what });
  const names = new Set<string>();
  for (const [i, one] of module.parameters.entries()) {
    if (names.has(one.name)) find(["parameters", i, "name"], `${one.name} is defined twice`);
    names.add(one.name);
    const numbered = module.parameters.find(
      (other) => other.index && new RegExp(`^${other.name}-\\d+$`).test(one.name),
    );
    if (numbered)
      find(
        ["parameters", i, "name"],
        `the variable ${variableOf(one.name)} is also that of a value of ${numbered.name}, which is numbered`,
      );
    if (reserved.has(variableOf(one.name)))
      find(["parameters", i, "name"], `the variable ${variableOf(one.name)} has a meaning for all programs`);
    if (one.pattern !== undefined && !isPattern(one.pattern))
      find(
        ["parameters", i, "pattern"],
        "is not a regular expression that can be checked: up to 2000 characters of RE2's syntax, which has no lookaround (?=…) and no \\1",
      );
    if (one.default !== undefined && one.choices !== undefined && !one.choices.includes(one.default))
      find(["parameters", i, "default"], `"${one.default}" is not one of the choices`);
    if (one.choices !== undefined && new Set(one.choices).size < one.choices.length)
      find(["parameters", i, "choices"], "has a choice twice");
    if (one.choices !== undefined && one.password)
      find(["parameters", i, "choices"], "a secret must not have choices, which everybody can read");
    const strange = [...(one.choices ?? []), ...(one.default === undefined ? [] : [one.default])]
      .map((value) => ({ value, fault: faultOf({ ...formOf(one), key: keyOf(module, one) }, value) }))
      .find(({ fault }) => fault !== undefined);
    if (strange && !one.password && (one.choices === undefined || one.choices.includes(strange.value)))
      find(
        ["parameters", i, one.choices === undefined ? "default" : "choices"],
        `"${strange.value}" is not ${strange.fault}`,
      );
    if (one.password && one.default !== undefined)
      find(["parameters", i, "default"], "a secret must not have a default, which everybody can read");
    if (one.required && one.default !== undefined)
      find(
        ["parameters", i, "required"],
        "a value with a default is never missing, so it cannot be required",
      );
  }
  if (module.afterBoot && module.targets.configure === undefined)
    find(["afterBoot"], "the module does not run at configure, so nothing would start this program");
  for (const [target, priority] of Object.entries(module.targets))
    for (const need of module.needs) {
      if (need === "network" && target === "configure" && priority <= networkPriority)
        find(
          ["targets", target],
          `${priority} is before the network: Oracle's module network has ${networkPriority}`,
        );
      if (need !== "network" && target === "configure")
        find(
          ["needs", module.needs.indexOf(need)],
          `${need} are not available at configure; move that work to a program of afterBoot, as the module grid does`,
        );
    }
  return { module, findings, lineOf };
}

function formOf({ description, required, hidden, password, type, pattern }: ModuleParameter) {
  return {
    description,
    module: "",
    required,
    hidden,
    password,
    type,
    ...(pattern !== undefined && { pattern }),
  };
}

/** Oracle VM Utilities Guide: the priority of the module network at configure. */
const networkPriority = 50;

/** The environment variable of a parameter. */
export function variableOf(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}

const reserved = new Set([
  "PATH",
  "HOME",
  "IFS",
  "ENV",
  "BASH_ENV",
  "LANG",
  "SHELL",
  "PWD",
  "TERM",
  "PYTHONPATH",
  "TARGET",
  // The shell sets these itself.
  ...[
    "UID",
    "EUID",
    "PPID",
    "RANDOM",
    "SECONDS",
    "LINENO",
    "GROUPS",
    "SHELLOPTS",
    "BASHOPTS",
    "OPTIND",
    "OPTARG",
    "PS4",
  ],
  // The linker and Python read these.
  ...[
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYOPT",
  ],
]);
