import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import type { PackagedFiles } from "../guest/portrait.ts";
import type { Host } from "../host/host.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import type { PackageRecord } from "../store/store.ts";

export interface ProvisionOptions {
  /** The recipe's folder: `from` paths start there. */
  readonly folder: string;
  /** Repository id → URL to use while building, instead of the recipe's; signatures are not checked there. */
  readonly mirrors: Readonly<Record<string, string>>;
  readonly progress: (text: string, done?: number, total?: number) => void;
  readonly signal: AbortSignal;
}

/** Brings a running guest to what the recipe says, over ssh. What fails is a `guest` fault that names it. */
export async function provision(guest: Host, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  await writeRepositories(guest, recipe);
  await installPackages(guest, recipe, options);
  await makeAccounts(guest, recipe);
  await makeFolders(guest, recipe);
  await writeFiles(guest, recipe, options);
  await runScripts(guest, recipe, options);
  await setServices(guest, recipe);
}

/** Every RPM of a guest, by name. */
export async function installedPackages(guest: Host): Promise<PackageRecord[]> {
  // Where a signature stands depends on who signed and when: over the header alone, or over all of it.
  const signatures = ["RSAHEADER", "DSAHEADER", "SIGPGP", "SIGGPG"].map((tag) => `${tag}:pgpsig`);
  const fields = ["NAME", "EPOCHNUM", "VERSION", "RELEASE", "ARCH", "LICENSE", ...signatures]
    .map((tag) => `%{${tag}}`)
    .join("|");
  const out = await guest.run(["rpm", "-qa", "--qf", `${fields}\\n`]);
  return out.stdout
    .trim()
    .split("\n")
    .map(packageRecord)
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** What packages put into /etc: path → package and digest, as rpm knows them. */
export async function packagedFiles(guest: Host): Promise<PackagedFiles> {
  // FILEMD5S is what EL5 calls the digests; later ones still know the name, and give SHA-256 under it.
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
        `baseurl=${repository.url}`,
        ...(repository.gpgKey === undefined ? ["gpgcheck=0"] : [`gpgkey=${repository.gpgKey}`, "gpgcheck=1"]),
        `enabled=${repository.enabled ? 1 : 0}`,
        "",
      ].join("\n"),
    )
    .join("\n");
}

/** The yum command that installs all that a recipe wants, from its repositories or their mirrors. */
export function yumInstall(recipe: Recipe, mirrors: Readonly<Record<string, string>>): string[] {
  const wanted = [...recipe.additions.packages, ...recipe.packages.install];
  const ids = new Set([
    recipe.additions.repository,
    ...recipe.repositories.filter((r) => r.enabled).map((r) => r.id),
  ]);
  const mirrored = [...ids].flatMap((id) =>
    mirrors[id] === undefined ? [] : [`--setopt=${id}.baseurl=${mirrors[id]}`, `--setopt=${id}.gpgcheck=0`],
  );
  return [
    "yum",
    "-y",
    "--disablerepo=*",
    `--enablerepo=${[...ids].join(",")}`,
    ...mirrored,
    "install",
    ...wanted,
  ];
}

async function writeRepositories(guest: Host, recipe: Recipe): Promise<void> {
  // The release's own files may have the same ids already; yum warns of every repository that it is told of twice.
  const known = await guest.run(["sh", "-c", "cat /etc/yum.repos.d/*.repo 2>/dev/null || :"]);
  const missing = recipe.repositories.filter((repository) => !known.stdout.includes(`[${repository.id}]`));
  if (missing.length > 0)
    await guest.writeFile("/etc/yum.repos.d/tbuild.repo", Buffer.from(repositoryFile(missing)));
}

async function installPackages(guest: Host, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  const said: string[] = [];
  options.progress("reading the repositories");
  await asGuest("packages", () =>
    guest.run(yumInstall(recipe, options.mirrors), {
      signal: options.signal,
      onLine(line) {
        said.push(line);
        const step = /^\s*(Installing|Updating|Upgrading)\s*:\s*(\S+)\s.*?(\d+)\/(\d+)/.exec(line);
        if (step) options.progress(`installing ${step[2]}`, Number(step[3]), Number(step[4]));
      },
    }),
  );
  // yum ends with 0 although a scriptlet failed; only this line tells.
  const scriptlet = said.find((line) => /Error in \w+ scriptlet|scriptlet failed/i.test(line));
  if (scriptlet !== undefined)
    throw new TbuildError("guest", `packages: ${scriptlet.trim()}`, { lines: said.slice(-15) });
  if (recipe.packages.remove.length > 0)
    await asGuest("packages", () => guest.run(["yum", "-y", "remove", ...recipe.packages.remove]));
  await proveInstalled(guest, [...recipe.additions.packages, ...recipe.packages.install]);
  await guest.run(["yum", "clean", "all"]);
}

// yum on EL5 and EL6 goes on when some of the names do not exist, so every one is asked for.
async function proveInstalled(guest: Host, wanted: readonly string[]): Promise<void> {
  const names = wanted.filter((name) => !name.startsWith("@") && !name.includes("*"));
  const out = await guest.run(["rpm", "-q", "--whatprovides", ...names], { allow: [...Array(256).keys()] });
  const missing = [...out.stdout.matchAll(/no package provides (\S+)/g)].map((match) => match[1]);
  if (missing.length > 0)
    throw new TbuildError("guest", `packages: not installed: ${missing.join(", ")}`, {
      hint: "No enabled repository has them; look at the recipe's repositories and at the spelling.",
    });
}

async function makeAccounts(guest: Host, recipe: Recipe): Promise<void> {
  const group = 'getent group "$0" >/dev/null || groupadd -g "$1" "$0"';
  for (const { name, gid } of recipe.groups)
    await asGuest(`group ${name}`, () => guest.run(["sh", "-c", group, name, String(gid)]));
  // A preinstall package may have made the user already; then its groups are set, and its id stays.
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
}

async function makeFolders(guest: Host, recipe: Recipe): Promise<void> {
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

async function runScripts(guest: Host, recipe: Recipe, options: ProvisionOptions): Promise<void> {
  for (const [index, script] of recipe.scripts.entries()) {
    options.progress(`script ${script.name}`, index + 1, recipe.scripts.length);
    const text = await contentOf(options.folder, script.run, script.from);
    // From stdin: nothing is left in the guest, and a script may start with any interpreter's line that bash ignores.
    await asGuest(`script ${script.name}`, () =>
      guest.run(["bash", "-euo", "pipefail", "-s"], { input: text, signal: options.signal }),
    );
  }
}

async function setServices(guest: Host, recipe: Recipe): Promise<void> {
  const systemd = majorOf(recipe.release) >= 7;
  const set = (name: string, on: boolean) =>
    systemd ? ["systemctl", on ? "enable" : "disable", name] : ["chkconfig", name, on ? "on" : "off"];
  for (const name of recipe.services.enable)
    await asGuest(`service ${name}`, () => guest.run(set(name, true)));
  for (const name of recipe.services.disable)
    await asGuest(`service ${name}`, () => guest.run(set(name, false)));
}

/** The bytes of a file or script of the recipe. */
export async function contentOf(
  folder: string,
  inline: string | undefined,
  from: string | undefined,
): Promise<Uint8Array> {
  return inline === undefined ? readFile(join(folder, from ?? "")) : Buffer.from(inline);
}

// A command that fails in the guest is the matter of whoever wrote the recipe, not of whoever runs the host.
async function asGuest(what: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    throw new TbuildError("guest", `${what}: ${error.message}`, { lines: error.lines, cause: error });
  }
}

/** One line of what `installedPackages` asks for. */
export function packageRecord(line: string): PackageRecord {
  const [name = "", epoch = "0", version = "", release = "", arch = "", license = "", ...signatures] =
    line.split("|");
  const key = /Key ID ([0-9a-f]+)/.exec(signatures.join("|"))?.[1];
  return {
    name,
    epoch: Number(epoch),
    version,
    release,
    arch,
    ...(license !== "" && license !== "(none)" && { license }),
    ...(key !== undefined && { signature: key }),
  };
}
