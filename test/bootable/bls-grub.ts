import { mkdir, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { localHost } from "../../src/host/local.ts";
import { unpackedDebs } from "../pygrub.ts";

const host = localHost();
const root = resolve(import.meta.dirname, "../../.tbuild");

/**
 * The modules of GRUB 2.14 for UEFI, which reads loader entries as that of Enterprise Linux 8 and 9 does. Debian 12's GRUB
 * does not, so they come from Debian 14, with a package list of their own.
 */
export async function blsGrubModules(): Promise<string> {
  const lists = join(root, "debian-14");
  const options = [
    `Dir::State::lists=${lists}/lists`,
    `Dir::Cache=${lists}/cache`,
    `Dir::Etc::sourcelist=${lists}/sources.list`,
    "Dir::Etc::sourceparts=-",
  ].flatMap((one) => ["-o", one]);
  const place = join(root, "bls-grub");
  if (!(await stat(place).catch(() => undefined))) {
    for (const folder of ["lists/partial", "cache/archives/partial"])
      await mkdir(join(lists, folder), { recursive: true });
    await writeFile(
      join(lists, "sources.list"),
      "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian forky main\n",
    );
    await host.run(["apt-get", ...options, "update"]);
  }
  return join(await unpackedDebs("bls-grub", ["grub-efi-amd64-bin"], options), "usr/lib/grub/x86_64-efi");
}
