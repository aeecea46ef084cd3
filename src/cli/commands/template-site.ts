import { open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { fileFault, makeFolder } from "../../io/file-fault.ts";
import { catalogPages } from "../../pages/catalog-pages.ts";
import { openCatalog } from "../open-site.ts";

// What marks a folder as ours, and lists what we wrote, so that the next time what is gone can go.
const listing = ".tbuild-site";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const out = resolve(String(args[0]));
  const { catalog } = await openCatalog(command);
  const before = await filesBefore(out);
  const files = new Set<string>();
  await makeFolder(out);
  // Listed before they are written: what a kill leaves is ours, too.
  const listed = await open(join(out, listing), "a").catch((error) => {
    throw fileFault(error, out);
  });
  try {
    for (const [file, text] of catalogPages(catalog, new Date().toISOString())) {
      files.add(file);
      await listed.appendFile(`${file}\n`);
      await makeFolder(dirname(join(out, file)));
      await writeFile(join(out, file), text).catch((error) => {
        throw fileFault(error, join(out, file));
      });
    }
  } finally {
    await listed.close();
  }
  for (const file of before) if (!files.has(file)) await rm(join(out, file), { force: true });
  await writeFile(join(out, listing), [...files].map((file) => `${file}\n`).join(""));
  const index = join(out, "index.html");
  process.stdout.write(
    command.opts<{ json?: boolean }>().json
      ? `${JSON.stringify({ index, files: [...files] })}\n`
      : `${index}: ${files.size} files; open it in a browser, or copy the folder to any web server\n`,
  );
}

async function filesBefore(out: string): Promise<string[]> {
  const known = await readFile(join(out, listing), "utf8").catch(() => undefined);
  if (known !== undefined)
    return known.split("\n").filter((file) => /^([a-z][a-z0-9-]*\/)?\w[\w.]*$/.test(file));
  const there = await readdir(out).catch(() => []);
  if (there.length > 0)
    throw new TbuildError("usage", "is not empty, and tbuild did not write it", {
      subject: out,
      hint: "Choose a new or empty folder.",
    });
  return [];
}
