import { type Agent, agents, peoplesSecrets } from "./agents.ts";

/** docs/sealing.md, which a test holds to the tables. */
export function sealingReference(
  operations: readonly { readonly name: string; readonly summary: string }[],
): string {
  return `# What a seal takes away, and what it names

Made from the tables in \`src/guest/seal/\`; \`tbuild seal --list\` prints the same.

A seal takes away what the guest makes again by itself. What nobody can make again (a key that opens something, data with
the id of its node) stays, and \`tbuild seal --check\` names it as left and ends with 1. Whoever wants it in the template
names it under \`seal: keep:\` in the recipe, or with \`--keep\`. A file that a recipe puts into the guest with \`files\` stays
and is not reported.

Behind the tables there is a search through every file that is not as a package brought it: for this guest's name,
addresses, link addresses, machine id, SSH host keys, and other ids, in what files hold and in their names; and for
private keys, key stores, keytabs and tokens. After a seal the guest's own traits are still known from the record that
undoes it, as long as that lies beside the image. \`--no-search\` leaves the search out.

## Operations, in their order

| Operation | What it does |
|---|---|
${operations.map(({ name, summary }) => `| \`${name}\` | ${cell(summary)} |`).join("\n")}

## Agents and services

| Agent | Reset | Reported as left | Afterwards |
|---|---|---|---|
${agents.map(row).join("\n")}

## Secrets of people, in each home folder

| Of | Reported as left | Why |
|---|---|---|
${peoplesSecrets.map(({ name, reports = [], afterwards }) => `| ${cell(name)} | ${paths(reports.map((path) => `~/${path}`))} | ${cell(afterwards)} |`).join("\n")}
`;
}

/** The known agents in lines, for a list on the screen. */
export function agentRows(): {
  readonly name: string;
  readonly resets: readonly string[];
  readonly reports: readonly string[];
}[] {
  const homes = peoplesSecrets.map((one) => ({
    ...one,
    reports: one.reports?.map((path) => `~/${path}`) ?? [],
  }));
  return [...agents, ...homes].map(({ name, resets = [], reports = [] }) => ({ name, resets, reports }));
}

function row({ name, resets = [], madeBy, reports = [], afterwards }: Agent): string {
  const condition = madeBy === undefined ? "" : ` (where \`${madeBy}\` is; else reported)`;
  return `| ${cell(name)} | ${paths(resets)}${condition} | ${paths(reports)} | ${cell(afterwards)} |`;
}

function paths(all: readonly string[]): string {
  return all.map((path) => `\`${path}\``).join(" ");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
