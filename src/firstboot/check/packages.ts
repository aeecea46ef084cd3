import type { ModuleParts } from "../module.ts";
import type { ModuleFinding } from "./finding.ts";

/** The packages in a recipe. */
export interface RecipePackages {
  readonly installed: ReadonlySet<string>;
  readonly leftOut: ReadonlySet<string>;
  /** Groups contain packages that only a repository knows. */
  readonly hasGroups: boolean;
}

/** What every Enterprise Linux has with the group core and what that group needs. */
const inEveryGuest = new Set(
  "bash coreutils cpio e2fsprogs filesystem findutils gawk glibc grep gzip iproute iputils ncurses openssh openssh-clients openssh-server passwd policycoreutils rpm sed selinux-policy-targeted setup shadow-utils sudo tar util-linux".split(
    " ",
  ),
);

/** The packages of a module that its recipe does not install. */
export function packageFindings(
  { file, yaml, lineOf }: ModuleParts,
  { installed, leftOut, hasGroups }: RecipePackages,
): ModuleFinding[] {
  return (yaml?.packages ?? []).flatMap((name, i): ModuleFinding[] => {
    const at = { file, line: lineOf?.(["packages", i]) ?? 1 };
    if (leftOut.has(name))
      return [
        {
          ...at,
          level: "error",
          text: `packages.${i}: the recipe leaves ${name} out`,
          remedy: `Remove ${name} from packages.exclude and packages.remove of the recipe`,
        },
      ];
    if (installed.has(name) || inEveryGuest.has(name)) return [];
    return [
      {
        ...at,
        level: hasGroups ? "warning" : "error",
        text: `packages.${i}: the recipe does not install ${name}${hasGroups ? ", unless one of its groups does" : ""}`,
        remedy: `Add ${name} to packages.install of the recipe`,
      },
    ];
  });
}
