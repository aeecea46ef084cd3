import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { PackagedFiles } from "../guest/portrait.ts";
import type { Host, Runner } from "../host/host.ts";
import type { PackageRecord } from "../model/manifest.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import { mediumFolder, uekRepository } from "../recipe/repositories.ts";
import { fstabLine } from "./further-disks.ts";

export interface ProvisionOptions {
  /** The recipe's folder, where `from` paths start. */
  readonly folder: string;
  /** Repository id → URL to use during the build instead of the recipe's. Signatures are not checked there. */
  readonly mirrors: Readonly<Record<string, string>>;
  /** The ids of the available repositories, if limited: a rehearsal has stand-ins for some only. */
  readonly only?: readonly string[];
  /** For URLs without a mirror. A repository's own proxy comes first. */
  readonly proxy?: string;
  /** User → password hash. */
  readonly passwords: Readonly<Record<string, string>>;
  readonly progress: (text: string, done?: number, total?: number) => void;
  readonly signal: AbortSignal;
}

/** Configures a running guest as the recipe says, over ssh. A failure is a `guest` fault that names the action. */
export async function provision(guest: Host, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  await mountDisks(guest, recipe);
  await writeRepositories(guest, recipe);
  await installPackages(guest, recipe, options);
  await makeAccounts(guest, recipe, options);
  await makeFolders(guest, recipe);
  await writeFiles(guest, recipe, options);
  await runScripts(guest, recipe, options);
  await setServices(guest, recipe);
}

/** Verifies that everything is installed, after %post or over ssh. */
export async function proveProvisioned(guest: Runner, recipe: Recipe): Promise<void> {
  await proveInstalled(guest, wantedPackages(recipe));
}

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

/** The text of the yum repository file. */
export function repositoryFile(repositories: Recipe["repositories"]): string {
  return repositories
    .map((repository) =>
      [
        `[${repository.id}]`,
        `name=${repository.name}`,
        `baseurl=${urlInGuest(repository.url)}`,
        ...(repository.gpgKey === undefined ? ["gpgcheck=0"] : [`gpgkey=${repository.gpgKey}`, "gpgcheck=1"]),
        ...(repository.proxy === undefined ? [] : [`proxy=${repository.proxy}`]),
        `enabled=${repository.enabled ? 1 : 0}`,
        "",
      ].join("\n"),
    )
    .join("\n");
}

/** The yum command that installs a recipe's packages from its repositories or their mirrors. */
export function yumInstall(recipe: Recipe, options: YumOptions): string[] {
  const wanted = wantedPackages(recipe);
  if (majorOf(recipe.release) === 5) return ["yum", "-y", "-c", yumConfigFile, "install", ...wanted];
  const used = usedRepositories(recipe, options);
  const settings = used.flatMap(({ id, proxy }) => {
    const mirror = options.mirrors[id];
    // A mirror does not need the proxy of the repository that it mirrors.
    const direct = proxy === undefined ? [] : [`--setopt=${id}.proxy=_none_`];
    if (mirror !== undefined)
      return [`--setopt=${id}.baseurl=${mirror}`, `--setopt=${id}.gpgcheck=0`, ...direct];
    if (proxy !== undefined) return [];
    return options.proxy === undefined ? [] : [`--setopt=${id}.proxy=${options.proxy}`];
  });
  const ids = used.map(({ id }) => id).join(",");
  return ["yum", "-y", "--disablerepo=*", `--enablerepo=${ids}`, ...settings, "install", ...wanted];
}

/** The packages to install. */
export function wantedPackages(recipe: Recipe): string[] {
  const kernel = uekRepository(recipe) === undefined ? [] : ["kernel-uek"];
  return [...new Set([...recipe.additions.packages, ...kernel, ...recipe.packages.install])];
}

export type YumOptions = Pick<ProvisionOptions, "mirrors" | "only" | "proxy">;

export const yumConfigFile = "/tmp/tbuild-yum.conf";

/** For EL5's yum, which has no --setopt: a separate configuration with the repositories and their mirrors. */
export function yumConfig(recipe: Recipe, options: YumOptions): string {
  const used = usedRepositories(recipe, options).map(({ gpgKey, proxy = options.proxy, ...one }) => {
    const mirror = options.mirrors[one.id];
    const signed = mirror === undefined && gpgKey !== undefined ? { gpgKey } : {};
    const past = mirror === undefined && proxy !== undefined ? { proxy } : {};
    return { ...one, ...signed, ...past, url: mirror ?? one.url, enabled: true };
  });
  return `[main]\ncachedir=/var/cache/yum\nreposdir=/dev/null\nplugins=1\n\n${repositoryFile(used)}`;
}

/** The repositories of a build: those that stay enabled, the additions' repository, and the one of the requested UEK release. */
export function usedRepositories(
  recipe: Recipe,
  { only }: Pick<YumOptions, "only"> = {},
): Recipe["repositories"] {
  const uek = uekRepository(recipe);
  const used = recipe.repositories.filter(
    ({ id, enabled }) =>
      id === recipe.additions.repository || id === uek || (enabled && !(uek && /_UEKR\d+$/.test(id))),
  );
  return used.filter(({ id }) => only === undefined || only.includes(id));
}

/** The guest's folder with the files that %post copied from the medium. */
export function urlInGuest(url: string): string {
  const folder = mediumFolder(url);
  return folder === undefined ? url : `file://${mediumCopy}${folder}/`;
}

export const mediumCopy = "/var/tmp/tbuild-medium";

/** The repositories that remain after the build. */
export function lastingRepositories(recipe: Recipe): Recipe["repositories"] {
  return recipe.repositories.filter(({ url }) => mediumFolder(url) === undefined);
}

// First of all, so that what is put there lies on them.
async function mountDisks(guest: Runner, recipe: Recipe): Promise<void> {
  const script =
    'mkdir -p -- "$0" && echo "$1" >> /etc/fstab && mount "$0" && { [ ! -x /sbin/restorecon ] || /sbin/restorecon "$0"; }';
  for (const [index, disk] of recipe.disks.entries()) {
    const { mount } = disk;
    if (mount === undefined) continue;
    const line = fstabLine(recipe, disk, index);
    await asGuest(`disk ${mount}`, () => guest.run(["sh", "-c", script, mount, line]));
  }
}

async function writeRepositories(guest: Host, recipe: Recipe): Promise<void> {
  // The release's own files may already define the same ids. yum warns about every repository that is defined twice.
  const known = await guest.run(["sh", "-c", "cat /etc/yum.repos.d/*.repo 2>/dev/null || :"]);
  const missing = lastingRepositories(recipe).filter(
    (repository) => !known.stdout.includes(`[${repository.id}]`),
  );
  if (missing.length > 0)
    await guest.writeFile("/etc/yum.repos.d/tbuild.repo", Buffer.from(repositoryFile(missing)));
}

async function installPackages(guest: Host, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  const said: string[] = [];
  options.progress("reading the repositories");
  if (majorOf(recipe.release) === 5)
    await guest.writeFile(yumConfigFile, Buffer.from(yumConfig(recipe, options)));
  await asGuest("packages", () =>
    guest.run(yumInstall(recipe, options), {
      signal: options.signal,
      onLine(line) {
        said.push(line);
        const step = /^\s*(Installing|Updating|Upgrading)\s*:\s*(\S+)\s.*?(\d+)\/(\d+)/.exec(line);
        if (step) options.progress(`installing ${step[2]}`, Number(step[3]), Number(step[4]));
      },
    }),
  );
  // yum exits 0 although a scriptlet failed. Only this line shows it.
  const scriptlet = said.find((line) => /Error in \w+ scriptlet|scriptlet failed/i.test(line));
  if (scriptlet !== undefined)
    throw new TbuildError("guest", `${scriptlet.trim()}`, { subject: "packages", lines: said.slice(-15) });
  if (recipe.packages.remove.length > 0)
    await asGuest("packages", () => guest.run(["yum", "-y", "remove", ...recipe.packages.remove]));
  await proveProvisioned(guest, recipe);
  await guest.run(["yum", "clean", "all"]);
  await guest.run(["rm", "-f", yumConfigFile]);
}

// yum on EL5 and EL6 goes on when some of the names do not exist, so every one is asked for.
async function proveInstalled(guest: Runner, wanted: readonly string[]): Promise<void> {
  const names = wanted.filter((name) => !name.startsWith("@") && !name.includes("*"));
  const allow = [...Array(256).keys()];
  // A name may include an architecture or a version, which nothing provides, or be a capability of another package.
  const named = await guest.run(["rpm", "-q", ...names], { allow });
  const others = names.filter((name) => named.stdout.includes(`package ${name} is not installed`));
  if (others.length === 0) return;
  const out = await guest.run(["rpm", "-q", "--whatprovides", ...others], { allow });
  const missing = [...out.stdout.matchAll(/no package provides (\S+)/g)].map((match) => match[1]);
  if (missing.length > 0)
    throw new TbuildError("guest", `not installed: ${missing.join(", ")}`, {
      subject: "packages",
      hint: "No enabled repository has them. Check the repositories in the recipe and the spelling.",
    });
}

async function makeAccounts(guest: Runner, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  const group = 'getent group "$0" >/dev/null || groupadd -g "$1" "$0"';
  for (const { name, gid } of recipe.groups)
    await asGuest(`group ${name}`, () => guest.run(["sh", "-c", group, name, String(gid)]));
  // A preinstall package may already have created the user. Then only its groups are set, and its id stays.
  const user =
    'if getent passwd "$0" >/dev/null; then usermod -g "$2" -G "$3" "$0"; else useradd -m -u "$1" -g "$2" -G "$3" -d "$4" "$0"; fi';
  for (const u of recipe.users)
    await asGuest(`user ${u.name}`, () =>
      guest.run([
        "sh",
        "-c",
        user,
        u.name,
        String(u.uid),
        u.group,
        u.groups.join(","),
        u.home ?? `/home/${u.name}`,
      ]),
    );
  const known = recipe.users.flatMap(({ name }) => {
    const hash = options.passwords[name];
    return hash === undefined ? [] : [`${name}:${hash}\n`];
  });
  if (known.length > 0)
    await asGuest("passwords", () => guest.run(["chpasswd", "-e"], { input: known.join("") }));
}

async function makeFolders(guest: Runner, recipe: Recipe): Promise<void> {
  const script = 'mkdir -p -- "$0" && chown "$1:$2" "$0" && chmod "$3" "$0"';
  for (const folder of recipe.folders)
    await asGuest(`folder ${folder.path}`, () =>
      guest.run(["sh", "-c", script, folder.path, folder.owner, folder.group, folder.mode]),
    );
}

async function writeFiles(guest: Host, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  for (const file of recipe.files) {
    const data = await contentOf(options.folder, file.content, file.from);
    await asGuest(`file ${file.path}`, async () => {
      await guest.writeFile(file.path, data, Number.parseInt(file.mode, 8));
      await guest.run(["chown", `${file.owner}:${file.group}`, file.path]);
    });
  }
}

async function runScripts(guest: Runner, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  for (const [index, script] of recipe.scripts.entries()) {
    options.progress(`script ${script.name}`, index + 1, recipe.scripts.length);
    const text = await contentOf(options.folder, script.run, script.from);
    // From stdin: nothing is left in the guest, and bash ignores the script's interpreter line.
    await asGuest(`script ${script.name}`, () =>
      guest.run(["bash", "-euo", "pipefail", "-s"], { input: readWhole(text), signal: options.signal }),
    );
  }
}

/** A script that bash reads completely before it runs, so commands that read stdin do not consume the rest of it. */
export function readWhole(script: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("{ :\n"), script, Buffer.from("\n}\n")]);
}

async function setServices(guest: Runner, recipe: Recipe): Promise<void> {
  for (const name of recipe.services.enable)
    await asGuest(`service ${name}`, () => guest.run(setService(recipe, name, { on: true })));
  for (const name of recipe.services.disable)
    await asGuest(`service ${name}`, () => guest.run(setService(recipe, name, { on: false })));
}

/** Enables or disables a service for the next boot. A missing service counts as disabled. */
export function setService(
  recipe: Pick<Recipe, "release">,
  name: string,
  { on }: { on: boolean },
): readonly string[] {
  const systemd = majorOf(recipe.release) >= 7;
  if (on) return systemd ? ["systemctl", "enable", name] : ["chkconfig", name, "on"];
  const off = systemd
    ? 'case "$(systemctl is-enabled "$0" 2>/dev/null)" in ""|not-found) ;; *) systemctl disable "$0" ;; esac'
    : 'if chkconfig --list "$0" >/dev/null 2>&1; then chkconfig "$0" off; fi';
  return ["sh", "-c", off, name];
}

/** The contents of a file or script in the recipe. */
export async function contentOf(
  folder: string,
  inline: string | undefined,
  from: string | undefined,
): Promise<Uint8Array> {
  return inline === undefined ? readFile(join(folder, from ?? "")) : Buffer.from(inline);
}

// A command that fails in the guest is the recipe author's problem, not the host administrator's.
async function asGuest(what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    throw error.within(what, { fault: "guest" });
  }
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
