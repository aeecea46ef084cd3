import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import { lastingRepositories, repositoryFile } from "./yum.ts";

/** One act of provisioning: a command or a file. `provision.ts` does it over ssh; `post-script.ts` writes it as shell for %post. */
export type Act = {
  /** Its name in errors: `user grid`. */
  readonly about: string;
} & ({ readonly run: readonly string[]; readonly input?: Uint8Array } | { readonly write: WrittenFile });

export interface WrittenFile {
  readonly path: string;
  readonly data: Uint8Array;
  /** Octal, as in a recipe. */
  readonly mode: string;
  readonly owner: string;
  readonly group: string;
}

export interface ActOptions {
  /** The recipe's folder, where `from` paths start. */
  readonly folder: string;
  /** User → password hash. */
  readonly passwords: Readonly<Record<string, string>>;
}

/** The repositories, before the packages. One that the release's own files define is left out: yum warns about duplicates. */
export function repositoryActs(recipe: Recipe): Act[] {
  const script = 'grep -qsF -- "$0" /etc/yum.repos.d/*.repo || cat >> /etc/yum.repos.d/tbuild.repo';
  return lastingRepositories(recipe).map((repository) => ({
    about: `repository ${repository.id}`,
    run: ["sh", "-c", script, `[${repository.id}]`],
    input: Buffer.from(repositoryFile([repository])),
  }));
}

/** Everything after the packages, in order. */
export async function configurationActs(recipe: Recipe, options: ActOptions): Promise<Act[]> {
  return [
    ...groups(recipe),
    ...users(recipe, options),
    ...folders(recipe),
    ...(await files(recipe, options)),
    ...(await scripts(recipe, options)),
    ...services(recipe),
  ];
}

function groups(recipe: Recipe): Act[] {
  const script = 'getent group "$0" >/dev/null || groupadd -g "$1" "$0"';
  return recipe.groups.map(({ name, gid }) => ({
    about: `group ${name}`,
    run: ["sh", "-c", script, name, String(gid)],
  }));
}

// A preinstall package may already have created the user. Then only its groups are set, and its id stays.
function users(recipe: Recipe, { passwords }: ActOptions): Act[] {
  const script =
    'if getent passwd "$0" >/dev/null; then usermod -g "$2" -G "$3" "$0"; else useradd -m -u "$1" -g "$2" -G "$3" -d "$4" "$0"; fi';
  return recipe.users.flatMap(({ name, uid, group, groups: others, home = `/home/${name}` }) => {
    const hash = passwords[name];
    const about = `user ${name}`;
    return [
      { about, run: ["sh", "-c", script, name, String(uid), group, others.join(","), home] },
      ...(hash === undefined
        ? []
        : [{ about, run: ["chpasswd", "-e"], input: Buffer.from(`${name}:${hash}\n`) }]),
    ];
  });
}

function folders(recipe: Recipe): Act[] {
  const script = 'mkdir -p -- "$0" && chown "$1:$2" "$0" && chmod "$3" "$0"';
  return recipe.folders.map(({ path, owner, group, mode }) => ({
    about: `folder ${path}`,
    run: ["sh", "-c", script, path, owner, group, mode],
  }));
}

async function files(recipe: Recipe, { folder }: ActOptions): Promise<Act[]> {
  const acts: Act[] = [];
  for (const { path, content, from, mode, owner, group } of recipe.files) {
    const data = await contentOf(folder, content, from);
    acts.push({ about: `file ${path}`, write: { path, data, mode, owner, group } });
  }
  return acts;
}

// From stdin: nothing is left in the guest, and bash ignores the script's interpreter line.
async function scripts(recipe: Recipe, { folder }: ActOptions): Promise<Act[]> {
  const acts: Act[] = [];
  for (const { name, run, from } of recipe.scripts) {
    const input = readWhole(await contentOf(folder, run, from));
    acts.push({ about: `script ${name}`, run: ["bash", "-euo", "pipefail", "-s"], input });
  }
  return acts;
}

/** A script that bash reads completely before it runs, so commands that read stdin do not consume the rest of it. */
export function readWhole(script: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from("{ :\n"), script, Buffer.from("\n}\n")]);
}

function services(recipe: Recipe): Act[] {
  const set = (on: boolean) => (name: string) => ({
    about: `service ${name}`,
    run: setService(recipe, name, { on }),
  });
  return [...recipe.services.enable.map(set(true)), ...recipe.services.disable.map(set(false))];
}

/** Enables or disables a service for the next boot. A missing service counts as disabled. */
function setService(
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
