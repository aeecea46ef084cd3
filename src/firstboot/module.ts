import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { asDigest, type Digest } from "../model/digest.ts";

/** The moments at which ovm-template-config runs modules. */
export const targets = [
  "configure",
  "unconfigure",
  "reconfigure",
  "cleanup",
  "suspend",
  "resume",
  "migrate",
  "shutdown",
] as const;
export type Target = (typeof targets)[number];

export interface ModuleFile {
  /** Where it goes in the guest. */
  readonly path: string;
  /** Where it is here. */
  readonly from: string;
  readonly data: Uint8Array;
  readonly mode: number;
}

/** A first-boot module: its script, with the header that says when it runs, and what it brings along. */
export interface FirstBootModule {
  readonly name: string;
  readonly description: string;
  /** The place of the module at each target at which it runs. */
  readonly priorities: Readonly<Partial<Record<Target, number>>>;
  readonly script: Uint8Array;
  readonly payload: readonly ModuleFile[];
  /** Of the script and all it brings along, names and modes too. */
  readonly digest: Digest;
}

/** What lies in a module's folder, right or wrong. */
export interface ModuleParts {
  readonly name: string;
  /** The script. */
  readonly file: string;
  readonly script: Uint8Array;
  readonly header: ReturnType<typeof parseHeader>;
  readonly payload: readonly ModuleFile[];
}

/** Reads a module's folder. Throws `usage` where there is no module in it. */
export async function readParts(folder: string): Promise<ModuleParts> {
  const name = basename(resolve(folder));
  const file = join(folder, name);
  const is = await stat(folder).catch(() => undefined);
  if (!is?.isDirectory())
    throw new TbuildError("usage", is ? "is not a folder" : "no such folder", {
      subject: folder,
      hint: "Name the folder of a first-boot module. `tbuild module list` lists the known ones.",
    });
  const script = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "EISDIR" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (!script)
    throw new TbuildError("usage", `no script "${name}" in it`, {
      subject: folder,
      hint: "A module folder must contain a Python script of the same name. It may contain payload/.",
    });
  const header = parseHeader(script.toString("utf8"));
  if (header.name !== undefined && header.name !== name)
    header.problems.push({
      line: header.nameLine,
      text: `the name "${header.name}" is not that of the folder, "${name}"`,
    });
  return { name, file, script, header, payload: await readPayload(join(folder, "payload"), "") };
}

/** Reads a module's folder; everything that is wrong with its header is thrown at once, each with file and line. */
export async function readModule(folder: string): Promise<FirstBootModule> {
  const { name, file, script, header, payload } = await readParts(folder);
  if (header.problems.length > 0)
    throw new TbuildError("usage", `${header.problems.length} errors in its header`, {
      subject: file,
      lines: header.problems.map(({ line, text }) => `${file}:${line}: ${text}`),
    });
  const { description, priorities } = header;
  return { name, description, priorities, script, payload, digest: digestOf(script, payload) };
}

interface Problem {
  readonly line: number;
  readonly text: string;
}

/** The lines between BEGIN and END PLUGIN INFO. */
export function parseHeader(script: string) {
  const lines = script.split("\n");
  const problems: Problem[] = [];
  const priorities: Partial<Record<Target, number>> = {};
  const targetLines: Partial<Record<Target, number>> = {};
  let [name, nameLine, description]: [string | undefined, number, string] = [undefined, 1, ""];
  if (!/^#!.*python/.test(lines[0] ?? "")) problems.push({ line: 1, text: "the first line names no Python" });
  const begin = lines.findIndex((line) => /^### BEGIN PLUGIN INFO\s*$/.test(line));
  const end = lines.findIndex((line, index) => index > begin && /^### END PLUGIN INFO\s*$/.test(line));
  if (begin < 0) problems.push({ line: 1, text: 'no line "### BEGIN PLUGIN INFO"' });
  else if (end < 0) problems.push({ line: begin + 1, text: 'no line "### END PLUGIN INFO" follows' });
  let last = "";
  for (let index = begin + 1; begin >= 0 && index < end; index++) {
    const line = lines[index] ?? "";
    const [, key, value = ""] = /^#\s?([\w-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    const isMore = key === undefined && last === "description" && /^#\s{2,}\S/.test(line);
    if (isMore) description += ` ${line.slice(1).trim()}`;
    else if (key === undefined) problems.push({ line: index + 1, text: `not "# key: value": "${line}"` });
    else if (key === "name") [name, nameLine] = [value, index + 1];
    else if (key === "description") description = value;
    else if (!isTarget(key))
      problems.push({ line: index + 1, text: `"${key}" is no target; there are ${targets.join(", ")}` });
    else if (!/^\d{1,2}$/.test(value))
      problems.push({ line: index + 1, text: `${key}: "${value}" is no number from 0 to 99` });
    else if (key in priorities) problems.push({ line: index + 1, text: `${key}: given twice` });
    else [priorities[key], targetLines[key]] = [Number(value), index + 1];
    last = key ?? last;
  }
  if (begin >= 0 && end > begin) {
    if (name === undefined) problems.push({ line: begin + 1, text: "no name" });
    else if (!/^[a-z][\w-]*$/i.test(name))
      problems.push({ line: nameLine, text: `"${name}" is no name of a module` });
    if (description === "") problems.push({ line: begin + 1, text: "no description" });
    if (Object.keys(priorities).length === 0)
      problems.push({ line: begin + 1, text: "no target: it would never run" });
  }
  return { name, nameLine, description, priorities, lines: targetLines, problems };
}

async function readPayload(folder: string, at: string): Promise<ModuleFile[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files: ModuleFile[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const [from, path] = [join(folder, entry.name), `${at}/${entry.name}`];
    if (entry.isDirectory()) files.push(...(await readPayload(from, path)));
    else if (entry.isFile())
      files.push({
        path,
        from,
        data: await readFile(from),
        mode: (await stat(from)).mode & 0o111 ? 0o755 : 0o644,
      });
    else throw new TbuildError("usage", "neither a file nor a folder", { subject: from });
  }
  return files;
}

function digestOf(script: Uint8Array, payload: readonly ModuleFile[]): Digest {
  const hash = createHash("sha256").update(`script ${script.length}\n`).update(script);
  for (const { path, data, mode } of payload)
    hash.update(`${JSON.stringify(path)} ${mode} ${data.length}\n`).update(data);
  return asDigest(hash.digest("hex"));
}

function isTarget(word: string): word is Target {
  return (targets as readonly string[]).includes(word);
}
