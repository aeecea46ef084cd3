import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StepContext } from "../../src/build/step.ts";
import { placeTemplate } from "../../src/build/steps/place-template.ts";
import type { TemplateKeeper, VmSpec } from "../../src/hypervisor/hypervisor.ts";
import { asDigest } from "../../src/model/digest.ts";
import type { StoredDisk } from "../../src/model/disk.ts";
import type { Recipe } from "../../src/recipe/recipe.ts";

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "tbuild-place-"));
});
afterEach(() => rm(out, { recursive: true }));

const template = asDigest("0123456789abcdef".repeat(4));
const recipe = {
  release: "ol6",
  domainType: "XEN_PVM",
  machine: { vcpus: 2, memory: 2048 },
  nics: ["public", "private"],
} as unknown as Recipe;
const published = { template, version: "1.0.1" };

interface Placed {
  readonly spec: VmSpec;
  readonly as: Parameters<TemplateKeeper["make"]>[1];
  readonly content: readonly string[];
}

/** A hypervisor that keeps templates, and a store with two disks. */
function world() {
  const made: Placed[] = [];
  const destroyed: string[] = [];
  const templates: TemplateKeeper = {
    find: async (label) => {
      const at = made.findIndex(({ as }) => as.label === label);
      return at < 0 ? undefined : `id${at}`;
    },
    async make(spec, as) {
      const files = spec.disks.flatMap(({ content }) => ("copyOf" in content ? content.copyOf : []));
      made.push({ spec, as, content: await Promise.all(files.map((file) => readFile(file, "utf8"))) });
      return `id${made.length - 1}`;
    },
  };
  const context = {
    id: "ol6-base-abc123",
    name: "ol6-base",
    folder: out,
    out,
    progress: () => {},
    report: () => {},
    signal: new AbortController().signal,
    hypervisor: { name: "it", templates, destroy: async (vm: string) => void destroyed.push(vm) },
    store: {
      get: async () => ({ disks: [{ name: "System" }, { name: "data" }] }),
      restoreDisk: (disk: StoredDisk, to: string) => writeFile(to, `the disk ${disk.name}`),
    },
  } as unknown as StepContext;
  return { context, made, destroyed };
}

describe("placing a template", () => {
  it("gives the hypervisor the published disks, the name, the version and the domain type", async () => {
    const { context, made } = world();
    const gives = await placeTemplate(recipe).run(context, published);
    expect(gives).toEqual({ placed: "id0", label: "ol6-base@1.0.1 tbuild-0123456789abcdef" });
    expect(made).toMatchObject([
      {
        as: { name: "ol6-base-1.0.1", label: gives.label, domainType: "XEN_PVM" },
        content: ["the disk System", "the disk data"],
        spec: {
          name: "ol6-base-abc123-template",
          vcpus: 2,
          memoryMib: 2048,
          nics: [{ network: "build" }, { network: "private" }],
          cdroms: [],
        },
      },
    ]);
    expect(existsSync(join(out, "disk0.img"))).toBe(false);
  });

  it("uses the template that a killed build completed", async () => {
    const { context, made } = world();
    const first = await placeTemplate(recipe).run(context, published);
    expect(await placeTemplate(recipe).run(context, published)).toEqual(first);
    expect(made).toHaveLength(1);
  });

  it("runs again if the hypervisor no longer has the template, and cleans up by the machine's name", async () => {
    const { context, made, destroyed } = world();
    const step = placeTemplate(recipe);
    const gives = await step.run(context, published);
    expect(await step.outdated?.(context, gives)).toBeUndefined();
    made.splice(0);
    expect(await step.outdated?.(context, gives)).toBe("the hypervisor no longer has the template");
    await step.cleanup?.(context);
    expect(destroyed).toEqual(["ol6-base-abc123-template"]);
  });
});
