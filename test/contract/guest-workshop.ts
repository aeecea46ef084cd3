import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { guestFolder, ol6Guest } from "../guest-image.ts";
import { host } from "./dirty-image.ts";

const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

/** For the tests of a file: a folder for disks, the files of an OL6 guest for file systems, and tbuild. */
export function guestWorkshop(name: string) {
  let folder = "";
  let root = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), `tbuild-${name}-`));
    root = await guestFolder(ol6Guest);
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
    await rm(root, { recursive: true });
  });
  return {
    get folder() {
      return folder;
    },
    get root() {
      return root;
    },
    /** Runs it, whatever its exit code. */
    tbuild: (...args: string[]) => host.run([process.execPath, main, ...args], { allow: [1, 2, 3, 4, 5, 6] }),
  };
}
