import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Runner } from "../host/host.ts";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";

export interface Debs {
  /** A folder per package, and `<package>.version`. */
  readonly extracted: string;
  /** `uname -r` of the kernel package. */
  readonly kernel: string;
  /** File names, which contain the versions. */
  readonly names: readonly string[];
}

export interface DebOptions {
  readonly cache: string;
  /** A file with one package name per line. */
  readonly list: string;
  readonly progress: (text: string, done?: number, total?: number) => void;
  readonly signal?: AbortSignal;
}

/** Downloads Debian's packages and unpacks them, without installing anything and without root. */
export async function fetchDebs(host: Runner, options: DebOptions): Promise<Debs> {
  const { cache, progress } = options;
  const files = join(cache, "files");
  const extracted = join(cache, "extracted");
  for (const folder of [files, extracted]) await makeFolders(folder);
  const apt = await privateApt(cache);
  const run = (argv: readonly string[], cwd?: string) =>
    host.run(argv, { ...(options.signal && { signal: options.signal }), ...(cwd !== undefined && { cwd }) });

  progress("asking Debian for its packages");
  await run(["apt-get", "-c", apt, "-qq", "update"]).catch((error) => {
    throw new TbuildError("environment", "the rehearsal medium: Debian packages cannot be downloaded", {
      cause: error,
      lines: error instanceof TbuildError ? error.lines : [],
      hint: "Check /etc/apt/sources.list and the network, then try again. Finished downloads are kept.",
    });
  });
  const depends = await run(["apt-cache", "-c", apt, "depends", "linux-image-cloud-amd64"]);
  const kernelPackage = /Depends: (linux-image-\S+)/.exec(depends.stdout)?.[1];
  if (kernelPackage === undefined)
    throw new TbuildError("environment", "the rehearsal medium: this Debian has no linux-image-cloud-amd64");
  const wanted = [...packageNames(await readFile(options.list, "utf8")), kernelPackage];
  const urls = await run(["apt-get", "-c", apt, "-qq", "--print-uris", "download", ...wanted]);
  const current = fileNames(urls.stdout);
  const there = new Set(await readdir(files));
  const missing = [...current].filter(([, file]) => !there.has(file)).map(([name]) => name);
  if (missing.length > 0) {
    progress(`downloading ${missing.length} Debian packages`);
    // Into a separate folder: apt-get writes under the final name, so a kill would leave a partial file there.
    const part = join(cache, "part");
    await rm(part, { recursive: true, force: true });
    await mkdir(part);
    await run(["apt-get", "-c", apt, "-qq", "download", ...missing], part);
    for (const file of await readdir(part)) await rename(join(part, file), join(files, file));
  }
  await unpack(run, files, extracted, current, progress);
  return {
    extracted,
    kernel: kernelPackage.replace("linux-image-", ""),
    names: [...current.values()].sort(),
  };
}

/** Package name → file name, from `apt-get --print-uris download`. */
export function fileNames(text: string): Map<string, string> {
  const found = [...text.matchAll(/^'[^']+' (\S+) \d+/gm)].map((match) => decodeURIComponent(match[1] ?? ""));
  // apt-get writes an epoch's colon as %3a.
  return new Map(found.map((file) => [file.split("_")[0] ?? "", file.replaceAll(":", "%3a")]));
}

export function packageNames(list: string): string[] {
  return list
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

async function unpack(
  run: (argv: readonly string[]) => Promise<unknown>,
  files: string,
  extracted: string,
  current: ReadonlyMap<string, string>,
  progress: DebOptions["progress"],
): Promise<void> {
  let done = 0;
  const work = [...current];
  const next = async (): Promise<void> => {
    for (let one = work.shift(); one; one = work.shift()) {
      const [name, file] = one;
      const version = file.split("_")[1]?.replaceAll("%3a", ":") ?? "";
      const mark = join(extracted, `${name}.version`);
      if (
        (await readFile(mark, "utf8").catch(() => "")) !== version ||
        !(await stat(join(extracted, name)).catch(() => undefined))
      ) {
        const part = join(extracted, `${basename(name)}.part`);
        for (const old of [mark, part, join(extracted, name)])
          await rm(old, { recursive: true, force: true });
        await run(["dpkg-deb", "-x", join(files, file), part]);
        await rename(part, join(extracted, name));
        await writeFile(mark, version);
      }
      progress("unpacking Debian packages", ++done, current.size);
    }
  };
  await Promise.all([next(), next()]);
}

/** A separate apt state: the host's packages do not matter, and nothing on the host changes. */
async function privateApt(cache: string): Promise<string> {
  const state = join(cache, "apt");
  for (const folder of ["lists/partial", "cache/archives/partial"]) await makeFolders(join(state, folder));
  await writeFile(join(state, "status"), "");
  const settings = {
    "Dir::State": state,
    "Dir::State::lists": join(state, "lists"),
    "Dir::State::status": join(state, "status"),
    "Dir::Cache": join(state, "cache"),
    "Debug::NoLocking": "true",
    "Acquire::Languages": "none",
    "APT::Architecture": "amd64",
    "APT::Architectures": "amd64",
    // Otherwise, as root, apt downloads as a user without write access here.
    "APT::Sandbox::User": "root",
  };
  const file = join(state, "apt.conf");
  await writeFile(
    file,
    Object.entries(settings)
      .map(([key, value]) => `${key} "${value}";\n`)
      .join(""),
  );
  return file;
}
