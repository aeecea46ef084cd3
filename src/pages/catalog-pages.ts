import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { codeDigest } from "../io/code-digest.ts";
import { manifestText } from "../model/manifest.ts";
import { compare } from "../store/compare/compare.ts";
import { proposalFor } from "../store/compare/proposal.ts";
import { sbomOf } from "../store/compare/sbom.ts";
import { groupedBy } from "../store/grouped-by.ts";
import { type CatalogEntry, lineageOf, type ReadManifest, templatesOf } from "../store/records/catalog.ts";
import { formScriptFile } from "./contract-form.ts";
import { diffPage } from "./diff-page.ts";
import { diffFile, listPage, packagesFile, packagesScript, versionFile } from "./list-page.ts";
import { sheet, sheetFile } from "./style.ts";
import { leadTo, versionPage } from "./version-page.ts";

/** The digest of the code that makes the pages: another version of tbuild makes other pages. */
export const pagesCode = () => codeDigest(import.meta.url);

/** A file of the static catalog. */
export interface CatalogFile {
  /** Its path below the site's folder. */
  readonly file: string;
  /** The digest of its inputs: a file with equal inputs need not be written again. */
  readonly key: string;
  make(read: ReadManifest): Promise<string | Uint8Array>;
}

/**
 * The files of the static catalog. Each is made on demand, so a catalog of any size needs no more memory than its largest
 * page. Links are relative, so it works from a file and from any web server. `code` is the digest of the code that makes
 * the pages, and `form` the script of the pages with a form.
 */
export function* catalogFiles(
  catalog: readonly CatalogEntry[],
  { made, code, form }: { readonly made: string; readonly code: string; readonly form: string },
): Generator<CatalogFile> {
  const fileOf = (file: string, of: unknown, make: CatalogFile["make"]): CatalogFile => ({
    file,
    key: createHash("sha256")
      .update(JSON.stringify([code, file, of]))
      .digest("hex")
      .slice(0, 32),
    make,
  });
  const templates = templatesOf(catalog);
  yield fileOf("index.html", made, async () => listPage(templates, made));
  yield fileOf(
    packagesFile,
    templates.map(({ digest }) => digest),
    async () => packagesScript(templates),
  );
  yield fileOf(sheetFile, undefined, async () => sheet());
  yield fileOf(formScriptFile, form, async () => form);
  for (const versions of groupedBy(templates, ({ manifest }) => manifest.name).values()) {
    const ways = waysInto(versions);
    for (const { name, entry } of ways) {
      const { version } = entry.manifest;
      yield fileOf(`${entry.manifest.name}/${name}.html`, version, async () => leadTo(`${version}.html`));
    }
    const names = ways.map(({ name }) => name);
    for (const [at, entry] of versions.entries()) yield* filesOf(catalog, versions, names, at, entry, fileOf);
  }
}

/** Names that point at a version. Pages link to these names, so they do not change with each new version. */
function waysInto(versions: readonly CatalogEntry[]) {
  const newest = versions.findLast(({ revoked }) => !revoked);
  const channels = [...new Set(versions.flatMap((entry) => entry.channels))].sort();
  return [
    ...(newest ? [{ name: "newest", entry: newest }] : []),
    ...channels.flatMap((name) => {
      const entry = versions.findLast((one) => one.channels.includes(name));
      return entry ? [{ name, entry }] : [];
    }),
  ];
}

function* filesOf(
  catalog: readonly CatalogEntry[],
  versions: readonly CatalogEntry[],
  ways: readonly string[],
  at: number,
  entry: CatalogEntry,
  fileOf: (file: string, of: unknown, make: CatalogFile["make"]) => CatalogFile,
): Generator<CatalogFile> {
  const { name, version } = entry.manifest;
  const comparedWith = comparedWithOf(versions, at);
  const shown = versions.slice(Math.max(0, at - around), at + around + 1);
  const lineage = lineageOf(catalog, entry);
  const saidOf = ({ digest, channels, tags, revoked }: CatalogEntry) => ({ digest, channels, tags, revoked });
  const isRevoked = ({ manifest, revoked }: CatalogEntry) => [manifest.version, revoked !== undefined];
  const digests = (entries: readonly CatalogEntry[]) => entries.map(({ digest }) => digest);
  yield fileOf(
    versionFile(entry),
    [saidOf(entry), ways, shown.map(isRevoked), digests(lineage), digests(comparedWith)],
    async (read) =>
      versionPage({ entry, manifest: await read(entry), versions: shown, ways, lineage, comparedWith }),
  );
  yield fileOf(`${name}/${version}.json.gz`, entry.digest, async (read) =>
    gzipped(manifestText(await read(entry))),
  );
  yield fileOf(`${name}/${version}.cdx.json.gz`, entry.digest, async (read) =>
    gzipped(sbomOf(await read(entry))),
  );
  const crumb = `<a href="../index.html">Templates</a> · <a href="${version}.html">${name} ${version}</a>`;
  for (const from of comparedWith)
    yield fileOf(diffFile(from, entry), [from.digest, entry.digest], async (read) => {
      const difference = compare(await read(from), await read(entry));
      return diffPage(difference, proposalFor(difference), crumb, { sheet: `../${sheetFile}` });
    });
}

// A page links to this many versions on either side of its own. The list has all of them.
const around = 5;

// The previous version, the stable one, from which most people update, and the first one.
function comparedWithOf(versions: readonly CatalogEntry[], at: number): CatalogEntry[] {
  const older = versions.slice(0, at);
  const stable = older.filter(({ channels }) => channels.includes("stable"));
  const isLookedAt = at === versions.length - 1 || (versions[at]?.channels.length ?? 0) > 0;
  return [...new Set([...older.slice(-1), ...stable, ...(isLookedAt ? older.slice(0, 1) : [])])];
}

const inGzip = promisify(gzip);

async function gzipped(text: string): Promise<Uint8Array> {
  return await inGzip(text, { level: 6 });
}
