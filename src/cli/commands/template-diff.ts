import type { Command } from "commander";
import { textsIn } from "../../build/disk-texts.ts";
import type { OpenedSite } from "../../build/opened-site.ts";
import { TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import type { Manifest } from "../../model/manifest.ts";
import { diffPage } from "../../pages/diff-page.ts";
import { compare, type Difference, untold, withTexts } from "../../store/compare/compare.ts";
import { type Line, sectionsOf } from "../../store/compare/difference-words.ts";
import { type Proposal, proposalFor } from "../../store/compare/proposal.ts";
import { finder } from "../../store/records/finder.ts";
import { interruptible, stays } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { type Colours, coloursFor } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const {
    json = false,
    html = false,
    texts = false,
  } = command.opts<{
    json?: boolean;
    html?: boolean;
    texts?: boolean;
  }>();
  const opened = await openSite(command);
  const find = finder(opened.store, opened.records);
  const [a, b] = args as [string, string | undefined];
  const to = await find.find(b ?? a);
  const from = b === undefined ? await find.previous(to) : await find.find(a);
  if (!from)
    throw new TbuildError("usage", `${to.manifest.name}@${to.manifest.version}: has no previous version`, {
      hint: "Name two versions; `tbuild template list` lists them.",
    });
  const recorded = compare(from.manifest, to.manifest);
  const difference = texts ? await readTexts(opened, from.manifest, to.manifest, recorded) : recorded;
  const proposal = proposalFor(difference);
  if (json) process.stdout.write(`${JSON.stringify({ ...difference, proposal }, undefined, 2)}\n`);
  else if (html) process.stdout.write(diffPage(difference, proposal));
  else process.stdout.write(`${wordsOf(difference, proposal, coloursFor(process.stdout)).join("\n")}\n`);
}

async function readTexts(
  { host, store, home }: OpenedSite,
  from: Manifest,
  to: Manifest,
  difference: Difference,
): Promise<Difference> {
  const paths = untold(difference);
  if (paths.length === 0) return difference;
  return await interruptible(stays.unchanged, async (signal) => {
    const options = { folder: home.root, signal };
    const before = await textsIn({ host, store }, from, paths, options);
    return withTexts(difference, before, await textsIn({ host, store }, to, paths, options));
  });
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
    ...(sections.length === 0 ? ["No recorded differences."] : sections),
    ...(looked
      ? []
      : ["", "One of them was built by an older tbuild, which did not record services, users and files."]),
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
