import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Runner } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { mountedTree } from "../../src/image/ways/mounted-tree.ts";

/** Removes many files through a tree, and returns the number of commands. */
async function commandsFor(files: number): Promise<number> {
  const root = await mkdtemp(join(tmpdir(), "tbuild-tree-"));
  try {
    for (let index = 0; index < files; index++) await writeFile(join(root, `file-${index}`), "");
    const local = localHost();
    let commands = 0;
    const host: Runner = {
      name: "counting",
      run(argv, options) {
        commands++;
        return local.run(argv, options);
      },
    };
    await using tree = mountedTree(host, root);
    for (const name of await tree.list("/")) await tree.remove(`/${name}`);
    await tree.commit();
    expect(await tree.list("/")).toEqual([]);
    return commands;
  } finally {
    await rm(root, { recursive: true });
  }
}

it("removes a thousand files by as many commands as ten: in User-mode Linux and over ssh, each takes long", async () => {
  expect(await commandsFor(1000)).toBe(await commandsFor(10));
});

it("stops at a signal while it looks for locked files", async () => {
  const root = await mkdtemp(join(tmpdir(), "tbuild-tree-"));
  try {
    await writeFile(join(root, "file"), "");
    const local = localHost();
    const controller = new AbortController();
    const host: Runner = {
      name: "slow",
      run(argv, options) {
        if (!argv.join(" ").includes("lsattr")) return local.run(argv, options);
        setTimeout(() => controller.abort(), 50);
        return local.run(["sleep", "20"], options);
      },
    };
    const tree = mountedTree(host, root, { watch: { signal: controller.signal } });
    await tree.remove("/file");
    const start = performance.now();
    await expect(tree.commit()).rejects.toThrow();
    expect(performance.now() - start).toBeLessThan(5000);
  } finally {
    await rm(root, { recursive: true });
  }
});
