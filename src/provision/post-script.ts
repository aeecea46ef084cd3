import { TbuildError } from "../errors.ts";
import { isName, type PostProvisioning } from "../kickstart/render.ts";
import { shellWord } from "../kickstart/shell-words.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { mediumFolder } from "../recipe/repositories.ts";
import type { Act } from "./acts.ts";
import { type WorkOptions, workOf } from "./work.ts";
import { failedScriptlet, mediumCopy, repositoryFile, type YumWork, yumConfigFile } from "./yum.ts";

/**
 * A recipe's provisioning as shell for the installer's %post: the same actions in the same order as over ssh. It
 * runs with `set -e`; the last line of /root/.tbuild-why says what went wrong.
 */
export async function postProvisioning(recipe: Recipe, options: WorkOptions): Promise<PostProvisioning> {
  const { repositories, yum, configuration } = await workOf(recipe, options);
  const script = [
    ...mediumRepositoryFile(recipe),
    ...repositories.flatMap(asShell),
    ...packages(yum),
    ...configuration.flatMap(asShell),
    "rm -f /root/.tbuild-why",
  ];
  return {
    script: `${script.join("\n")}\n`,
    repositories: onNetwork(yum, recipe.additions).map(({ id, url, proxy = options.proxy }) => ({
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
    throw new TbuildError("usage", "contains bytes that a kickstart cannot contain", {
      subject: what,
      hint: "Set `provision: ssh` in the recipe.",
    });
  if (text === "") return [`: ${to}`];
  const whole = text.endsWith("\n");
  const lines = (whole ? text.slice(0, -1) : text).split("\n").map((line) => `|${line}`);
  return [`sed 's/^|//' <<'TBUILD'${whole ? "" : " | head -c -1"} ${to}`, ...lines, "TBUILD"];
}

// One repository is enough for the installer to start the network: that of the additions, or else the first. The
// packages are installed by yum.
function onNetwork(
  { install, repositories }: YumWork,
  additions: Recipe["additions"],
): Recipe["repositories"] {
  if (install.length === 0) return [];
  const needed = repositories.filter(({ id }) => additions === undefined || id === additions.repository);
  return needed.filter(({ url }) => mediumFolder(url) === undefined).slice(0, 1);
}

function asShell(act: Act): string[] {
  const { about } = act;
  if ("write" in act) {
    const { path, data, mode, owner, group } = act.write;
    const word = shellWord(path);
    return [
      because(about),
      `mkdir -p "$(dirname ${word})"`,
      ...writing(data, about, `> ${word}`),
      `chown ${owner}:${group} ${word}`,
      `chmod ${mode} ${word}`,
    ];
  }
  const command = act.run.map(shellWord).join(" ");
  return [because(about), ...(act.input ? writing(act.input, about, `| ${command}`) : [command])];
}

function mediumRepositoryFile(recipe: Recipe): string[] {
  const onMedium = recipe.repositories.filter(({ url }) => mediumFolder(url) !== undefined);
  if (onMedium.length === 0) return [];
  return writing(Buffer.from(repositoryFile(onMedium)), "repositories", `> ${mediumRepositories}`);
}

// Removed after the packages are installed, as the copy of the medium is.
const mediumRepositories = "/etc/yum.repos.d/tbuild-medium.repo";

function packages({ install, remove: unwanted, command, config }: YumWork): string[] {
  const words = (argv: readonly string[]) => argv.map(shellWord).join(" ");
  const proved = install.filter(isName);
  const remove = unwanted.length > 0 ? [words(["yum", "-y", "remove", ...unwanted])] : [];
  const clean = `rm -rf ${yumConfigFile} ${mediumRepositories} ${mediumCopy}`;
  if (install.length === 0) return [because("packages"), ...remove, "yum clean all", clean];
  return [
    because("packages"),
    ...(config === undefined ? [] : writing(Buffer.from(config), "yum", `> ${yumConfigFile}`)),
    `${words(command)} > /root/tbuild-yum.log 2>&1 || { tail -n 15 /root/tbuild-yum.log; exit 91; }`,
    `if grep -Ei ${shellWord(failedScriptlet)} /root/tbuild-yum.log; then exit 92; fi`,
    ...remove,
    "missing=",
    `for p in ${proved.map(shellWord).join(" ")}; do rpm -q "$p" >/dev/null || rpm -q --whatprovides "$p" >/dev/null || missing="$missing $p"; done`,
    `[ -z "$missing" ] || { echo "packages: not installed:$missing" > /root/.tbuild-why; exit 90; }`,
    "yum clean all",
    clean,
  ];
}

// What the console and the failure say when the next command fails.
function because(what: string): string {
  return `echo ${shellWord(`${what} failed`)} > /root/.tbuild-why`;
}
