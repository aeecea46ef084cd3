import { exitCodes, exitCodeWords } from "../errors.ts";

/** A help page about several commands. */
export interface Topic {
  readonly name: string;
  readonly summary: string;
  readonly title: string;
  /** A term and what it means. A row without a term continues the one before. */
  readonly rows: readonly (readonly [term: string, meaning: string])[];
  /** A sentence after the rows. */
  readonly note?: string;
}

type Name = keyof typeof exitCodes;
const names = Object.keys(exitCodes) as Name[];

export const topics: readonly Topic[] = [
  {
    name: "exit-codes",
    summary: "what each exit code means",
    title: "Exit codes",
    rows: names.map((name) => [`${exitCodes[name]}`, exitCodeWords[name][0]]),
    note: "With several recipes, the code of the first failure counts.",
  },
  {
    name: "environment",
    summary: "the environment variables that tbuild reads",
    title: "Environment variables",
    rows: [
      ["TBUILD_HOME", "folder for everything that tbuild writes (as --home)"],
      ["TBUILD_SET_<key>", "override a recipe value (as --set); write two underscores for a dot:"],
      ["", "TBUILD_SET_machine__memory=4G"],
      ["http_proxy, https_proxy, no_proxy", "proxies for registries, repositories and Debian packages"],
      ["NODE_EXTRA_CA_CERTS", "a file with further certificate authorities"],
      ["DOCKER_CONFIG", "folder of the registry logins (default: ~/.docker)"],
      ["NO_COLOR", "print without colors"],
    ],
    note: "Passwords of a recipe are read from the variables that the recipe names.",
  },
  {
    name: "references",
    summary: "how to name recipes, versions and images",
    title: "References",
    rows: [
      ["ol6-grid", "a recipe: recipes/ol6-grid.yaml, or one that comes with tbuild"],
      ["./mine.yaml", "a recipe file (with a slash or .yaml)"],
      ["ol6-grid", "a template: its newest version that was not revoked"],
      ["ol6-grid@1.0.0", "one version"],
      ["ol6-grid@stable", "the version that a channel points at: candidate or stable"],
      ["ol6-grid@audited-2026", "the version that has this tag"],
      ["System.img", "an image on this machine"],
      ["root@ovs1:/OVS/x.img", "an image on another machine, over ssh"],
    ],
  },
];

/** docs/exit-codes.md. */
export function exitCodesMarkdown(): string {
  const rows = names.map((name) => `| ${exitCodes[name]} | ${exitCodeWords[name].join(" | ")} |`);
  return `# Exit codes

<!-- Made by \`tbuild help exit-codes --markdown\`. -->

| Code | Meaning | What to do |
|---|---|---|
${rows.join("\n")}

Results are printed on stdout, progress and errors on stderr. With \`--json\`, stdout contains JSON only.
`;
}
