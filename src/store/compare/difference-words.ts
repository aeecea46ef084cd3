import type { PackageRecord, Parameter } from "../../model/manifest.ts";
import { comparePackages, packageVersion } from "../../model/rpm-version.ts";
import type { Changes, Difference } from "./compare.ts";

/** One change: added, removed, replaced, newer or older. */
export interface Line {
  readonly sign: "+" | "-" | "~" | "↑" | "↓";
  readonly text: string;
  readonly patch?: readonly string[];
}

export interface Section {
  readonly title: string;
  readonly lines: readonly Line[];
}

/** Describes a difference section by section, for terminals and pages. Sections without changes are omitted. */
export function sectionsOf(difference: Difference): Section[] {
  const { facts, packages, kernels, services, users, groups, modules, parameters, files, inputs } =
    difference;
  const all: Section[] = [
    {
      title: "The template",
      lines: facts.map(({ what, from, to }) => ({ sign: "~", text: `${what}: ${from} → ${to}` })),
    },
    { title: "First-boot parameters", lines: linesOf(parameters, parameterText, parameterChange) },
    {
      title: "First-boot modules",
      lines: linesOf(
        modules,
        (name) => name,
        (name) => `${name} (other script)`,
      ),
    },
    { title: "Packages", lines: packageLines(packages) },
    {
      title: "Kernels",
      lines: linesOf(
        kernels,
        (name) => name,
        ({ to }) => to,
      ),
    },
    {
      title: "Services started at boot",
      lines: linesOf(
        services,
        (name) => name,
        ({ to }) => to,
      ),
    },
    {
      title: "Users",
      lines: linesOf(
        users,
        (said) => said,
        ({ from, to }) => `${from} → ${to}`,
      ),
    },
    {
      title: "Groups",
      lines: linesOf(
        groups,
        (said) => said,
        ({ from, to }) => `${from} → ${to}`,
      ),
    },
    {
      title: "Files in /etc",
      lines: [
        ...files.added.map(
          ({ path, package: owner }): Line => ({ sign: "+", text: owner ? `${path} (of ${owner})` : path }),
        ),
        ...files.removed.map(({ path }): Line => ({ sign: "-", text: path })),
        ...files.changed.map(
          ({ path, what, patch }): Line => ({
            sign: "~",
            text: `${path}: ${what.join(", ")}`,
            ...(patch && { patch }),
          }),
        ),
      ],
    },
    {
      title: "Inputs",
      lines: linesOf(
        inputs,
        (name) => name,
        (name) => `${name} is another`,
      ),
    },
  ];
  return all.filter(({ lines }) => lines.length > 0);
}

/** Summarises a difference in one line: what changed, and how much. */
export function inShort(difference: Difference): string {
  const counted = sectionsOf(difference).map(({ title, lines }) => `${title.toLowerCase()} ${lines.length}`);
  return counted.join(", ") || "nothing on record";
}

function linesOf<T, C>(
  { added, removed, changed }: Changes<T, C>,
  text: (one: T) => string,
  change: (one: C) => string,
): Line[] {
  return [
    ...added.map((one): Line => ({ sign: "+", text: text(one) })),
    ...removed.map((one): Line => ({ sign: "-", text: text(one) })),
    ...changed.map((one): Line => ({ sign: "~", text: change(one) })),
  ];
}

function packageLines({ added, removed, changed }: Changes<PackageRecord>): Line[] {
  const named = (one: PackageRecord) => `${one.name} ${packageVersion(one)}.${one.arch}`;
  return [
    ...added.map((one): Line => ({ sign: "+", text: named(one) })),
    ...removed.map((one): Line => ({ sign: "-", text: named(one) })),
    ...changed.map(
      ({ from, to }): Line => ({
        sign: comparePackages(from, to) < 0 ? "↑" : "↓",
        text: `${to.name} ${packageVersion(from)} → ${packageVersion(to)}`,
      }),
    ),
  ];
}

function parameterText({ key, module, required, description }: Parameter): string {
  return `${key} (${module}${required ? ", required" : ""}): ${description}`;
}

function parameterChange({ from, to }: { from: Parameter; to: Parameter }): string {
  const other = (["required", "hidden", "password"] as const).filter((one) => from[one] !== to[one]);
  const said = [
    ...other.map((one) => `${to[one] ? "now" : "no longer"} ${one}`),
    ...(from.module === to.module ? [] : [`of ${to.module}, not ${from.module}`]),
    ...(from.description === to.description ? [] : [`“${from.description}” → “${to.description}”`]),
  ];
  return `${to.key}: ${said.join(", ")}`;
}
