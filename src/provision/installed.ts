import type { PackagedFiles } from "../guest/describe-guest.ts";
import type { Runner } from "../host/host.ts";
import type { PackageRecord } from "../model/manifest.ts";

/** All RPMs of a guest by name, with their repositories from `repositoriesOf` if the guest can be asked. */
export async function installedPackages(
  guest: Runner,
  from: ReadonlyMap<string, string> = new Map(),
): Promise<PackageRecord[]> {
  // The place of a signature depends on the signer and the time: over the header alone, or over the whole file.
  const signatures = ["RSAHEADER", "DSAHEADER", "SIGPGP", "SIGGPG"].map((tag) => `${tag}:pgpsig`);
  const fields = ["NAME", "EPOCHNUM", "VERSION", "RELEASE", "ARCH", "LICENSE", ...signatures]
    .map((tag) => `%{${tag}}`)
    .join("|");
  const out = await guest.run(["rpm", "-qa", "--qf", `${fields}\\n`]);
  return out.stdout
    .trim()
    .split("\n")
    .map((line) => packageRecord(line, from))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** Files in /etc that belong to packages: path → package and digest, from rpm. */
export async function packagedFiles(guest: Runner): Promise<PackagedFiles> {
  // EL5 calls the digests FILEMD5S. Later releases still know that name, and return SHA-256 for it.
  const query = `rpm -qa --qf '[%{=NAME}|%{FILEMD5S}|%{FILENAMES}\n]' | grep '|/etc/' || :`;
  const out = await guest.run(["sh", "-c", query]);
  const found: Record<string, { package: string; digest: string }> = {};
  for (const line of out.stdout.split("\n")) {
    const [name = "", digest = "", path] = line.split("|");
    if (path !== undefined && digest !== "") found[path] = { package: name, digest };
  }
  return found;
}

/** Package → repository id. EL6's and EL7's yum store it in files, dnf in its history, EL5's yum nowhere. */
export async function repositoriesOf(guest: Runner): Promise<ReadonlyMap<string, string>> {
  const script = `if [ -d /var/lib/yum/yumdb ]; then
  cd /var/lib/yum/yumdb && for f in */*/from_repo; do d=\${f%/from_repo}; d=\${d#*/}; echo "\${d#*-}|$(cat "$f")"; done
elif command -v dnf >/dev/null; then
  dnf -q -C repoquery --installed --qf '%{name}-%{version}-%{release}-%{arch}|%{from_repo}'
fi`;
  const out = await guest.run(["sh", "-c", script], { allow: [...Array(256).keys()] });
  const pairs = out.stdout.split("\n").map((line) => line.trim().split("|"));
  return new Map(pairs.flatMap(([name, repository]) => (name && repository ? [[name, repository]] : [])));
}

/** One line of the output that `installedPackages` requests. */
export function packageRecord(line: string, from: ReadonlyMap<string, string> = new Map()): PackageRecord {
  const [name = "", epoch = "0", version = "", release = "", arch = "", license = "", ...signatures] =
    line.split("|");
  const key = /Key ID ([0-9a-f]+)/.exec(signatures.join("|"))?.[1];
  const repository = from.get(`${name}-${version}-${release}-${arch}`);
  return {
    name,
    epoch: Number(epoch),
    version,
    release,
    arch,
    ...(license !== "" && license !== "(none)" && { license }),
    ...(key !== undefined && { signature: key }),
    ...(repository !== undefined && { repository }),
  };
}
