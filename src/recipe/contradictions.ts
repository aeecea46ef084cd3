import { majorOf, type Recipe } from "./recipe.ts";

/** Two things that a recipe says and that cannot both be done: the path of the one, and the path of the other if said. */
export interface Contradiction {
  readonly path: readonly PropertyKey[];
  readonly text: string;
  readonly against?: readonly PropertyKey[];
}

type Lists = Partial<Pick<Recipe, "packages" | "services" | "additions" | "release" | "kernel">>;

/** What the lists of a recipe say against each other, and against what a build needs. */
export function contradictions(recipe: Lists): Contradiction[] {
  return [...packagesAgainst(recipe), ...neededAgainst(recipe), ...servicesAgainst(recipe)];
}

function packagesAgainst({ packages }: Lists): Contradiction[] {
  if (packages === undefined) return [];
  const { base, exclude, install, remove } = packages;
  const [inBase, inInstall] = [finder(base), finder(install)];
  return [
    ...exclude.flatMap((pattern, at) =>
      inBase(pattern).map((index) => ({
        path: ["packages", "exclude", at],
        text: `leaves out ${base[index]}, which packages.base wants`,
        against: ["packages", "base", index],
      })),
    ),
    ...remove.flatMap((pattern, at) =>
      inInstall(pattern).map((index) => ({
        path: ["packages", "remove", at],
        text: `removes ${install[index]}, which packages.install wants`,
        against: ["packages", "install", index],
      })),
    ),
  ];
}

function neededAgainst({ packages, additions, release, kernel }: Lists): Contradiction[] {
  if (packages === undefined || release === undefined) return [];
  const own = neededPackages(release, kernel ?? "uek");
  const added = additions?.packages ?? [];
  const [inOwn, inAdded] = [finder(own), finder(added)];
  return (["exclude", "remove"] as const).flatMap((list) =>
    packages[list].flatMap((pattern, at): Contradiction[] => {
      const path = ["packages", list, at];
      const [mine] = inOwn(pattern);
      const [addition] = inAdded(pattern);
      if (mine !== undefined)
        return [{ path, text: `takes away ${own[mine]}, and no build can do without it` }];
      if (addition === undefined) return [];
      const against = ["additions", "packages", addition];
      return [{ path, text: `takes away ${added[addition]}, one of the guest additions`, against }];
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
      text: `${plain(name)} is to be enabled as well; to take back what is inherited, say \`replace: [services.enable]\``,
      against: ["services", "enable", index],
    };
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

/** Finds the places of the names that a name, or a pattern with `*`, stands for. */
function finder(names: readonly string[]): (pattern: string) => number[] {
  const places = new Map(names.map((name, index) => [name, index]));
  return (pattern) => {
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
