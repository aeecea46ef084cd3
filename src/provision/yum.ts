import { installedAdditions, majorOf, type Recipe } from "../recipe/recipe.ts";
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
  return [
    ...new Set([...(installedAdditions(recipe)?.packages ?? []), ...kernel, ...recipe.packages.install]),
  ];
}

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
      id === installedAdditions(recipe)?.repository ||
      id === uek ||
      (enabled && !(uek && /_UEKR\d+$/.test(id))),
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
