import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { KickstartTemplate } from "../src/kickstart/render.ts";

const folder = resolve(import.meta.dirname, "../kickstart");

/** A kickstart of the repository, with its partials. */
export async function kickstartTemplate(name: string): Promise<KickstartTemplate> {
  const partials: Record<string, string> = {};
  for (const file of await readdir(join(folder, "partials")))
    partials[file.replace(".hbs", "")] = await readFile(join(folder, "partials", file), "utf8");
  return { name, text: await readFile(join(folder, `${name}.ks.hbs`), "utf8"), partials };
}
