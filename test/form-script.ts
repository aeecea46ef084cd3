import { join, resolve } from "node:path";
import { build } from "esbuild";

const entry = join(resolve(import.meta.dirname, "../src"), "pages/browser/form.ts");

/** The script of the pages with a form, of the sources as they are. `npm run build` bundles it the same way. */
export async function formScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    format: "iife",
    platform: "browser",
    target: "es2020",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}
