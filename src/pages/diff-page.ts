import { type Look, page, section, text } from "../html.ts";
import { amount } from "../io/units.ts";
import type { Difference } from "../store/compare/compare.ts";
import { type Line, sectionsOf } from "../store/compare/difference-words.ts";
import type { Proposal } from "../store/compare/proposal.ts";
import { style } from "./style.ts";

/** A page with the changes between two versions. `crumb` is HTML that links back. */
export function diffPage(
  difference: Difference,
  proposal: Proposal,
  crumb = "tbuild",
  look: Look = style,
): string {
  const { from, to, looked } = difference;
  const title =
    from.name === to.name
      ? `${to.name} ${from.version} → ${to.version}`
      : `${from.name} ${from.version} → ${to.name} ${to.version}`;
  const sections = sectionsOf(difference);
  const body = `<header><p class="crumb">${crumb}</p><h1>${text(title)}</h1>
<p class="lead">${text(countOf(difference))}</p>
${to.rehearsal ? '<p class="warning">A rehearsal: made of Debian’s binaries on a stand-in medium, and not for use.</p>' : ""}
<p class="proposal"><b class="level ${proposal.level}">${proposal.level}</b> According to these changes, this is version <b>${text(proposal.version)}</b>: ${text(proposal.because.join(", "))}.</p></header>
${sections.map(({ title, lines }) => section(title, `<ul class="diff">${lines.map(lineOf).join("\n")}</ul>`)).join("\n")}
${sections.length === 0 ? section("Nothing", '<p class="quiet">Nothing on record differs.</p>') : ""}
${looked ? "" : '<p class="note">One of the two has no record of its services, users and files: it was made by an older tbuild.</p>'}`;
  return page(`${title} · tbuild`, body, look);
}

function countOf(difference: Difference): string {
  const { packages, files, parameters } = difference;
  const count = (n: number, what: string) => (n === 0 ? [] : [amount(n, what)]);
  const all = (list: {
    added: readonly unknown[];
    removed: readonly unknown[];
    changed: readonly unknown[];
  }) => list.added.length + list.removed.length + list.changed.length;
  const said = [
    ...count(all(packages), "package"),
    ...count(all(parameters), "parameter"),
    ...count(all(files), "file"),
  ];
  return said.length === 0 ? "No package, parameter or file in /etc differs." : `${said.join(", ")} differ.`;
}

function lineOf({ sign, text: said, patch }: Line): string {
  const kind = { "+": "plus", "-": "minus", "~": "other", "↑": "up", "↓": "down" }[sign];
  if (!patch) return `<li class="${kind}"><i>${sign.replace("-", "−")}</i>${text(said)}</li>`;
  return `<li class="${kind}"><i>${sign}</i><details open><summary>${text(said)}</summary><pre>${patch.map(patchLine).join("")}</pre></details></li>`;
}

function patchLine(line: string): string {
  const kind = line.startsWith("+")
    ? "plus"
    : line.startsWith("-")
      ? "minus"
      : line.startsWith("@@")
        ? "at"
        : "same";
  return `<span class="${kind}">${text(line)}\n</span>`;
}
