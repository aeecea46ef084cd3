import { stringify } from "yaml";
import { parameterTypes } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { enumerate } from "./enumerate.ts";
import { type ModuleParts, readParts } from "./module.ts";
import { ModuleYaml } from "./module-yaml.ts";
import { sourceText } from "./python/source.ts";

/**
 * A module.yaml for the module in `folder`, which was written by hand. Its script becomes a program of the payload that gets
 * what ovm-template-config gives it: the target, and the module's values as JSON. Throws `usage` with everything that a
 * module.yaml cannot express.
 */
export async function adoptModule(
  folder: string,
): Promise<{ yaml: ModuleYaml; text: string; parts: ModuleParts; script: string }> {
  const parts = await readParts(folder);
  const { name, file, header } = parts;
  if (parts.yaml !== undefined)
    throw new TbuildError("usage", "already has a module.yaml", { subject: folder });
  const problems = header.problems.map(({ line, text }) => `${file}:${line}: ${text}`);
  const { parameters, doubts } = await enumerate(sourceText(parts.script), "configure");
  for (const { reason, line } of doubts)
    problems.push(`${file}:${line}: not all parameters are known without running it: it ${reason}`);
  const keys = parameters.map(({ key }) => String(key));
  const namespace = commonNamespace(keys) ?? `org.tbuild.${name}`;
  const script = `/usr/libexec/tbuild/modules/${name}`;
  const yaml = {
    name,
    description: header.description,
    namespace,
    targets: header.priorities,
    parameters: parameters.map((one) => parameterOf(one, namespace)),
    run: { program: script, interpreter: "python", input: "json" },
  };
  const result = ModuleYaml.safeParse(yaml);
  if (!result.success)
    for (const { path, message } of result.error.issues) {
      const [list, index, field] = path.map(String);
      const key = list === "parameters" && index !== undefined ? `the key ${keys[Number(index)]}: ` : "";
      problems.push(
        `${file}: ${key}${field === "name" ? `its last part is not ${message}` : `${path.join(".")}: ${message}`}`,
      );
    }
  if (problems.length > 0 || !result.success)
    throw new TbuildError("usage", "cannot be converted to a module.yaml", {
      subject: folder,
      lines: problems,
      hint: "Change these in the script, or keep the module unchanged: it still works.",
    });
  return { yaml: result.data, text: stringify(yaml), parts, script };
}

function parameterOf(one: Readonly<Record<string, unknown>>, namespace: string): Record<string, unknown> {
  const key = String(one.key);
  const own = key.startsWith(`${namespace}.`) ? key.slice(namespace.length + 1) : key;
  const [, name = own, number] = /^(.+?)(\.\d+)?$/.exec(own) ?? [];
  const isYes = (value: unknown) => value === true || /^(?:true|yes|1)$/i.test(String(value ?? ""));
  return {
    name,
    description: String(one.description ?? name),
    ...(isYes(one.required) && { required: true }),
    ...(isYes(one.hidden) && { hidden: true }),
    ...(isYes(one.password) && { password: true }),
    ...(parameterTypes.some((type) => type === one.type) && { type: one.type }),
    ...(typeof one.default === "string" && { default: one.default }),
    ...(Array.isArray(one.choices) && { choices: one.choices.map(String) }),
    ...(number !== undefined && { index: true }),
  };
}

/** The longest common prefix of all keys, in whole parts and without their last part. */
function commonNamespace(keys: readonly string[]): string | undefined {
  const [first, ...others] = keys.map((key) =>
    key
      .replace(/\.\d+$/, "")
      .split(".")
      .slice(0, -1),
  );
  if (first === undefined) return undefined;
  const differs = first.findIndex((part, i) => others.some((other) => other[i] !== part));
  const common = first.slice(0, differs < 0 ? first.length : differs);
  return common.length > 1 ? common.join(".") : undefined;
}
