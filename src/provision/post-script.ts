import { TbuildError } from "../errors.ts";
import { isName, type PostProvisioning } from "../kickstart/render.ts";
import { shellWord } from "../kickstart/shell-words.ts";
import { enabledServices, installedAdditions, majorOf, type Recipe } from "../recipe/recipe.ts";
import { mediumFolder } from "../recipe/repositories.ts";
import {
  contentOf,
  lastingRepositories,
  mediumCopy,
  type ProvisionOptions,
  readWhole,
  repositoryFile,
  setService,
  usedRepositories,
  wantedPackages,
  yumConfig,
  yumConfigFile,
  yumInstall,
} from "./provision.ts";

/** What the installer's %post needs besides the recipe. */
export interface PostOptions extends Pick<ProvisionOptions, "folder" | "mirrors" | "only" | "proxy"> {
  /** User → password hash. */
  readonly passwords: Readonly<Record<string, string>>;
}

/**
 * A recipe's provisioning as shell for the installer's %post: the same actions in the same order as over ssh. It
 * runs with `set -e`; the last line of /root/.tbuild-why says what went wrong.
 */
export async function postProvisioning(recipe: Recipe, options: PostOptions): Promise<PostProvisioning> {
  const script = [
    ...repositories(recipe),
    ...packages(recipe, options),
    ...accounts(recipe, options),
    ...(await files(recipe, options)),
    ...(await scripts(recipe, options)),
    ...services(recipe),
    "rm -f /root/.tbuild-why",
  ];
  return {
    script: `${script.join("\n")}\n`,
    // One repository is enough for the installer to start the network. The packages are installed by yum.
    repositories: onNetwork(repositoryFor(recipe)).map(({ id, url, proxy = options.proxy }) => ({
      id,
      url: options.mirrors[id] ?? url,
      ...(proxy !== undefined && { proxy }),
    })),
  };
}

/** Shell that writes a file's lines. No line can end the section or the here-document. */
export function writing(data: Uint8Array, what: string, to: string): string[] {
  const text = new TextDecoder("utf-8", { fatal: false }).decode(data);
  if (!Buffer.from(text).equals(Buffer.from(data)) || /[\r\0\u2028\u2029]/.test(text))
    throw new TbuildError("usage", "contains bytes that a kickstart cannot hold", {
      subject: what,
      hint: "Set `provision: ssh` in the recipe.",
    });
  if (text === "") return [`: ${to}`];
  const whole = text.endsWith("\n");
  const lines = (whole ? text.slice(0, -1) : text).split("\n").map((line) => `|${line}`);
  return [`sed 's/^|//' <<'TBUILD'${whole ? "" : " | head -c -1"} ${to}`, ...lines, "TBUILD"];
}

/** The one of the additions; without additions, the first that is used and lies on the network. */
function repositoryFor(recipe: Recipe): Recipe["repositories"] {
  const additions = installedAdditions(recipe);
  if (additions === undefined)
    return wantedPackages(recipe).length === 0 ? [] : onNetwork(usedRepositories(recipe)).slice(0, 1);
  const found = recipe.repositories.find((repository) => repository.id === additions.repository);
  if (found) return [found];
  throw new TbuildError("usage", `no repository ${additions.repository}`, { subject: recipe.name });
}

function onNetwork(repositories: Recipe["repositories"]): Recipe["repositories"] {
  return repositories.filter(({ url }) => mediumFolder(url) === undefined);
}

function repositories(recipe: Recipe): string[] {
  const onMedium = recipe.repositories.filter(({ url }) => mediumFolder(url) !== undefined);
  const passing =
    onMedium.length > 0
      ? writing(Buffer.from(repositoryFile(onMedium)), "repositories", `> ${mediumRepositories}`)
      : [];
  const lasting = lastingRepositories(recipe).flatMap((repository) => [
    `if ! grep -qsF ${shellWord(`[${repository.id}]`)} /etc/yum.repos.d/*.repo; then`,
    ...writing(
      Buffer.from(repositoryFile([repository])),
      `repository ${repository.id}`,
      ">> /etc/yum.repos.d/tbuild.repo",
    ),
    "fi",
  ]);
  return [...passing, ...lasting];
}

// Gone when all is installed, as what it speaks of is.
const mediumRepositories = "/etc/yum.repos.d/tbuild-medium.repo";

function packages(recipe: Recipe, options: PostOptions): string[] {
  const yum = (argv: readonly string[]) => argv.map(shellWord).join(" ");
  const wanted = wantedPackages(recipe);
  const proved = wanted.filter(isName);
  const remove =
    recipe.packages.remove.length > 0 ? [yum(["yum", "-y", "remove", ...recipe.packages.remove])] : [];
  const clean = `rm -rf ${yumConfigFile} ${mediumRepositories} ${mediumCopy}`;
  if (wanted.length === 0) return [because("packages"), ...remove, "yum clean all", clean];
  return [
    because("packages"),
    ...(majorOf(recipe.release) === 5
      ? writing(Buffer.from(yumConfig(recipe, options)), "yum", `> ${yumConfigFile}`)
      : []),
    `${yum(yumInstall(recipe, options))} > /root/tbuild-yum.log 2>&1 || { tail -n 15 /root/tbuild-yum.log; exit 91; }`,
    // yum ends with 0 although a scriptlet failed; only this line tells.
    `if grep -Ei 'Error in [a-z]+ scriptlet|scriptlet failed' /root/tbuild-yum.log; then exit 92; fi`,
    ...remove,
    "missing=",
    `for p in ${proved.map(shellWord).join(" ")}; do rpm -q "$p" >/dev/null || rpm -q --whatprovides "$p" >/dev/null || missing="$missing $p"; done`,
    `[ -z "$missing" ] || { echo "packages: not installed:$missing" > /root/.tbuild-why; exit 90; }`,
    "yum clean all",
    clean,
  ];
}

function accounts(recipe: Recipe, options: PostOptions): string[] {
  return [
    ...recipe.groups.flatMap(({ name, gid }) => [
      because(`group ${name}`),
      `getent group ${name} >/dev/null || groupadd -g ${gid} ${name}`,
    ]),
    ...recipe.users.flatMap((user) => {
      const home = shellWord(user.home ?? `/home/${user.name}`);
      const groups = shellWord(user.groups.join(","));
      const hash = options.passwords[user.name];
      return [
        because(`user ${user.name}`),
        `if getent passwd ${user.name} >/dev/null; then usermod -g ${user.group} -G ${groups} ${user.name}`,
        `else useradd -m -u ${user.uid} -g ${user.group} -G ${groups} -d ${home} ${user.name}; fi`,
        ...(hash === undefined ? [] : [`echo ${shellWord(`${user.name}:${hash}`)} | chpasswd -e`]),
      ];
    }),
  ];
}

async function files(recipe: Recipe, options: PostOptions): Promise<string[]> {
  const folders = recipe.folders.flatMap((folder) => [
    because(`folder ${folder.path}`),
    `mkdir -p ${shellWord(folder.path)}`,
    ...owned(folder),
  ]);
  const written: string[] = [];
  for (const file of recipe.files) {
    const data = await contentOf(options.folder, file.content, file.from);
    written.push(because(`file ${file.path}`), `mkdir -p "$(dirname ${shellWord(file.path)})"`);
    written.push(...writing(data, `file ${file.path}`, `> ${shellWord(file.path)}`), ...owned(file));
  }
  return [...folders, ...written];
}

async function scripts(recipe: Recipe, options: PostOptions): Promise<string[]> {
  const all: string[] = [];
  for (const script of recipe.scripts) {
    const data = await contentOf(options.folder, script.run, script.from);
    all.push(because(`script ${script.name}`));
    all.push(...writing(readWhole(data), `script ${script.name}`, "| bash -euo pipefail -s"));
  }
  return all;
}

function services(recipe: Recipe): string[] {
  const set = (on: boolean) => (name: string) => [
    because(`service ${name}`),
    setService(recipe, name, { on }).map(shellWord).join(" "),
  ];
  return [...enabledServices(recipe).flatMap(set(true)), ...recipe.services.disable.flatMap(set(false))];
}

function owned(one: { path: string; owner: string; group: string; mode: string }): string[] {
  const path = shellWord(one.path);
  return [`chown ${one.owner}:${one.group} ${path}`, `chmod ${one.mode} ${path}`];
}

// What the console and the failure say when the next command fails.
function because(what: string): string {
  return `echo ${shellWord(`${what} failed`)} > /root/.tbuild-why`;
}
