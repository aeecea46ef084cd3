import { once } from "node:events";
import { join } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import { isUntried } from "../../model/manifest.ts";
import { type News, openNews } from "../../store/compare/change-summary.ts";
import { groupedBy } from "../../store/grouped-by.ts";
import {
  type CatalogEntry,
  lineageOf,
  manifestReader,
  previousOf,
  type ReadManifest,
} from "../../store/records/catalog.ts";
import { openCatalog } from "../open-site.ts";
import { type Colours, coloursFor } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { catalog, store, records, home, tbuild } = await openCatalog(command);
  const name = args[0] as string | undefined;
  const named = catalog.filter(({ manifest }) => name === undefined || manifest.name === name);
  if (named.length === 0 && name !== undefined)
    throw new TbuildError("usage", "no such template", {
      subject: name,
      hint: "`tbuild template list` lists all templates.",
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
  if (shown.length === 0) process.stdout.write("no templates yet\n");
  const news = await openNews(join(home.index, "news"), tbuild);
  const read = manifestReader(store, records);
  const colours = coloursFor(process.stdout);
  try {
    for (const { lead, entry } of graphOf(shown))
      if (!process.stdout.write(`${lead}${await lineOf(catalog, entry, news, read, colours)}\n`))
        await once(process.stdout, "drain");
  } finally {
    await news.save();
  }
}

/** The lineage as a tree, newest first. */
export function* graphOf(
  entries: readonly CatalogEntry[],
): Generator<{ readonly lead: string; readonly entry: CatalogEntry }> {
  const newestFirst = [...entries].reverse().sort((a, b) => b.manifest.made.localeCompare(a.manifest.made));
  const known = new Set(entries.map(({ digest }) => digest));
  const children = groupedBy(newestFirst, ({ manifest }) => manifest.parent ?? "");
  const roots = newestFirst.filter(
    ({ manifest }) => manifest.parent === undefined || !known.has(manifest.parent),
  );
  const told = new Set<CatalogEntry>();
  const waiting = roots.map((entry) => ({ entry, lead: "", below: "" })).reverse();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { entry, lead, below } = next;
    if (told.has(entry)) continue;
    told.add(entry);
    yield { lead, entry };
    const grown = children.get(entry.digest) ?? [];
    // Without this, a chain of versions would move further right with each version.
    const isDeep = below.length >= deepest;
    for (const [i, child] of [...grown.entries()].reverse()) {
      const isLast = i === grown.length - 1;
      waiting.push({
        entry: child,
        lead: `${below}${isLast ? "└─" : "├─"}`,
        below: isDeep ? below : `${below}${isLast ? "  " : "│ "}`,
      });
    }
  }
}

const deepest = 60;

async function lineOf(
  catalog: readonly CatalogEntry[],
  entry: CatalogEntry,
  news: News,
  read: ReadManifest,
  colours: Colours,
): Promise<string> {
  const { manifest, channels, tags, revoked } = entry;
  const { kind, name, version, made, git } = manifest;
  const mark = kind === "master" ? "○ master " : "● ";
  const commit = git ? ` commit ${git.commit.slice(0, 10)}${git.dirty ? "+changes" : ""}` : "";
  const pointers = [...channels, ...tags].map((one) => colours.green(` [${one}]`)).join("");
  const gone = revoked ? colours.red(` revoked: ${printable(revoked.reason)}`) : "";
  const untried = isUntried(manifest) ? colours.yellow(" untried") : "";
  const before = kind === "template" ? previousOf(catalog, entry) : undefined;
  const changes =
    before &&
    (await news.between(before.digest, entry.digest, async () => [await read(before), await read(entry)]));
  const since = before ? colours.dim(`  since ${before.manifest.version}: ${changes}`) : "";
  return `${mark}${colours.bold(`${name}@${version}`)}  ${made.slice(0, 16).replace("T", " ")}${commit}${pointers}${untried}${gone}${since}`;
}
