import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { asDigest } from "../model/digest.ts";
import { additions } from "./additions.ts";
import { type EnumeratedModule, withModules } from "./contract.ts";
import { enumerate } from "./enumerate.ts";
import type { FirstBootModule } from "./module.ts";
import { parseHeader } from "./module-header.ts";
import { shippedModules } from "./shipped.ts";

/** tbuild's own modules under the names of those that Oracle ships, for a guest whose Python is `python`. */
export async function standardModules(python: string): Promise<FirstBootModule[]> {
  return Promise.all(
    Object.keys(shippedModules).map(async (name) => {
      const text = withPython(await readFile(join(additions, "scripts", name), "utf8"), python);
      const { description, priorities } = parseHeader(text);
      const script = Buffer.from(text);
      const digest = asDigest(createHash("sha256").update(script).digest("hex"));
      return { name, description, priorities, script, payload: [], packages: [], version: "1.0", digest };
    }),
  );
}

export function withPython(text: string, python: string): string {
  return text.replace(/^#!\/usr\/bin\/python3\n/, `#!${python}\n`);
}

/** Their parameters. */
export async function standardParameters(): Promise<EnumeratedModule[]> {
  const found = (await standardModules("python")).map(async ({ name, priorities, script }) => {
    const { parameters } = await enumerate(Buffer.from(script).toString("utf8"), "configure");
    return { priority: priorities.configure ?? 0, name, parameters };
  });
  return withModules(await Promise.all(found), []);
}
