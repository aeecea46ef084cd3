// Writes the manual pages into dist/man/, from the command tree. With SOURCE_DATE_EPOCH they carry its date, else today's.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { manPages } from "../dist/cli/man/pages.js";
import { makeProgram } from "../dist/cli/program.js";
import { version } from "../dist/cli/version.js";

const folder = fileURLToPath(new URL("../dist/man/", import.meta.url));
const { SOURCE_DATE_EPOCH: epoch } = process.env;
const date = epoch === undefined ? new Date() : new Date(Number(epoch) * 1000);
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
const pages = manPages(makeProgram(), version(), date);
await Promise.all(pages.map(({ file, text }) => writeFile(`${folder}${file}`, text)));
console.log(`dist/man: ${pages.length} pages`);
