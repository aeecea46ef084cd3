import { createHash } from "node:crypto";
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../errors.ts";
import { additions } from "../firstboot/additions.ts";
import type { Runner } from "../host/host.ts";
import { lock } from "../host/lock.ts";
import { replaceFile } from "../host/partial-file.ts";
import { missingPackages, packages } from "../host/programs.ts";
import { codeDigest } from "../io/code-digest.ts";
import { makeFolders } from "../io/folders.ts";
import { fromPortable, toPortable } from "../io/portable.ts";
import { asDigest, type Digest, digestOf } from "../model/digest.ts";
import { createRepository } from "./create-repository.ts";
import { fetchDebs } from "./debs.ts";
import { makeIso } from "./iso-tree.ts";
import {
  assets,
  type Making,
  type MediumOptions,
  type RehearsalMedium,
  type RehearsalRelease,
} from "./rehearsal.ts";

/**
 * Makes the stand-in installation medium and its repositories, or returns the cached ones. Works as any user: no
 * mounts, no loop devices, no chroot. Its digest covers all inputs: tbuild's assets and guest additions, the release, and
 * the names and versions of the Debian packages.
 */
export async function makeRehearsalMedium(
  host: Runner,
  release: RehearsalRelease,
  options: MediumOptions,
): Promise<RehearsalMedium> {
  const { cache, signal, progress = () => {} } = options;
  await makeFolders(cache);
  const builder = await builderDigest();
  const index = join(cache, `rehearsal-ol${release.major}.${release.update}-${builder}.json`);
  const known = await kept(index, cache);
  if (known) return known;
  await using _lock = await lock(join(cache, "rehearsal.lock"), {
    ...(signal && { signal }),
    onWait: (pid) => progress(`process ${pid} is making a medium; waiting for it`),
  });
  const made = await kept(index, cache);
  if (made) return made;
  await checkTools(host);
  const debs = await fetchDebs(host, {
    cache: join(cache, "debs"),
    list: join(assets, "debs.list"),
    progress,
    ...(signal && { signal }),
  });
  const digest = createHash("sha256")
    .update(`${release.major}.${release.update} ${builder}\n${debs.names.join("\n")}`)
    .digest("hex");
  const final = join(cache, digest.slice(0, 16));
  const folder = `${final}.part`;
  await rm(folder, { recursive: true, force: true });
  await makeFolders(folder);
  const run: Making["run"] = async (argv, onLine, env) =>
    (
      await host.run(argv, {
        ...(signal && { signal }),
        ...(onLine && { onLine }),
        env: { LC_ALL: "C", SOURCE_DATE_EPOCH: "1700000000", ...env },
      })
    ).stdout;
  const making: Making = { host, release, folder, debs, run };
  await makePackages(making, progress);
  await makeIso(making, progress);
  // Files needed only while making it.
  for (const scratch of ["work", "tree", "stage2"])
    await rm(join(folder, scratch), { recursive: true, force: true });
  await rm(final, { recursive: true, force: true });
  await rename(folder, final);
  const id = `ol${release.major}`;
  const medium: RehearsalMedium = {
    iso: join(final, "medium.iso"),
    digest: asDigest(digest),
    repositories: {
      [`${id}_addons`]: join(final, "rpms", "addons"),
      [`${id}_latest`]: join(final, "rpms", "latest"),
    },
    repositoriesDigest: digestOf(`repositories ${digest}`),
  };
  await replaceFile(index, toPortable(medium, { cache }));
  return medium;
}

/** The builder's identity: the digest of its code and of its assets, by path and content. */
export async function builderDigest(): Promise<string> {
  const files = [...(await filesBelow(assets)), ...(await filesBelow(additions))];
  const hash = createHash("sha256").update(await codeDigest(import.meta.url, { shapes }));
  for (const { path, file } of files)
    hash
      .update(path)
      .update("\0")
      .update(await readFile(file))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

async function filesBelow(folder: string): Promise<{ path: string; file: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".pyc"))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({ path: file.slice(folder.length), file }));
}

function shapes(path: string): boolean {
  return path !== "errors" && !path.startsWith("host/");
}

async function makePackages(
  { run, folder, debs, release }: Making,
  progress: NonNullable<MediumOptions["progress"]>,
): Promise<void> {
  progress("making RPMs of Debian's packages");
  const argv = [
    "python3",
    join(assets, "packages.py"),
    debs.extracted,
    join(folder, "work"),
    join(folder, "rpms"),
    String(release.major),
    String(release.update),
    debs.kernel,
    additions,
  ];
  const counted = (line: string) => {
    const match = /^package (\d+)\/(\d+) (\S+)/.exec(line);
    if (match) progress(`making RPMs: ${match[3]}`, Number(match[1]), Number(match[2]));
  };
  await run(argv, counted, { PYTHONDONTWRITEBYTECODE: "1" });
  for (const repository of ["addons", "latest"])
    await run([...createRepository, join(folder, "rpms", repository)]);
}

async function kept(index: string, cache: string): Promise<RehearsalMedium | undefined> {
  const text = await readFile(index, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const medium = readMedium(text, cache);
  if (medium === undefined) return undefined;
  const there = await Promise.all(
    [medium.iso, ...Object.values(medium.repositories)].map((path) => stat(path).catch(() => undefined)),
  );
  return there.every((one) => one !== undefined)
    ? (medium as RehearsalMedium & { digest: Digest })
    : undefined;
}

const Sha256 = z.templateLiteral(["sha256:", z.string().regex(/^[0-9a-f]{64}$/)]);
const Medium = z.object({
  iso: z.string(),
  digest: Sha256,
  repositories: z.record(z.string(), z.string()),
  repositoriesDigest: Sha256,
});

/** A damaged record is as good as none: the medium is made again. */
function readMedium(text: string, cache: string): RehearsalMedium | undefined {
  try {
    return Medium.parse(fromPortable(text, { cache }));
  } catch {
    return undefined;
  }
}

async function checkTools(host: Runner): Promise<void> {
  const path = (await host.run(["sh", "-c", 'echo "$PATH"'])).stdout.trim();
  const missing = await missingPackages(
    packages.filter(({ medium }) => medium),
    path,
  );
  if (missing.length === 0) return;
  throw new TbuildError("environment", "the rehearsal medium: tools are missing", {
    hint: `Install them: apt-get install ${missing.map(({ name }) => name).join(" ")}`,
  });
}
