import { readdir, stat, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { makeFolders } from "../io/folders.ts";
import { amount } from "../io/units.ts";
import type { Medium } from "./media.ts";
import { faultOfRpm } from "./rpm-file.ts";
import type { ImageMaking } from "./xorriso.ts";

/** The folder on the medium. Some OL7 discs already have folders in it; they are kept. */
const addonsFolder = "addons";

/**
 * Makes a repository of the RPMs in a folder, for sites without a network. The RPMs are linked, not copied, until
 * xorriso writes them to the medium.
 */
export async function stageAddons(making: ImageMaking, medium: Medium, from: string): Promise<string> {
  const { host, scratch, signal, progress } = making;
  const files = await readdir(from).catch(() => undefined);
  if (!files) throw new TbuildError("usage", "no such folder", { subject: from });
  const rpms = files.filter((file) => file.endsWith(".rpm"));
  if (rpms.length === 0) throw new TbuildError("usage", "has no .rpm file", { subject: from });
  await refuseDamaged(from, rpms);
  progress?.(`making a repository of ${amount(rpms.length, "package")}`);
  const staged = join(scratch, addonsFolder);
  await makeFolders(staged);
  for (const rpm of rpms) await symlink(resolve(from, rpm), join(staged, rpm));
  // Formats that the release's yum reads: OL5's does not know SHA-256; all know gzip.
  const checksum = medium.major <= 5 ? "sha" : "sha256";
  const readable = ["--checksum", checksum, "--general-compress-type", "gz", "--no-database"];
  await host.run(["createrepo_c", "-q", ...readable, staged], { ...(signal && { signal }) });
  return staged;
}

// createrepo_c skips a package that it cannot read. An installer stops at a damaged one.
async function refuseDamaged(from: string, rpms: readonly string[]): Promise<void> {
  const faults: string[] = [];
  for (const rpm of rpms) {
    const file = join(from, rpm);
    const fault = (await stat(file)).isFile() ? await faultOfRpm(file) : "is not a file";
    if (fault !== undefined) faults.push(`${file}: ${fault}`);
  }
  if (faults.length > 0)
    throw new TbuildError("usage", `${faults.length} of ${amount(rpms.length, "package")} cannot be used`, {
      subject: from,
      lines: faults,
      hint: "Download them again, or take them out of the folder.",
    });
}

/** Input for xorriso: the folder, with its links followed. */
export function addonsArgs(staged: string): string[] {
  return ["-follow", "link", "-map", staged, `/${addonsFolder}`];
}

/**
 * The repository's location during the installation. OL6 mounts the disc on /mnt/source; media made by Cobbler rely on
 * this. OL5 unmounts the disc and mounts it again during the installation, and stops at a repository that
 * is missing, so its %post has to add the repository.
 */
export function addonsUrl({ major }: Pick<Medium, "major">): string | undefined {
  if (major <= 5) return undefined;
  return `file://${major >= 7 ? "/run/install/repo" : "/mnt/source"}/${addonsFolder}`;
}
