import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plan } from "../../src/build/build.ts";
import { openResults } from "../../src/build/cache/results.ts";
import { gather } from "../../src/build/gather.ts";
import { homeAt } from "../../src/build/home.ts";
import type { OpenedSite } from "../../src/build/opened-site.ts";
import { localHost } from "../../src/host/local.ts";
import type { StoredDisk } from "../../src/model/disk.ts";
import { type Manifest, manifestDigest } from "../../src/model/manifest.ts";
import { assignment } from "../../src/recipe/merge.ts";
import { Site } from "../../src/recipe/site.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { sampleManifest } from "../manifest-sample.ts";

const repository = resolve(import.meta.dirname, "../..");
const disk = {
  name: "System",
  bytes: 1 << 30,
  dataBytes: 1,
  digest: `sha256:${"d".repeat(64)}`,
} as StoredDisk;
const base = (changes: Partial<Manifest> = {}) =>
  sampleManifest(disk, { name: "ol6-base-rehearsal", rehearsal: true, ...changes });

describe("a recipe that starts from a template", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "tbuild-base-"));
    for (const folder of ["recipes", "kickstart"])
      await cp(join(repository, folder), join(root, folder), { recursive: true });
    await writeFile(join(root, "recipes/app.yaml"), "extends: ol6-base\nname: app\nfrom: ol6-base\n");
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  function opened(
    manifests: readonly Manifest[],
    settings: readonly string[] = [],
    revoked?: string,
  ): OpenedSite {
    const said = {
      channel: async (_name: string, channel: string) =>
        channel === "stable"
          ? { version: "1.0.0", digest: manifestDigest(manifests[0] as Manifest) }
          : undefined,
      tags: async () => ({}),
      revocations: async () =>
        new Map(revoked === undefined ? [] : [[revoked, { since: "2026", reason: "it leaks" }]]),
      versions: async () => [],
      find: async () => undefined,
    };
    return {
      home: homeAt(join(root, "home")),
      host: localHost(),
      hypervisor: { name: "test", domainTypes: ["hvm"], messages: { reaches: ["tbuild"] } },
      store: memoryStore(manifests),
      records: said,
      site: Site.parse({}),
      results: openResults(() => expect.fail("no recipe names a registry")),
      recipes: join(root, "recipes"),
      kickstarts: join(root, "kickstart"),
      values: settings.flatMap((setting) => assignment(setting, "--set") ?? []),
      environment: () => undefined,
      tbuild: "0.1.0",
    } as unknown as OpenedSite;
  }

  const request = { name: "app", rehearse: true, fresh: false };
  const firstOf = async (...given: Parameters<typeof opened>) => {
    const { steps } = await plan(opened(...given), request);
    return steps.map(({ step, text }) => `${step}: ${text}`);
  };

  it("installs nothing, and uses the newest version or the named one", async () => {
    const all = [base(), base({ version: "1.1.0" })];
    const steps = await firstOf(all);
    expect(steps[0]).toBe("take-base: start from ol6-base-rehearsal@1.1.0");
    expect(steps[1]).toMatch(/^provision-guest/);
    expect((await firstOf(all, ["from=ol6-base@1.0.0"]))[0]).toContain("@1.0.0");
    expect((await firstOf(all, ["from=ol6-base@stable"]))[0]).toContain("@1.0.0");
    expect((await firstOf(all, [], "1.1.0"))[0]).toContain("@1.0.0");
  });

  it("makes further templates, each from the same master", async () => {
    const place = opened([base()], ["convert=[{ to: kvm, bundles: [qcow2] }]"]);
    const own = await plan(place, request);
    expect(own.further).toEqual(["kvm"]);
    const kvm = await plan(place, { ...request, to: "kvm" });
    expect(kvm.id).toMatch(/^app-kvm-rehearsal-/);
    const shared = own.steps.findIndex(({ step }) => step === "convert-image");
    expect(kvm.steps.slice(0, shared)).toEqual(own.steps.slice(0, shared));
    expect(kvm.steps[0]?.text).toBe("start from ol6-base-rehearsal@1.0.0");
    expect(kvm.steps[shared]?.text).toContain("to kvm");
    expect(kvm.steps.find(({ step }) => step === "pack-bundles")?.text).toContain("qcow2");
  });

  it("runs again for a new version of the base, and not for settings of the installer", async () => {
    const inputs = async (...given: Parameters<typeof opened>) =>
      (await gather(opened(...given), request)).base?.inputs({});
    const usual = await inputs([base()]);
    expect(usual).toMatchObject({ base: manifestDigest(base()) });
    expect(await inputs([base()], ["lang=de_CH.UTF-8"])).toEqual(usual);
    expect(await inputs([base(), base({ version: "1.0.1" })])).not.toEqual(usual);
  });

  it.each([
    ["no such base", [], [], "no such template", "tbuild recipe ol6-base --rehearse"],
    [
      "another release",
      [base({ release: { name: "Oracle Linux 7.9", major: 7, update: 9 } })],
      [],
      "is Oracle Linux 7.9",
      "start from another template",
    ],
    [
      "no known release",
      [base({ release: { name: "unknown", major: 0, update: 0 } })],
      [],
      "its release was not",
      "template show",
    ],
    ["several disks", [base({ disks: [disk, disk] })], [], "has 2 disks", "one disk"],
    ["a revoked version", [base()], ["from=ol6-base@1.0.0"], "is revoked: it leaks", "another version"],
  ] as const)("is refused before the first step: %s", async (what, manifests, settings, message, hint) => {
    const revoked = what === "a revoked version" ? "1.0.0" : undefined;
    await expect(plan(opened(manifests, settings, revoked), request)).rejects.toMatchObject({
      fault: "usage",
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });

  it("is refused if only its base is a rehearsal, or if the installer would provision it", async () => {
    const [from] = [["from=ol6-base-rehearsal"]];
    await expect(plan(opened([base()], from), { ...request, rehearse: false })).rejects.toThrow(
      "is a rehearsal",
    );
    const real = opened([base({ rehearsal: false })]);
    await expect(plan(real, request)).rejects.toThrow("is not a rehearsal");
    const post = plan(opened([base()], ["provision=post"]), request);
    await expect(post).rejects.toMatchObject({
      lines: [expect.stringContaining("installs nothing; use ssh")],
    });
  });
});
