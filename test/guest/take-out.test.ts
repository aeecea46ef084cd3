import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Interrupted } from "../../src/errors.ts";
import { copyOut } from "../../src/guest/files/take-out.ts";
import type { GuestTree } from "../../src/image/tree.ts";

describe("copying a folder out of a guest", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-take-out-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("keeps whole files and leaves no partial one when it is interrupted", async () => {
    const stop = new AbortController();
    const tree = {
      stat: async (path: string) =>
        path === "/srv" ? { kind: "dir", mode: 0o755 } : { kind: "file", mode: 0o644, size: 2 * part.length },
      list: async () => ["a", "b", "c"],
      async *parts(path: string) {
        yield part;
        if (path === "/srv/b") stop.abort();
        yield part;
      },
    } as unknown as GuestTree;
    const copying = copyOut(tree, "/srv", join(folder, "copy"), { leftOut: () => {}, signal: stop.signal });
    await expect(copying).rejects.toBeInstanceOf(Interrupted);
    expect(await readdir(join(folder, "copy"))).toEqual(["a"]);
  });
});

const part = Buffer.alloc(1024, 1);
