import { type Difference, isSame } from "./compare.ts";

export interface Proposal {
  readonly level: "major" | "minor" | "patch" | "none";
  readonly version: string;
  /** The reason. */
  readonly because: readonly string[];
}

/**
 * The version number that a change deserves, by its effect on people who clone the template: major if their messages or
 * their hypervisor no longer fit, minor if they can do more, patch otherwise.
 */
export function proposalFor(difference: Difference): Proposal {
  const { from } = difference;
  for (const level of ["major", "minor"] as const) {
    const because = reasons[level](difference);
    if (because.length > 0) return { level, version: raised(from.version, level), because };
  }
  if (isSame(difference)) return { level: "none", version: from.version, because: ["nothing is other"] };
  const because = ["no change of parameters, domain type, packages or modules requires more"];
  return { level: "patch", version: raised(from.version, "patch"), because };
}

const reasons = {
  major: ({ facts, parameters }: Difference): string[] => [
    ...parameters.removed.map(({ key }) => `parameter ${key} removed`),
    ...parameters.added.filter(({ required }) => required).map(({ key }) => `parameter ${key} required`),
    ...parameters.changed
      .filter(({ from, to }) => to.required && !from.required)
      .map(({ to }) => `parameter ${to.key} required`),
    ...facts
      .filter(({ what }) => what === "domain type")
      .map(({ from, to }) => `domain type ${from} → ${to}`),
    ...facts
      .filter(({ what, from, to }) => what === "release" && majorOf(from) !== majorOf(to))
      .map(({ from, to }) => `release ${from} → ${to}`),
  ],
  minor: ({ packages, modules, parameters, from, to }: Difference): string[] => [
    ...newNames(packages).map((name) => `package ${name} added`),
    ...modules.added.map((name) => `module ${name} added`),
    ...parameters.added.filter(({ required }) => !required).map(({ key }) => `parameter ${key} added`),
    ...(from.name === to.name ? [] : [`${to.name} and ${from.name} are different templates`]),
  ],
};

// A second kernel beside the first is an upgrade, not an added package.
function newNames({ added, removed, changed }: Difference["packages"]): string[] {
  const known = new Set([...removed, ...changed.map(({ from }) => from)].map(({ name }) => name));
  return [...new Set(added.map(({ name }) => name))].filter(
    (name) => !known.has(name) && !/^kernel/.test(name),
  );
}

function majorOf(release: string): string {
  return /(\d+)(?:\.\d+)?$/.exec(release)?.[1] ?? release;
}

function raised(version: string, level: "major" | "minor" | "patch"): string {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  if (level === "major") return `${major + 1}.0.0`;
  return level === "minor" ? `${major}.${minor + 1}.0` : `${major}.${minor}.${patch + 1}`;
}
