import type { Contradiction } from "./findings.ts";
import { neededFromInstaller, neededPackages, packageOfService } from "./needed-packages.ts";
import { pathsAgainst } from "./path-contradictions.ts";
import { additionServices, installedAdditions, majorOf, type Recipe } from "./recipe.ts";
import { systemAccounts } from "./system-accounts.ts";

type Lists = Partial<
  Pick<
    Recipe,
    | "packages"
    | "services"
    | "additions"
    | "firstBoot"
    | "release"
    | "kernel"
    | "machine"
    | "layout"
    | "disks"
    | "ntp"
    | "firewall"
    | "ports"
    | "selinux"
    | "kernelArguments"
    | "files"
    | "seal"
    | "folders"
    | "groups"
    | "users"
  >
>;

/**
 * Contradictions between the lists of a recipe, and with what a build needs. `fileOf` returns the file that
 * contains a value.
 */
export function contradictions(
  recipe: Lists,
  fileOf: (path: readonly PropertyKey[]) => string | undefined,
): Contradiction[] {
  return [
    ...packagesAgainst(recipe),
    ...streamsAgainst(recipe),
    ...neededAgainst(recipe, fileOf),
    ...servicesAgainst(recipe),
    ...switchesAgainst(recipe),
    ...firstBootAgainst(recipe),
    ...servicePackagesAgainst(recipe),
    ...pathsAgainst(recipe, fileOf),
    ...filesAgainst(recipe),
    ...systemAccounts(recipe),
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

function neededAgainst(
  { packages, additions, firstBoot, release, ...others }: Lists,
  fileOf: (path: readonly PropertyKey[]) => string | undefined,
): Contradiction[] {
  if (packages === undefined || release === undefined) return [];
  const added = installedAdditions({ additions, firstBoot })?.packages ?? [];
  const inAdded = finder(added);
  return (["exclude", "remove"] as const).flatMap((list) => {
    const own = (list === "exclude" ? neededFromInstaller : neededPackages)({ ...others, release });
    const inOwn = finder(own);
    return packages[list].flatMap((pattern, at): Contradiction[] => {
      const path = ["packages", list, at];
      const does = list === "exclude" ? "excludes" : "removes";
      const [mine] = inOwn(pattern);
      const [addition] = inAdded(pattern);
      const reason = reasonFor(own[mine ?? -1] ?? "", others);
      if (mine !== undefined)
        return [
          {
            path,
            text: `${does} ${own[mine]}, which every build needs`,
            against: fileOf(reason) === undefined ? ["release"] : reason,
          },
        ];
      if (addition === undefined) return [];
      const against = ["additions", "packages", addition];
      return [{ path, text: `${does} ${added[addition]}, one of the guest additions`, against }];
    });
  });
}

// The key of the recipe that requires a package.
function reasonFor(name: string, { layout, machine }: Lists): readonly PropertyKey[] {
  const kind = fileSystemOf.get(name);
  const at = layout?.findIndex(({ fs }) => kind?.includes(fs)) ?? -1;
  if (at >= 0) return ["layout", at, "fs"];
  if (/^kernel/.test(name)) return ["kernel"];
  if (/^(?:grub|shim)/.test(name) && machine?.firmware !== undefined) return ["machine", "firmware"];
  return ["release"];
}

const fileSystemOf: ReadonlyMap<string, readonly string[]> = new Map([
  ["e2fsprogs", ["ext3", "ext4"]],
  ["xfsprogs", ["xfs"]],
  ["btrfs-progs", ["btrfs"]],
]);

/** A firewall or SELinux that one line enables and another disables. */
function switchesAgainst({
  services,
  firewall,
  ports = [],
  selinux,
  kernelArguments = [],
  ntp = [],
  release,
}: Lists) {
  const found: Contradiction[] = [];
  const wall = release !== undefined && majorOf(release) <= 6 ? ["iptables", "ip6tables"] : ["firewalld"];
  const clock = release !== undefined && majorOf(release) <= 6 ? "ntpd" : "chronyd";
  const plain = (name: string) => name.replace(/\.service$/, "");
  for (const [at, name] of (services?.enable ?? []).entries())
    if (firewall === false && wall.includes(plain(name)))
      found.push({
        path: ["services", "enable", at],
        text: `enables ${plain(name)}, but firewall is off`,
        against: ["firewall"],
      });
  for (const [at, name] of (services?.disable ?? []).entries())
    if (firewall !== false && ports.length > 0 && plain(name) === wall[0])
      found.push({
        path: ["services", "disable", at],
        text: `disables ${plain(name)}, which opens the ports`,
        against: ["ports", 0],
      });
  for (const [at, name] of (services?.disable ?? []).entries())
    if (ntp.length > 0 && plain(name) === clock)
      found.push({
        path: ["services", "disable", at],
        text: `disables ${plain(name)}, which ntp needs for its servers`,
        against: ["ntp", 0],
      });
  for (const [at, word] of kernelArguments.entries())
    if (
      (word === "selinux=0" && selinux !== undefined && selinux !== "disabled") ||
      (word === "enforcing=0" && selinux === "enforcing")
    )
      found.push({
        path: ["kernelArguments", at],
        text: `${word} contradicts selinux: ${selinux}`,
        against: ["selinux"],
      });
  return found;
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
        {
          path,
          text: `is a second stream of ${module}, in addition to ${before.stream}`,
          against: before.path,
        },
      ];
    }),
  );
}

function firstBootAgainst({ services, additions, firstBoot }: Lists): Contradiction[] {
  const added = installedAdditions({ additions, firstBoot })?.packages ?? [];
  return (services?.disable ?? []).flatMap((name, at): Contradiction[] => {
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
}

/**
 * A service, or time servers, without the package. `packages.install` may add a package that the installer
 * leaves out.
 */
function servicePackagesAgainst({ services, packages, release, ntp = [] }: Lists): Contradiction[] {
  if (packages === undefined) return [];
  const enable = services?.enable ?? [];
  const clock = release !== undefined && majorOf(release) <= 6 ? "ntp" : "chrony";
  const users = [
    ...enable.map((name, index) => ({
      name: packageOfService(name, release),
      text: `the package of ${name}, which services.enable enables`,
      against: ["services", "enable", index],
    })),
    ...(ntp.length > 0
      ? [{ name: clock, text: `${clock}, which ntp needs for its servers`, against: ["ntp"] }]
      : []),
  ];
  const inUsers = finder(users.map(({ name }) => name));
  const inInstall = finder(packages.install);
  return (["exclude", "remove"] as const).flatMap((list) =>
    packages[list].flatMap((pattern, at) =>
      inUsers(pattern).flatMap((index): Contradiction[] => {
        const user = users[index];
        if (user === undefined || (list === "exclude" && inInstall(user.name).length > 0)) return [];
        const text = `${list === "exclude" ? "excludes" : "removes"} ${user.text}`;
        return [{ path: ["packages", list, at], text, against: user.against }];
      }),
    ),
  );
}

/**
 * Finds the positions of the names that a name, or a pattern with `*`, matches. The guest's own architectures
 * are ignored in names; `.i686` is another package.
 */
function finder(names: readonly string[]): (pattern: string) => number[] {
  const plain = (name: string) => withoutVersion(name.replace(/\.(x86_64|noarch)$/, ""));
  const places = new Map(names.map((name, index) => [plain(name), index]));
  return (said) => {
    const pattern = plain(said);
    if (pattern.includes("*")) return names.flatMap((name, index) => (stands(pattern, name) ? [index] : []));
    const place = places.get(pattern);
    return place === undefined ? [] : [place];
  };
}

// `gcc-8.5.0-4.el8` is gcc; `java-1.8.0-openjdk` and `kernel-uek` are whole names.
function withoutVersion(name: string): string {
  return name.replace(/-\d+\.[\w.+~^]*(?:-\d[\w.]*)?$/, "");
}

// Backtracks to the last star only, so that a pattern with many stars takes no longer than the product of both lengths.
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

// Belongs to a single machine: the seal removes it, and every clone makes its own.
const ofOneMachine =
  /^\/(?:etc\/(?:machine-id|ssh\/ssh_host_.*key(?:\.pub)?|udev\/rules\.d\/70-persistent-net\.rules)|var\/lib\/(?:dbus\/machine-id|systemd\/random-seed))$/;

// The build's own login is there, so the seal removes what a recipe puts there, even if it keeps other files.
const ofTheBuild = /^\/root\/\.(?:ssh\/|rhosts$|shosts$)/;

function filesAgainst({ files = [], seal }: Lists): Contradiction[] {
  const reason = (path: string): string | undefined => {
    if (ofOneMachine.test(path)) return `${path} belongs to a single machine, and the seal removes it`;
    if (path === "/etc/tbuild-release")
      return `${path} is the passport of the template, which the seal writes`;
    const isKept = seal?.skip.includes("build-key") || seal?.keep.some((one) => stands(one, path));
    if (ofTheBuild.test(path) && !isKept)
      return `${path} is removed by the seal, which resets root's logins; give keys by the first-boot module ssh`;
    return undefined;
  };
  return files.flatMap(({ path }, at) => {
    const text = reason(path);
    return text === undefined ? [] : [{ path: ["files", at, "path"], text }];
  });
}
