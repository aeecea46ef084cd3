import { open, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { replaceFile } from "../../host/partial-file.ts";
import { fileFault } from "../../io/file-fault.ts";
import { makeFolder } from "../../io/folders.ts";
import { amount } from "../../io/units.ts";
import { catalogFiles, pagesCode } from "../../pages/catalog-pages.ts";
import { manifestReader } from "../../store/records/catalog.ts";
import { openCatalog } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";

// Marks a folder as tbuild's, and lists the files in it that tbuild wrote. The next run removes files that
// are no longer needed, and skips files whose inputs did not change.
const listing = ".tbuild-site";
/** The approximate number of files per version. */
const filesEach = 4;

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const out = resolve(String(args[0]));
  const { json = false } = command.opts<{ json?: boolean }>();
  const { catalog, store, records } = await openCatalog(command);
  const before = await filesBefore(out);
  const read = manifestReader(store, records);
  const now = new Map<string, string>();
  await makeFolder(out);
  // Files are listed before they are written. So a run after a kill knows which files to make again.
  const listed = await open(join(out, listing), "a").catch((error) => {
    throw fileFault(error, out);
  });
  const line = progressLine(json);
  let written = 0;
  try {
    const form = await readFile(new URL("../../pages/form.js", import.meta.url), "utf8");
    const about = { made: new Date().toISOString(), code: await pagesCode(), form };
    for (const { file, key, make } of catalogFiles(catalog, about)) {
      const path = join(out, file);
      now.set(file, key);
      if (before.get(file) === key && (await isFile(path))) continue;
      await listed.appendFile(`${file}\n`).catch((error) => {
        throw fileFault(error, join(out, listing));
      });
      await makeFolder(dirname(path));
      await replaceFile(path, await make(read));
      written++;
      line.show("writing pages", now.size, filesEach * catalog.length);
    }
  } finally {
    line.close();
    await listed.close();
  }
  for (const file of before.keys()) if (!now.has(file)) await rm(join(out, file), { force: true });
  const lines = [...now].map(([file, key]) => `${file} ${key}\n`);
  await replaceFile(join(out, listing), lines.join(""));
  const index = join(out, "index.html");
  process.stdout.write(
    json
      ? `${JSON.stringify({ index, files: [...now.keys()], written })}\n`
      : `${index}: ${amount(now.size, "file")}, ${written} of them new or changed; open it in a browser, or copy the folder to any web server\n`,
  );
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

/**
 * The existing files of this site with the digests of their inputs. A possibly incomplete file has no digest.
 */
async function filesBefore(out: string): Promise<Map<string, string | undefined>> {
  const known = await readFile(join(out, listing), "utf8").catch(() => undefined);
  const found = new Map<string, string | undefined>();
  if (known !== undefined) {
    for (const line of known.split("\n")) {
      const [, file, key] = /^((?:[a-z][a-z0-9-]*\/)?\w[\w.]*)(?: ([0-9a-f]{32}))?$/.exec(line) ?? [];
      if (file !== undefined) found.set(file, key);
    }
    return found;
  }
  const there = await readdir(out).catch(() => []);
  if (there.length > 0)
    throw new TbuildError("usage", "is not empty, and tbuild did not write it", {
      subject: out,
      hint: "Choose a new or empty folder.",
    });
  return found;
}
