import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { printable } from "../../host/local.ts";
import { compare } from "../../store/compare/compare.ts";
import { inShort } from "../../store/compare/difference-words.ts";
import { type CatalogEntry, lineageOf, previousOf } from "../../store/records/catalog.ts";
import { openCatalog } from "../open-site.ts";
import { type Colours, coloursFor } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { catalog } = await openCatalog(command);
  const name = args[0] as string | undefined;
  const named = catalog.filter(({ manifest }) => name === undefined || manifest.name === name);
  if (named.length === 0 && name !== undefined)
    throw new TbuildError("usage", `${name}: no such template`, {
      hint: "`tbuild template list` shows what there is.",
    });
  const shown = [...new Set(named.flatMap((entry) => lineageOf(catalog, entry)))];
  if (command.opts<{ json?: boolean }>().json) {
    const said = shown.map(({ manifest, digest, channels, tags, revoked }) => {
      const { kind, name, version, made, parent, git } = manifest;
      return { kind, name, version, made, digest, parent, git, channels, tags, revoked };
    });
    process.stdout.write(`${JSON.stringify(said, undefined, 2)}\n`);
    return;
  }
  const lines = graphOf(shown, (entry) => lineOf(catalog, entry, coloursFor(process.stdout)));
  process.stdout.write(lines.length === 0 ? "nothing published yet\n" : `${lines.join("\n")}\n`);
}

/** What grew out of what, as a tree; the newest first. */
export function graphOf(entries: readonly CatalogEntry[], text: (entry: CatalogEntry) => string): string[] {
  const newestFirst = [...entries].reverse().sort((a, b) => b.manifest.made.localeCompare(a.manifest.made));
  const known = new Set(entries.map(({ digest }) => digest));
  const branch = (entry: CatalogEntry, lead: string, below: string, above: readonly string[]): string[] => {
    const children = newestFirst.filter(
      ({ manifest, digest }) => manifest.parent === entry.digest && !above.includes(digest),
    );
    return [
      `${lead}${text(entry)}`,
      ...children.flatMap((child, i) => {
        const last = i === children.length - 1;
        return branch(child, `${below}${last ? "└─" : "├─"}`, `${below}${last ? "  " : "│ "}`, [
          ...above,
          entry.digest,
        ]);
      }),
    ];
  };
  return newestFirst
    .filter(({ manifest }) => manifest.parent === undefined || !known.has(manifest.parent))
    .flatMap((root) => branch(root, "", "", []));
}

function lineOf(catalog: readonly CatalogEntry[], entry: CatalogEntry, colours: Colours): string {
  const { manifest, channels, tags, revoked } = entry;
  const { kind, name, version, made, git } = manifest;
  const mark = kind === "master" ? "○ master " : "● ";
  const commit = git ? ` commit ${git.commit.slice(0, 10)}${git.dirty ? "+changes" : ""}` : "";
  const pointers = [...channels, ...tags].map((one) => colours.green(` [${one}]`)).join("");
  const gone = revoked ? colours.red(` revoked: ${printable(revoked.reason)}`) : "";
  const before = kind === "template" ? previousOf(catalog, entry) : undefined;
  const news = before
    ? colours.dim(`  since ${before.manifest.version}: ${inShort(compare(before.manifest, manifest))}`)
    : "";
  return `${mark}${colours.bold(`${name}@${version}`)}  ${made.slice(0, 16).replace("T", " ")}${commit}${pointers}${gone}${news}`;
}
