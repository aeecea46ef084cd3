import { tmpdir } from "node:os";
import type { Command } from "commander";
import { type Suspect, type Whose, whois } from "../../build/whois.ts";
import { readCatalog } from "../../store/catalog.ts";
import { interruptible } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { type Colours, coloursFor, table } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { host, store, records } = await openSite(command);
  const catalog = await readCatalog(store, records);
  const whose = await interruptible((signal) =>
    whois(host, String(args[0]), catalog, { folder: tmpdir(), signal }),
  );
  if (whose.suspects.length === 0) process.exitCode = 1;
  if (command.opts<{ json?: boolean }>().json) {
    const suspects = whose.suspects.map(({ entry, why }) => ({ ...summary(entry), why }));
    process.stdout.write(`${JSON.stringify({ ...whose, suspects }, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(`${wordsOf(whose, coloursFor(process.stdout)).join("\n")}\n`);
}

function summary({ manifest, digest, channels, revoked, here }: Suspect["entry"]) {
  const { name, version, rehearsal, made } = manifest;
  return { name, version, digest, made, rehearsal, channels, here, ...(revoked && { revoked }) };
}

function wordsOf({ passport, armed, suspects }: Whose, colours: Colours): string[] {
  const lines = suspects.map(({ entry, why }) => {
    const { name, version } = entry.manifest;
    const revoked = entry.revoked ? colours.red(`  revoked: ${entry.revoked.reason}`) : "";
    return `${colours.bold(`${name}@${version}`)}  ${why}${revoked}`;
  });
  if (suspects.length === 0)
    lines.push(
      passport
        ? `a template of tbuild's, but of none that is known here: ${passport.name}@${passport.version}`
        : "none of the versions that are known here, and it has no passport of tbuild's",
    );
  const facts = [
    ...(passport
      ? [
          [
            "passport",
            `${passport.name}@${passport.version}, build ${passport.build}, made ${passport.made}`,
          ],
          ...(passport.rehearsal ? [["", "a rehearsal, not for use"]] : []),
        ]
      : []),
    ...(armed === undefined
      ? []
      : [
          [
            "first boot",
            armed
              ? "armed: the next boot configures it"
              : "not armed: it has been configured, or is no template yet",
          ],
        ]),
  ];
  return facts.length > 0 ? [...lines, table(facts)] : lines;
}
