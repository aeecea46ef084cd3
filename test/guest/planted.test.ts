import { expect, it } from "vitest";
import { findLeftovers, readTraits } from "../../src/guest/leftovers/index.ts";
import { applyAll } from "../../src/guest/operation.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { holdsPlanted, ownFiles, planted } from "./planted.ts";

it.each(planted.map((one) => [one.what, one.files] as const))(
  "%s is reset or named",
  async (_what, files) => {
    const tree = memoryTree({ ...ownFiles, ...files });
    const traits = await readTraits(tree);
    await applyAll(tree, sealOperations({ skip: ["first-boot"] }));
    const { found } = await findLeftovers(tree, { traits, pending: [], keep: [] });
    for (const [path, text] of Object.entries(files)) {
      if (path.startsWith("/usr/libexec/")) continue;
      const isThere =
        (await tree.stat(path)) && holdsPlanted((await tree.read(path)) ?? new Uint8Array(), text);
      if (isThere)
        expect(
          found.map((one) => one.path).filter((one) => path === one || path.startsWith(`${one}/`)),
          path,
        ).not.toEqual([]);
    }
  },
);
