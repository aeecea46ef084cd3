import { writeFile as write } from "node:fs/promises";
import { fileFault } from "./file-fault.ts";

/** Node's `writeFile`, whose errors name the file: a full disk has no path in Node's own. */
export async function writeFile(...given: Parameters<typeof write>): Promise<void> {
  const [file] = given;
  await write(...given).catch((error) => {
    throw typeof file === "string" ? fileFault(error, file) : error;
  });
}
