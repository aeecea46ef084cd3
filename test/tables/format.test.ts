import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { packAll } from "../../src/bundles/write/index.ts";
import { formats } from "../../src/bundles/write/table.ts";
import type { BundleFormat } from "../../src/choices.ts";
import { makeProgram } from "../../src/cli/program.ts";
import { recipeSchema } from "../../src/recipe/json-schema.ts";
import { recipeReference } from "../../src/recipe/reference.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { sampleManifest } from "../manifest-sample.ts";

const papyrus = vi.hoisted(() => "papyrus" as BundleFormat);

// The one line that a new format needs, and its name in the list of names.
vi.mock(import("../../src/bundles/write/table.ts"), async (original) => {
  const table = await original();
  const format: (typeof table.formats)[number] = {
    name: papyrus,
    extension: ".papyrus",
    async pack({ name, version }, _store, folder) {
      const file = join(folder, `${name}-${version}.papyrus`);
      await writeFile(file, "written");
      return [{ file, bytes: 7, sha256: "f".repeat(64) }];
    },
  };
  // Their order is that of the names.
  return { ...table, formats: table.formats.map((one) => one ?? format) };
});
vi.mock(import("../../src/choices.ts"), async (original) => {
  const choices = await original();
  const bundleFormats = [...choices.bundleFormats, "papyrus"] as unknown as typeof choices.bundleFormats;
  return { ...choices, bundleFormats };
});

describe("a bundle format with a line in the table", () => {
  it("may be named by a recipe, and is in the schema and the documentation", () => {
    expect(recipeSchema().properties?.bundles?.items?.enum).toContain("papyrus");
    expect(recipeReference()).toContain("`papyrus`");
  });

  it("is in the help of the command that packs", () => {
    const template = makeProgram().commands.find((one) => one.name() === "template");
    expect(template?.commands.find((one) => one.name() === "bundle")?.helpInformation()).toContain(
      '"papyrus"',
    );
  });

  it("is packed, and its sum is kept beside it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tbuild-format-"));
    const manifest = sampleManifest({
      name: "System",
      digest: `sha256:${"b".repeat(64)}`,
      bytes: 1,
      dataBytes: 1,
    });
    const [bundle, ...others] = await packAll(manifest, memoryStore([manifest]), folder, [papyrus], {});
    expect(others).toEqual([]);
    expect(bundle).toMatchObject({ format: "papyrus", name: "ol6-sample-1.0.0.papyrus" });
    expect(await readFile(join(folder, "SHA256SUMS"), "utf8")).toBe(
      `${"f".repeat(64)}  ol6-sample-1.0.0.papyrus\n`,
    );
    await rm(folder, { recursive: true });
    expect(formats.at(-1)?.name).toBe("papyrus");
  });
});
