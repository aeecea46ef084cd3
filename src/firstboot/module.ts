import { createHash } from "node:crypto";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { textOf } from "../io/durable.ts";
import { shown } from "../io/escape.ts";
import { amount } from "../io/units.ts";
import { asDigest, type Digest } from "../model/digest.ts";
import { afterBootFiles } from "./after-boot.ts";
import { type ModuleHeader, type Problem, parseHeader } from "./module-header.ts";
import { type LineOf, type ModuleYaml, parseModuleYaml } from "./module-yaml.ts";
import { sourceText } from "./python/source.ts";
import { type Target, targets } from "./targets.ts";
import { wrapperOf } from "./wrapper.ts";

export { type Target, targets } from "./targets.ts";

export interface ModuleFile {
  /** Its path in the guest. */
  readonly path: string;
  /** Its path on this machine. */
  readonly from: string;
  readonly data: Uint8Array;
  readonly mode: number;
  /** Numbers of user and group. Default: root. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

/** A first-boot module: its script, with the header that says when it runs, and its payload. */
export interface FirstBootModule {
  readonly name: string;
  readonly description: string;
  /** The priority of the module at each of its targets. */
  readonly priorities: Readonly<Partial<Record<Target, number>>>;
  readonly script: Uint8Array;
  readonly payload: readonly ModuleFile[];
  /** The program for another Python, if it was made from module.yaml. */
  readonly scriptFor?: (python: string) => Uint8Array;
  /** Packages that it needs in the guest. */
  readonly packages: readonly string[];
  /** Of its RPM. */
  readonly version: string;
  /** Digest of the script and the payload, including names and modes. */
  readonly digest: Digest;
}

/** The content of a module's folder, valid or not. */
export interface ModuleParts {
  readonly name: string;
  /** The script, or the module.yaml that it is made from. */
  readonly file: string;
  /** Empty if module.yaml has faults. */
  readonly script: Uint8Array;
  readonly header: ModuleHeader;
  readonly payload: readonly ModuleFile[];
  /** Parts of the payload that cannot be added, such as links. */
  readonly oddPayload: readonly OddFile[];
  /** The module.yaml, if the script is made from one. */
  readonly yaml?: ModuleYaml;
  readonly lineOf?: LineOf;
}

export interface OddFile {
  readonly from: string;
  readonly what: string;
}

/** Reads a module's folder. Throws `usage` if it contains no module. */
export async function readParts(folder: string): Promise<ModuleParts> {
  const name = basename(resolve(folder));
  const file = join(folder, name);
  const is = await stat(folder).catch(() => undefined);
  if (!is?.isDirectory())
    throw new TbuildError("usage", is ? "is not a folder" : "no such folder", {
      subject: folder,
      hint: "Name the folder of a first-boot module. `tbuild module list` lists the known ones.",
    });
  const description = await textOf(join(folder, moduleYaml));
  if (description !== undefined) return describedParts(folder, name, description);
  const script = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "EISDIR" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (!script)
    throw new TbuildError("usage", `contains neither module.yaml nor a script "${name}"`, {
      subject: folder,
      hint: "`tbuild module new` makes a module folder.",
    });
  const header = parseHeader(sourceText(script));
  if (header.name !== undefined && header.name !== name)
    header.problems.push({
      line: header.nameLine,
      text: `the name "${header.name}" is not that of the folder, "${name}"`,
    });
  return { name, file, script, header, ...(await readPayload(join(folder, "payload"))) };
}

/** Reads a module's folder. Throws all errors in its header together, each with file and line. */
export async function readModule(folder: string): Promise<FirstBootModule> {
  const { name, file, script, header, payload, oddPayload, yaml } = await readParts(folder);
  const [odd] = oddPayload;
  if (odd)
    throw new TbuildError("usage", odd.what, { subject: odd.from, hint: "Put a copy of the file there." });
  if (header.problems.length > 0)
    throw new TbuildError("usage", `${amount(header.problems.length, "error")} in its header`, {
      subject: file,
      lines: header.problems.map(({ line, text }) => `${file}:${line}: ${text}`),
    });
  const { description, priorities } = header;
  return {
    name,
    description,
    priorities,
    script,
    payload,
    packages: yaml?.packages ?? [],
    version: yaml?.version ?? "1.0",
    ...(yaml && { scriptFor: (python: string) => Buffer.from(wrapperOf(yaml, python)) }),
    digest: digestOf(script, payload),
  };
}

/** The parts of a module that module.yaml describes. Its faults become problems of the header, with their lines. */
async function describedParts(folder: string, name: string, text: string): Promise<ModuleParts> {
  const file = join(folder, moduleYaml);
  const { module, problems, lineOf } = readDescription(file, text);
  const { payload: given, oddPayload } = await readPayload(join(folder, "payload"));
  const header = {
    name,
    nameLine: 1,
    description: "",
    priorities: {},
    lines: {},
    faulty: [],
    isComplete: true,
  };
  const none = { script: new Uint8Array(), header: { ...header, problems }, payload: given };
  if (module === undefined || lineOf === undefined) return { name, file, oddPayload, ...none };
  if (module.name !== name)
    problems.push({ line: 1, text: `the name "${module.name}" is not that of the folder, "${name}"` });
  if ((await textOf(join(folder, name))) !== undefined)
    problems.push({ line: 1, text: `there is also a script "${name}"; remove one of the two` });
  for (const key of ["run", "afterBoot"] as const) {
    const { program: path, interpreter } = module[key] ?? {};
    if (path === undefined) continue;
    const line = lineOf([key, "program"]);
    const program = given.find((one) => one.path === path);
    if (program === undefined) problems.push({ line, text: `${key}.program: payload${path} does not exist` });
    else if (interpreter === undefined && !(program.mode & 0o111))
      problems.push({ line, text: `${key}.program: payload${path} is not executable` });
  }
  for (const path of Object.keys(module.files))
    if (!given.some((one) => one.path === path))
      problems.push({ line: 1, text: `files: payload${path} does not exist` });
  const payload = [
    ...given.map((one) => ({ ...one, ...attributesOf(module, one.path) })),
    ...afterBootFiles(module).map(({ text: made, ...one }) => ({
      ...one,
      from: file,
      data: Buffer.from(made),
    })),
  ];
  const lines = Object.fromEntries(targets.map((target) => [target, lineOf(["targets", target])]));
  return {
    name,
    file,
    payload,
    oddPayload,
    yaml: module,
    lineOf,
    script: Buffer.from(wrapperOf(module)),
    header: { ...header, description: module.description, priorities: module.targets, lines, problems },
  };
}

// A file that is not YAML has problems, too: of several modules, the others are read as well.
function readDescription(file: string, text: string) {
  try {
    const { module, findings, lineOf } = parseModuleYaml(file, text);
    const problems = findings.map(
      ({ at, path, text: what }): Problem => ({
        line: at.line,
        text: path === "" ? what : `${path}: ${what}`,
      }),
    );
    return { module, problems, lineOf };
  } catch (error) {
    if (!(error instanceof TbuildError && error.fault === "usage")) throw error;
    const lines = error.lines.length > 0 ? error.lines : [`${error.subject ?? file}: ${error.message}`];
    const problems = lines.map((one): Problem => {
      const [, line = "1", what = one] = /:(\d+):\d+: (.*)$/s.exec(one) ?? [];
      return { line: Number(line), text: `not a YAML file: ${what}` };
    });
    return { module: undefined, problems, lineOf: undefined };
  }
}

function attributesOf({ files }: ModuleYaml, path: string): Partial<ModuleFile> {
  const { mode, owner } = files[path] ?? {};
  const [uid = 0, gid = 0] = owner?.split(":").map(Number) ?? [];
  return {
    ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
    ...(owner !== undefined && { owner: { uid, gid } }),
  };
}

/** The name of the file that describes a module. */
export const moduleYaml = "module.yaml";

interface Payload {
  readonly payload: readonly ModuleFile[];
  readonly oddPayload: readonly OddFile[];
}

async function readPayload(folder: string, at = ""): Promise<Payload> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const payload: ModuleFile[] = [];
  const oddPayload: OddFile[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const [from, path] = [join(folder, entry.name), `${at}/${entry.name}`];
    if (entry.isDirectory()) {
      const inner = await readPayload(from, path);
      payload.push(...inner.payload);
      oddPayload.push(...inner.oddPayload);
    } else if (entry.isFile())
      payload.push({
        path,
        from,
        data: await readFile(from),
        mode: (await stat(from)).mode & 0o111 ? 0o755 : 0o644,
      });
    else if (entry.isSymbolicLink())
      oddPayload.push({ from, what: `is a symbolic link to ${shown(await readlink(from))}` });
    else oddPayload.push({ from, what: "is neither a file nor a folder" });
  }
  return { payload, oddPayload };
}

function digestOf(script: Uint8Array, payload: readonly ModuleFile[]): Digest {
  const hash = createHash("sha256").update(`script ${script.length}\n`).update(script);
  for (const { path, data, mode, owner } of payload)
    hash
      .update(`${JSON.stringify(path)} ${mode} ${data.length}${owner ? ` ${owner.uid}:${owner.gid}` : ""}\n`)
      .update(data);
  return asDigest(hash.digest("hex"));
}
