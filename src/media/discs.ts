import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { namesIn } from "../io/durable.ts";
import type { Medium } from "./media.ts";
import { readMedium } from "./medium.ts";

/** A disc in a folder, or why a file named like one is not a disc. */
export type FoundDisc = { readonly file: string } & (
  | { readonly medium: Medium }
  | { readonly fault: string }
);

/** Reads every .iso file of a folder. An unreadable file does not hide others. */
export async function discsIn(folder: string): Promise<FoundDisc[]> {
  const names = await namesIn(folder);
  const files = names.filter((name) => /\.iso$/i.test(name)).sort();
  return Promise.all(files.map((name) => discAt(join(folder, name))));
}

async function discAt(file: string): Promise<FoundDisc> {
  try {
    return { file, medium: await readMedium(file) };
  } catch (error) {
    if (error instanceof TbuildError) return { file, fault: error.message };
    throw error;
  }
}
