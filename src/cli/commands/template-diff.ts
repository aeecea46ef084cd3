import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { printable } from "../../host/local.ts";
import { diffPage } from "../../pages/diff-page.ts";
import { findTemplate, previousOf, templatesOf } from "../../store/catalog.ts";
import { compare, type Difference } from "../../store/compare.ts";
import { type Line, sectionsOf } from "../../store/difference-words.ts";
import { type Proposal, proposalFor } from "../../store/proposal.ts";
import { openCatalog } from "../open-site.ts";
import { type Colours, coloursFor } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { json = false, html = false } = command.opts<{ json?: boolean; html?: boolean }>();
  const { catalog } = await openCatalog(command);
  const [a, b] = args as [string, string | undefined];
  const to = findTemplate(catalog, b ?? a);
  const from = b === undefined ? previousOf(catalog, to) : findTemplate(catalog, a);
  if (!from)
    throw new TbuildError("usage", `${to.manifest.name}@${to.manifest.version}: has no version before it`, {
      hint: `Name two; there is ${templatesOf(catalog)
        .map(({ manifest }) => `${manifest.name}@${manifest.version}`)
        .join(", ")}.`,
    });
  const difference = compare(from.manifest, to.manifest);
  const proposal = proposalFor(difference);
  if (json) process.stdout.write(`${JSON.stringify({ ...difference, proposal }, undefined, 2)}\n`);
  else if (html) process.stdout.write(diffPage(difference, proposal));
  else process.stdout.write(`${wordsOf(difference, proposal, coloursFor(process.stdout)).join("\n")}\n`);
}

function wordsOf(difference: Difference, proposal: Proposal, colours: Colours): string[] {
  const { from, to, looked } = difference;
  const sections = sectionsOf(difference).flatMap(({ title, lines }) => [
    "",
    colours.bold(title),
    ...lines.flatMap((line) => lineWords(line, colours)),
  ]);
  return [
    colours.bold(`${from.name}@${from.version} → ${to.name}@${to.version}`),
    ...(sections.length === 0 ? ["Nothing that is recorded differs."] : sections),
    ...(looked
      ? []
      : ["", "One of them has no record of its services, users and files: it was made by an older tbuild."]),
    "",
    `Version: ${colours.bold(proposal.version)} (${proposal.level}: ${proposal.because.join(", ")})`,
  ];
}

function lineWords({ sign, text, patch = [] }: Line, colours: Colours): string[] {
  const colour = { "+": "green", "-": "red", "~": "yellow", "↑": "cyan", "↓": "yellow" } as const;
  return [
    `  ${colours[colour[sign]](sign)} ${printable(text)}`,
    ...patch.map((line) => `      ${patchLine(printable(line), colours)}`),
  ];
}

function patchLine(line: string, colours: Colours): string {
  if (line.startsWith("+")) return colours.green(line);
  if (line.startsWith("-")) return colours.red(line);
  return line.startsWith("@@") ? colours.cyan(line) : line;
}
