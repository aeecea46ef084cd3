import type { Command } from "commander";
import { type Suspect, type Whose, whois } from "../../build/whois.ts";
import { exitCodes } from "../../errors.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { jsonText, printable, shown } from "../../io/escape.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import { manifestReader, readCatalog, templatesOf } from "../../store/records/catalog.ts";
import { interruptible, stays } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { table } from "../table.ts";
import { type Colours, coloursFor } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { home, host, store, records } = await openSite(command);
  const catalog = await readCatalog(store, records);
  await using folder = await temporaryFolder("whois");
  const whose = await interruptible(stays.unchanged, (signal) =>
    whois(host, String(args[0]), catalog, {
      store: storeFolder(home.store),
      read: manifestReader(store, records),
      folder: folder.path,
      signal,
      note: (text) => process.stderr.write(`${printable(text)}\n`),
    }),
  );
  if (whose.suspects.length === 0) process.exitCode = exitCodes.found;
  if (command.opts<{ json?: boolean }>().json) {
    const suspects = whose.suspects.map(({ entry, why }) => ({ ...summary(entry), why }));
    process.stdout.write(`${jsonText({ ...whose, suspects }, 2)}\n`);
    return;
  }
  const known = templatesOf(catalog).length;
  process.stdout.write(`${wordsOf(whose, known, coloursFor(process.stdout)).join("\n")}\n`);
}

function summary({ manifest, digest, channels, revoked, here }: Suspect["entry"]) {
  const { name, version, rehearsal, made } = manifest;
  return { name, version, digest, made, rehearsal, channels, here, ...(revoked && { revoked }) };
}

function wordsOf({ passport, armed, suspects }: Whose, known: number, colours: Colours): string[] {
  const lines = suspects.map(({ entry, why }) => {
    const { name, version } = entry.manifest;
    const revoked = entry.revoked ? colours.red(`  revoked: ${entry.revoked.reason}`) : "";
    return `${colours.bold(`${name}@${version}`)}  ${why}${revoked}`;
  });
  if (suspects.length === 0)
    lines.push(
      passport
        ? `built by tbuild, but not one of the ${known} known versions: ${shown(`${passport.name}@${passport.version}`)}`
        : `matches none of the ${known} known versions, and has no tbuild passport`,
    );
  const facts = [
    ...(passport
      ? [
          [
            "passport",
            `${passport.name}@${passport.version}, build ${passport.build}, made ${passport.made}`,
          ],
          ...(passport.rehearsal ? [["", "a rehearsal, not for production"]] : []),
        ]
      : []),
    ...(armed === undefined
      ? []
      : [
          [
            "first boot",
            armed
              ? "armed: the next boot configures it"
              : "not armed: already configured, or not a template yet",
          ],
        ]),
  ];
  return facts.length > 0 ? [...lines, table(facts.map((row) => row.map(shown)))] : lines;
}
