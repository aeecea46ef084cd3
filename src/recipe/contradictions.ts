import { additionServices, installedAdditions, majorOf, type Recipe } from "./recipe.ts";

/** Two values of a recipe that exclude each other: the path of one, and of the other where the recipe says it. */
export interface Contradiction {
  readonly path: readonly PropertyKey[];
  readonly text: string;
  readonly against?: readonly PropertyKey[];
}

type Lists = Partial<
  Pick<
    Recipe,
    "packages" | "services" | "additions" | "firstBoot" | "release" | "kernel" | "files" | "folders"
  >
>;

/** What the lists of a recipe say against each other, and against what a build needs. */
export function contradictions(recipe: Lists): Contradiction[] {
  return [
    ...packagesAgainst(recipe),
    ...streamsAgainst(recipe),
    ...neededAgainst(recipe),
    ...servicesAgainst(recipe),
    ...firstBootAgainst(recipe),
    ...pathsAgainst(recipe),
  ];
}

function packagesAgainst({ packages }: Lists): Contradiction[] {
  if (packages === undefined) return [];
  const { base, exclude, install, remove } = packages;
  const [inBase, inInstall] = [finder(base), finder(install)];
  return [
    ...exclude.flatMap((pattern, at) =>
      inBase(pattern).map((index) => ({
        path: ["packages", "exclude", at],
        text: `excludes ${base[index]}, which packages.base installs`,
        against: ["packages", "base", index],
      })),
    ),
    ...remove.flatMap((pattern, at) =>
      inInstall(pattern).map((index) => ({
        path: ["packages", "remove", at],
        text: `removes ${install[index]}, which packages.install installs`,
        against: ["packages", "install", index],
      })),
    ),
  ];
}

function neededAgainst({ packages, additions, firstBoot, release, kernel }: Lists): Contradiction[] {
  if (packages === undefined || release === undefined) return [];
  const own = neededPackages(release, kernel ?? "uek");
  const added = installedAdditions({ additions, firstBoot })?.packages ?? [];
  const [inOwn, inAdded] = [finder(own), finder(added)];
  return (["exclude", "remove"] as const).flatMap((list) =>
    packages[list].flatMap((pattern, at): Contradiction[] => {
      const path = ["packages", list, at];
      const [mine] = inOwn(pattern);
      const [addition] = inAdded(pattern);
      if (mine !== undefined) return [{ path, text: `removes ${own[mine]}, which every build needs` }];
      if (addition === undefined) return [];
      const against = ["additions", "packages", addition];
      return [{ path, text: `removes ${added[addition]}, one of the guest additions`, against }];
    }),
  );
}

function servicesAgainst({ services }: Lists): Contradiction[] {
  if (services === undefined) return [];
  const plain = (name: string) => name.replace(/\.service$/, "");
  const enabled = new Map(services.enable.map((name, index) => [plain(name), index]));
  return services.disable.flatMap((name, at) => {
    const index = enabled.get(plain(name));
    if (index === undefined) return [];
    return {
      path: ["services", "disable", at],
      text: `${plain(name)} is enabled as well; to replace an inherited list, write \`replace: [services.enable]\``,
      against: ["services", "enable", index],
    };
  });
}

/** dnf installs one stream of a module. */
function streamsAgainst({ packages }: Lists): Contradiction[] {
  if (packages === undefined) return [];
  const first = new Map<string, { stream: string; path: readonly PropertyKey[] }>();
  return (["base", "install"] as const).flatMap((list) =>
    packages[list].flatMap((name, at): Contradiction[] => {
      const [, module = "", stream = ""] = /^@([^:^]+):([^/]+)/.exec(name) ?? [];
      if (module === "") return [];
      const path = ["packages", list, at];
      const before = first.get(module);
      if (before === undefined) first.set(module, { stream, path });
      if (before === undefined || before.stream === stream) return [];
      return [
        { path, text: `is a second stream of ${module}, beside ${before.stream}`, against: before.path },
      ];
    }),
  );
}

function firstBootAgainst({ services, packages, additions, firstBoot }: Lists): Contradiction[] {
  const added = installedAdditions({ additions, firstBoot })?.packages ?? [];
  const disabled = (services?.disable ?? []).flatMap((name, at): Contradiction[] => {
    const plain = name.replace(/\.service$/, "");
    const addition = added.indexOf(plain);
    if (addition < 0 || !additionServices.includes(plain)) return [];
    return [
      {
        path: ["services", "disable", at],
        text: `disables ${plain}, which configures the first boot`,
        against: ["additions", "packages", addition],
      },
    ];
  });
  const inRemove = finder(services?.enable.map((name) => name.replace(/\.service$/, "")) ?? []);
  const removed = (packages?.remove ?? []).flatMap((name, at) =>
    inRemove(name).map((index) => ({
      path: ["packages", "remove", at],
      text: `removes the package of ${services?.enable[index]}, which services.enable enables`,
      against: ["services", "enable", index],
    })),
  );
  return [...disabled, ...removed];
}

function pathsAgainst({ files, folders }: Lists): Contradiction[] {
  return (files ?? []).flatMap(({ path }, at) => {
    const folder = (folders ?? []).findIndex((one) => one.path.replace(/\/+$/, "") === path);
    if (folder < 0) return [];
    return [
      {
        path: ["files", at, "path"],
        text: `${path} is one of the folders as well`,
        against: ["folders", folder, "path"],
      },
    ];
  });
}

/** What a build logs in through, boots, and installs packages with. */
export function neededPackages(release: Recipe["release"], kernel: Recipe["kernel"]): readonly string[] {
  const major = majorOf(release);
  const kernels = kernel === "rhck" ? ["kernel", "kernel-core"] : ["kernel-uek", "kernel-uek-core"];
  const network = major <= 6 ? ["initscripts"] : major >= 8 ? ["NetworkManager"] : [];
  return [
    "openssh-server",
    ...["openssh", "bash", "coreutils", "glibc", "rpm", major >= 8 ? "dnf" : "yum"],
    ...kernels,
    ...network,
  ];
}

/**
 * Finds the places of the names that a name, or a pattern with `*`, stands for. The architectures of the guest mean nothing
 * in a name; `.i686` is another package.
 */
function finder(names: readonly string[]): (pattern: string) => number[] {
  const plain = (name: string) => name.replace(/\.(x86_64|noarch)$/, "");
  const places = new Map(names.map((name, index) => [plain(name), index]));
  return (said) => {
    const pattern = plain(said);
    if (pattern.includes("*")) return names.flatMap((name, index) => (stands(pattern, name) ? [index] : []));
    const place = places.get(pattern);
    return place === undefined ? [] : [place];
  };
}

// Goes back to the last star only, so that a pattern of many costs no more than the product of the lengths.
function stands(pattern: string, name: string): boolean {
  let [p, n, star, from] = [0, 0, -1, 0];
  while (n < name.length)
    if (pattern[p] === "*") [star, from, p] = [p, n, p + 1];
    else if (pattern[p] === name[n]) [p, n] = [p + 1, n + 1];
    else if (star < 0) return false;
    else [p, n, from] = [star + 1, from + 1, from + 1];
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
