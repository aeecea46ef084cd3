import { majorOf, type Recipe } from "../recipe/recipe.ts";
import { mediumFolder, uekRepository } from "../recipe/repositories.ts";

export interface YumOptions {
  /** Repository id → URL to use during the build instead of the recipe's. Signatures are not checked there. */
  readonly mirrors: Readonly<Record<string, string>>;
  /** The ids of the available repositories, if limited: a rehearsal has stand-ins for some only. */
  readonly only?: readonly string[];
  /** For URLs without a mirror. A repository's own proxy comes first. */
  readonly proxy?: string;
}

/** yum exits 0 although a scriptlet failed. Only such a line shows it. */
export const failedScriptlet = "Error in [a-z]+ scriptlet|scriptlet failed";

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

/** What yum does in a guest. Everything that depends on the recipe is decided here; the acts only run it. */
export interface YumWork {
  readonly install: readonly string[];
  readonly remove: readonly string[];
  /** Where the packages come from, also if this build has no stand-in for it. */
  readonly repositories: Recipe["repositories"];
  /** The command that installs the packages. */
  readonly command: readonly string[];
  /** The text of `yumConfigFile`. Only EL5's yum needs it, because it has no --setopt. */
  readonly config?: string;
}

export function yumWork(recipe: Recipe, options: YumOptions): YumWork {
  const install = wantedPackages(recipe);
  const repositories = usedRepositories(recipe);
  const there = repositories.filter(({ id }) => options.only === undefined || options.only.includes(id));
  const { remove } = recipe.packages;
  if (majorOf(recipe.release) > 5)
    return {
      install,
      remove,
      repositories,
      command: ["yum", "-y", ...settings(there, options), "install", ...install],
    };
  const command = ["yum", "-y", "-c", yumConfigFile, "install", ...install];
  return { install, remove, repositories, command, config: yumConfig(there, options) };
}

function settings(there: Recipe["repositories"], { mirrors, proxy: past }: YumOptions): string[] {
  const changes = there.flatMap(({ id, proxy }) => {
    const mirror = mirrors[id];
    // A mirror does not need the proxy of the repository that it mirrors.
    const direct = proxy === undefined ? [] : [`--setopt=${id}.proxy=_none_`];
    if (mirror !== undefined)
      return [`--setopt=${id}.baseurl=${mirror}`, `--setopt=${id}.gpgcheck=0`, ...direct];
    if (proxy !== undefined) return [];
    return past === undefined ? [] : [`--setopt=${id}.proxy=${past}`];
  });
  return ["--disablerepo=*", `--enablerepo=${there.map(({ id }) => id).join(",")}`, ...changes];
}

function yumConfig(there: Recipe["repositories"], { mirrors, proxy: past }: YumOptions): string {
  const changed = there.map(({ gpgKey, proxy = past, ...one }) => {
    const mirror = mirrors[one.id];
    const signed = mirror === undefined && gpgKey !== undefined ? { gpgKey } : {};
    const through = mirror === undefined && proxy !== undefined ? { proxy } : {};
    return { ...one, ...signed, ...through, url: mirror ?? one.url, enabled: true };
  });
  return `[main]\ncachedir=/var/cache/yum\nreposdir=/dev/null\nplugins=1\n\n${repositoryFile(changed)}`;
}

/** The packages to install. */
export function wantedPackages(recipe: Recipe): string[] {
  const kernel = uekRepository(recipe) === undefined ? [] : ["kernel-uek"];
  return [...new Set([...(recipe.additions?.packages ?? []), ...kernel, ...recipe.packages.install])];
}

export const yumConfigFile = "/tmp/tbuild-yum.conf";

/** The repositories of a build: those that stay enabled, the additions' repository, and the one of the requested UEK release. */
export function usedRepositories(recipe: Recipe): Recipe["repositories"] {
  const uek = uekRepository(recipe);
  return recipe.repositories.filter(
    ({ id, enabled }) =>
      id === recipe.additions?.repository || id === uek || (enabled && !(uek && /_UEKR\d+$/.test(id))),
  );
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
