import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { plan } from "../../src/build/build.ts";
import { examineMachine } from "../../src/build/doctor-machine.ts";
import { openSite } from "../../src/cli/open-site.ts";
import { makeProgram } from "../../src/cli/program.ts";
import type { TbuildError } from "../../src/errors.ts";
import type { HypervisorKind } from "../../src/hypervisor/hypervisor.ts";
import { hypervisors } from "../../src/hypervisor/table.ts";
import { siteSchema } from "../../src/recipe/json-schema.ts";
import { siteReference } from "../../src/recipe/reference.ts";
import { Site } from "../../src/recipe/site.ts";

// The one line that a new hypervisor needs.
vi.mock(import("../../src/hypervisor/table.ts"), async (original) => {
  const { hypervisors } = await original();
  const { cloud } = await import("../fakes/cloud.ts");
  return { hypervisors: { ...hypervisors, cloud: async () => cloud as unknown as HypervisorKind } };
});

describe("a hypervisor with a line in the table", () => {
  let folder: string;
  const repository = resolve(import.meta.dirname, "../..");
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-table-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function siteOf(text: string) {
    await writeFile(join(folder, "site.yaml"), text);
    const program = makeProgram();
    program.setOptionValue("home", join(folder, "home"));
    program.setOptionValue("recipes", join(repository, "recipes"));
    program.setOptionValue("site", join(folder, "site.yaml"));
    return openSite(program);
  }

  it("is in the schema and the documents, with its own keys", () => {
    const kinds = siteSchema().properties?.hypervisor?.oneOf ?? [];
    expect(kinds.at(-1)?.properties?.kind?.const).toBe("cloud");
    expect(kinds).toHaveLength(Object.keys(hypervisors).length);
    expect(kinds.at(-1)?.required).toContain("bridge");
    expect(siteReference()).toContain(
      "| hypervisor.kind | `cloud` |  | machines in a cloud, for this test |",
    );
    expect(siteReference()).toContain(
      "| **hypervisor.bridge** | string |  | The bridge of the network `build`. |",
    );
  });

  it("is in the help", () => {
    expect(makeProgram().helpInformation().replace(/\s+/g, " ")).toContain(
      `one of: ${Object.keys(hypervisors).join(", ")} `,
    );
  });

  it("is what a site opens, and only with its own keys", async () => {
    expect(Site.parse({}).hypervisor).toEqual({ kind: "qemu", accelerator: "auto", patience: 1 });
    expect((await siteOf("hypervisor: { kind: cloud, bridge: br0 }\n")).hypervisor.name).toBe("cloud on br0");
    const refused = (text: string) =>
      siteOf(text).then(
        () => expect.fail("it was taken"),
        (error) => (error as TbuildError).lines.join("\n"),
      );
    expect(await refused("hypervisor: { kind: cloud }\n")).toContain("hypervisor.bridge: is missing");
    expect(await refused("hypervisor: { kind: cloud, bridge: a, sshPort: 3 }\n")).toContain(
      "hypervisor.sshPort: no such key",
    );
    expect(await refused("hypervisor: { kind: clout }\n")).toContain(
      'hypervisor.kind: "clout" is not an allowed value; did you mean "cloud"?',
    );
    expect(await refused("hypervisor: { brigde: a, kind: cloud }\n")).toContain('did you mean "bridge"?');
  });

  it("is examined by doctor", async () => {
    const opened = await siteOf("hypervisor: { kind: cloud, bridge: br0 }\n");
    const signal = new AbortController().signal;
    const found = await examineMachine(opened, signal);
    expect(found).toContainEqual({ what: "cloud", ok: false, text: "br0 is away" });
    expect(found.map(({ what }) => what)).not.toContain("machines");
  });

  it("decides by its channel whether a plan has a boot trial", async () => {
    const steps = async (site: string, rehearse: boolean, noTrial = false) => {
      const opened = await siteOf(site);
      const planned = await plan(opened, { name: "ol6-base", rehearse, fresh: false, noTrial });
      return { has: planned.steps.some(({ step }) => step === "boot-trial"), notes: planned.notes };
    };
    const ofCloud = "hypervisor: { kind: cloud, bridge: br0 }\n";
    expect(await steps(ofCloud, false)).toEqual({ has: true, notes: [] });
    expect(await steps(ofCloud, true)).toEqual({
      has: false,
      notes: [
        "no boot trial: cloud on br0 has no channel for the first-boot messages of tbuild's guest additions; the image is audited, but not booted",
      ],
    });
    expect((await steps("{}\n", true)).has).toBe(true);
    expect(await steps("{}\n", true, true)).toEqual({
      has: false,
      notes: ["no boot trial: --no-trial; the image is audited, but not booted"],
    });
    expect((await steps("{}\n", false)).has).toBe(false);
  });
});
