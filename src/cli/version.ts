import { readFileSync } from "node:fs";

/** tbuild's version, from package.json. Never throws, because reports of errors include it. */
export function version(): string {
  try {
    const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return "of unknown version";
  }
}
