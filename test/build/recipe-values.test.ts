import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { plan } from "../../src/build/build.ts";
import { openResults } from "../../src/build/cache/results.ts";
import { checkpointKey, parentOf } from "../../src/build/checkpoints.ts";
import { gather } from "../../src/build/gather.ts";
import { homeAt } from "../../src/build/home.ts";
import type { OpenedSite } from "../../src/build/opened-site.ts";
import { type AnyStep, allInputs } from "../../src/build/pipeline.ts";
import { prove } from "../../src/build/preflight.ts";
import { planTemplate } from "../../src/build/template.ts";
import { localHost } from "../../src/host/local.ts";
import type { StoredDisk } from "../../src/model/disk.ts";
import { assignment } from "../../src/recipe/merge.ts";
import { Recipe } from "../../src/recipe/recipe.ts";
import { Site } from "../../src/recipe/site.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { sampleManifest } from "../manifest-sample.ts";

const repository = resolve(import.meta.dirname, "../..");

/** The first step that changes with a value: `key=value`, as for `--set`, on the recipe below. */
const shaped: Readonly<Record<string, readonly (readonly [setting: string, step: string])[]>> = {
  name: [["name=another", "keep-master"]],
  version: [["version=2.0.0", "keep-master"]],
  summary: [["summary=another", "pack-bundles"]],
  release: [["release=ol7; update=9; domainType=XEN_HVM", "fetch-medium"]],
  update: [["update=9", "fetch-medium"]],
  iso: [
    [`iso.sha256=${"a".repeat(64)}`, "fetch-medium"],
    ["iso.bytes=4711", "fetch-medium"],
    ["iso.volumeId=ANOTHER", "fetch-medium"],
    // A disc's file name changes no step; the manifest still has it.
    ["iso.file=another.iso", "pack-bundles"],
  ],
  from: [["from=ol6-other", "take-base"]],
  kickstart: [["kickstart=other", "install-guest"]],
  machine: [
    ["machine.vcpus=3", "keep-master"],
    ["machine.memory=3G", "keep-master"],
    ["machine.disk=23G", "install-guest"],
    ["machine.firmware=uefi", "install-guest"],
  ],
  layout: [
    ["layout.0.size=600M", "install-guest"],
    ["layout.0.options=nodev", "install-guest"],
    ["layout.2.volume=another", "install-guest"],
    ["layout.3.mount=/opt", "install-guest"],
    ["layout.2.fs=ext3", "install-guest"],
    ["layout.2.grow=true", "install-guest"],
  ],
  volumeGroup: [["volumeGroup=another", "install-guest"]],
  disks: [
    ["disks.0.size=3G", "provision-guest"],
    ["disks.0.fs=ext3", "provision-guest"],
    ["disks.0.mount=/other", "provision-guest"],
    ["disks.0.options=nodev", "provision-guest"],
  ],
  nics: [
    ["nics=[public]", "install-guest"],
    ["nics=[public, storage]", "keep-master"],
  ],
  lang: [["lang=de_CH.UTF-8", "install-guest"]],
  keyboard: [["keyboard=de", "install-guest"]],
  timezone: [["timezone=Europe/Zurich", "install-guest"]],
  ntp: [["ntp=[ntp.example]", "install-guest"]],
  selinux: [["selinux=enforcing", "install-guest"]],
  firewall: [["firewall=false", "install-guest"]],
  ports: [["ports=['1521:tcp']", "install-guest"]],
  kernel: [["kernel=rhck", "install-guest"]],
  kernelArguments: [["kernelArguments=[quiet]", "install-guest"]],
  repositories: [
    ["repositories.0.name=another", "provision-guest"],
    ["repositories.0.id=another", "provision-guest"],
    ["repositories.0.url=https://yum.example/", "provision-guest"],
    ["repositories.0.gpgKey=https://yum.example/key", "provision-guest"],
    ["repositories.0.enabled=false", "provision-guest"],
    ["repositories.0.proxy=http://proxy.example:3128", "provision-guest"],
  ],
  additions: [
    ["additions.packages+=more", "provision-guest"],
    ["additions.repository=ol6_latest", "provision-guest"],
  ],
  firstBoot: [["firstBoot.detect=mac", "provision-guest"]],
  packages: [
    ["packages.base+=more", "install-guest"],
    ["packages.exclude+=more", "install-guest"],
    ["packages.install+=more", "provision-guest"],
    ["packages.remove+=more", "provision-guest"],
  ],
  provision: [["provision=post; disks=[]", "install-guest"]],
  groups: [
    ["groups.0.gid=777", "provision-guest"],
    ["groups.0.name=another; users.0.group=another", "provision-guest"],
  ],
  users: [
    ["users.0.uid=777", "provision-guest"],
    ["users.0.name=another", "provision-guest"],
    ["users.0.group=users", "provision-guest"],
    ["users.0.groups=[users]", "provision-guest"],
    ["users.0.home=/srv/home", "provision-guest"],
    ["users.0.password.env=ANOTHER", "provision-guest"],
    ["users.1.password.file=other-secret", "provision-guest"],
  ],
  folders: [
    ["folders.0.mode='0700'", "provision-guest"],
    ["folders.0.path=/srv/other", "provision-guest"],
    ["folders.0.owner=shop", "provision-guest"],
    ["folders.0.group=shop", "provision-guest"],
  ],
  files: [
    ["files.0.content=another", "provision-guest"],
    ["files.0.mode='0600'", "provision-guest"],
    ["files.0.path=/etc/other", "provision-guest"],
    ["files.0.owner=shop", "provision-guest"],
    ["files.0.group=shop", "provision-guest"],
    ["files.1.from=other-secret", "provision-guest"],
  ],
  scripts: [
    ["scripts.0.run=another", "provision-guest"],
    ["scripts.0.name=another", "provision-guest"],
    ["scripts.1.from=other-secret", "provision-guest"],
  ],
  services: [
    ["services.enable+=more", "provision-guest"],
    ["services.disable+=more", "provision-guest"],
  ],
  modules: [["modules=[]", "inject-modules"]],
  target: [["target=ovm-3.4.2", "pack-bundles"]],
  domainType: [["domainType=XEN_HVM", "provision-guest"]],
  seal: [
    ["seal.how=online", "seal-image"],
    ["seal.skip=[logs]", "seal-image"],
    ["seal.keep=[/etc/issue]", "seal-image"],
  ],
  allowUnfit: [["allowUnfit=true", "audit-image"]],
  bundles: [["bundles=[ova]", "pack-bundles"]],
  convert: [["convert=[{ to: kvm, bundles: [raw] }]", "pack-bundles"]],
  trial: [
    ["trial.clones=1", "boot-trial"],
    ["trial.messages.x=y", "boot-trial"],
    ["trial.checks=[['true']]", "boot-trial"],
  ],
};

const text = `extends: ol6-base
name: whole
version: 1.0.0
summary: has a value of each kind
machine: { vcpus: 2, memory: 2G, disk: 20G }
layout:
  - { mount: /boot, fs: ext3, size: 500M }
  - { mount: swap, fs: swap, size: 1G }
  - { mount: /, fs: ext4, size: 8G, volume: root }
  - { mount: /var, fs: ext4, size: 1G, volume: var }
disks: [{ size: 2G, fs: ext4, mount: /data }]
nics: [public, interconnect]
groups: [{ name: shop, gid: 700 }]
users: [{ name: shop, uid: 700, group: shop, password: { env: SHOP } }, { name: till, uid: 701, group: shop, password: { file: secret } }]
folders: [{ path: /srv/shop }]
files: [{ path: /etc/shop, content: shop }, { path: /etc/till, from: secret }]
scripts: [{ name: shop, run: "true" }, { name: till, from: secret }]
services: { enable: [shop], disable: [other] }
modules: [grid]
domainType: XEN_PVM
`;

/** Only a guest that is not for Oracle VM may have it. */
const firmware = "machine.firmware=uefi";
const paths = Object.values(shaped).flat();
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-values-"));
  for (const folder of ["recipes", "kickstart"])
    await cp(join(repository, folder), join(root, folder), { recursive: true });
  await cp(join(root, "kickstart/ol6.ks.hbs"), join(root, "kickstart/other.ks.hbs"));
  await writeFile(join(root, "kickstart/other.ks.hbs"), "\n# another\n", { flag: "a" });
  await writeFile(join(root, "recipes/whole.yaml"), text);
  for (const file of ["secret", "other-secret"]) await writeFile(join(root, "recipes", file), `${file}\n`);
});
afterAll(() => rm(root, { recursive: true, force: true }));

function opened(settings: readonly string[] = []): OpenedSite {
  const values = settings.flatMap((setting) => assignment(setting, "--set") ?? []);
  const other = sampleManifest({} as StoredDisk, { name: "ol6-other" });
  const store = { ...memoryStore([other]), get: async () => ({}) } as unknown as OpenedSite["store"];
  return {
    home: homeAt(join(root, "home")),
    host: localHost(),
    hypervisor: {
      name: "test",
      domainTypes: ["hvm"],
      messages: { reaches: ["tbuild"] },
    } as unknown as OpenedSite["hypervisor"],
    store,
    records: {
      has: async () => true,
      versions: async () => [],
      find: async () => undefined,
      channel: async () => undefined,
      revocations: async () => new Map(),
      tags: async () => ({}),
    } as unknown as OpenedSite["records"],
    openRegistry: () => expect.fail("no recipe names a registry"),
    results: openResults(() => expect.fail("no recipe names a registry")),
    site: Site.parse({}),
    recipes: join(root, "recipes"),
    kickstarts: join(root, "kickstart"),
    values,
    environment: () => undefined,
    tbuild: "0.1.0",
  };
}

/** Stores a result of each step of the recipe, as a build does. */
async function keepAll(rehearse: boolean, name = "whole", settings: readonly string[] = []): Promise<void> {
  const made = await gather(opened(settings), { name, rehearse });
  const { checkpoints } = opened().home;
  const medium = { file: join(root, "recipes/whole.yaml") };
  let parent: string | undefined;
  for (const stage of planTemplate(made, rehearse ? "hvm" : undefined).stages) {
    const kept: { id: string }[] = [];
    for (const step of stage) kept.push({ id: await keep(step) });
    parent = parentOf(kept);
  }

  async function keep(step: AnyStep): Promise<string> {
    const { id, out } = await checkpoints.begin();
    const gives = {
      medium,
      standInsDigest: "none",
      draft: { bundles: [] },
      passwords: {},
      bundleFolder: out,
      template: "t",
    };
    const inputs = await allInputs(step, gives);
    const key = checkpointKey(step.name, inputs, parent);
    const named = {
      id,
      key,
      recipe: name,
      step: step.name,
      inputs,
      parent,
      maker: "",
      hosts: {},
      ms: 1,
      gives,
    };
    await checkpoints.keep(out, { ...named, made: new Date().toISOString() });
    return id;
  }
}

type Schema = z.core.JSONSchema.BaseSchema;

/** The keys with a value, such as `machine.vcpus`; `*` stands for a key that the recipe chooses. */
function leavesOf(schema: Schema, path: readonly string[]): string[] {
  const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  const below =
    choices.length > 0
      ? choices.flatMap((one) => leavesOf(one, path))
      : typeof schema.items === "object" && !Array.isArray(schema.items)
        ? leavesOf(schema.items as Schema, path)
        : Object.entries(schema.properties ?? {}).flatMap(([key, one]) =>
            leavesOf(one as Schema, [...path, key]),
          );
  if (typeof schema.additionalProperties === "object")
    below.push(...leavesOf(schema.additionalProperties, [...path, "*"]));
  return below.length > 0 ? [...new Set(below)] : [path.join(".")];
}

async function firstToRun(setting: readonly string[], rehearse: boolean, name = "whole") {
  const { steps } = await plan(opened(setting), { name, rehearse, fresh: false });
  return steps.find((step) => !step.kept);
}

describe("every value of a recipe", () => {
  it("is in the table", () => {
    expect(Object.keys(shaped).sort()).toEqual(Object.keys(Recipe.shape).sort());
  });

  it("is in it with each possible key", () => {
    const keys = paths.flatMap(([setting]) =>
      setting.split("; ").flatMap((one) => {
        const [, path = "", value = ""] = /^([^+=]+)\+?=(.*)$/.exec(one) ?? [];
        const plain = path.replace(/\.\d+/g, "");
        const inner = [...value.matchAll(/[{,] ?(\w+):/g)].map(([, key]) => `${plain}.${key}`);
        return [plain, ...inner];
      }),
    );
    const lacking = leavesOf(z.toJSONSchema(Recipe, { unrepresentable: "any", io: "input" }), []).filter(
      (leaf) => !keys.some((key) => new RegExp(`^${leaf.replace("*", "[^.]+")}$`).test(key)),
    );
    expect(lacking).toEqual([]);
  });

  it("changes the step that the table says, and the plan names it", async () => {
    const wrong: string[] = [];
    for (const rehearse of [false, true]) {
      await rm(opened().home.checkpoints.folder, { recursive: true, force: true });
      await keepAll(rehearse);
      expect(await firstToRun([], rehearse)).toBeUndefined();
      for (const [setting, step] of paths) {
        // Only a rehearsal has a trial.
        if (rehearse !== setting.startsWith("trial.") || setting === firmware) continue;
        const found = await firstToRun(setting.split("; "), rehearse).catch((error) => ({
          step: `${error.message} ${error.lines}`,
          why: ["refused"],
        }));
        if (found?.step !== step || found.why.length === 0)
          wrong.push(`${setting}: ${step} and not ${found?.step} (${found?.why})`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it("changes it for a machine with UEFI, which Oracle VM does not have", async () => {
    await rm(opened().home.checkpoints.folder, { recursive: true, force: true });
    await writeFile(
      join(root, "recipes/modern.yaml"),
      "extends: ol8-kvm\nname: modern\nversion: 1.0.0\nbundles: [qcow2]\n",
    );
    await keepAll(false, "modern");
    expect(await firstToRun([], false, "modern")).toBeUndefined();
    expect(await firstToRun([firmware], false, "modern")).toMatchObject({ step: "install-guest" });
  });
});

describe("a build without a trial", () => {
  it("keeps a finished trial, and plans the rest without one", async () => {
    const request = { name: "whole", rehearse: true, noTrial: true };
    const trialOf = async (fresh: boolean) => {
      const { steps, notes } = await plan(opened([]), { ...request, fresh });
      return [steps.find(({ step }) => step === "boot-trial")?.kept, notes.join().includes("--no-trial")];
    };
    await rm(opened().home.checkpoints.folder, { recursive: true, force: true });
    expect(await trialOf(false)).toEqual([undefined, true]);
    await keepAll(true);
    expect(await trialOf(false)).toEqual([true, false]);
    expect(await trialOf(true)).toEqual([undefined, true]);
  });
});

describe("a further conversion of a recipe", () => {
  it("starts from the recipe's master, and is a separate template", async () => {
    await rm(opened().home.checkpoints.folder, { recursive: true, force: true });
    const setting = ["convert=[{ to: kvm, bundles: [libvirt] }, { to: hvm, bundles: [ova] }]"];
    await keepAll(true, "whole", setting);
    const request = { name: "whole", rehearse: true, fresh: false };
    const own = await plan(opened(setting), request);
    expect([own.further, own.steps.every(({ kept }) => kept)]).toEqual([["kvm", "hvm"], true]);
    const kvm = await plan(opened(setting), { ...request, to: "kvm" });
    expect(kvm.id).toMatch(/^whole-kvm-rehearsal-/);
    expect(kvm.further).toEqual([]);
    const steps = kvm.steps.map(({ step, kept }) => [step, kept]);
    expect(steps.slice(3, 7)).toEqual([
      ["inject-modules", true],
      ["keep-master", true],
      ["convert-image", false],
      ["seal-image", false],
    ]);
    const { made } = await gather(opened(setting), { ...request, to: "kvm" });
    expect(made).toMatchObject({
      mode: "kvm",
      recipe: { name: "whole-kvm", domainType: "XEN_HVM", bundles: ["libvirt"], convert: [] },
    });
  });
});

describe("what cannot be built is refused before the first step", () => {
  const request = (name: string, rehearse: boolean) => ({ name, rehearse, fresh: false });
  const fault = async (...requests: ReturnType<typeof request>[]) =>
    prove(opened(), requests).then(
      () => undefined,
      (error) => error,
    );

  it("a missing recipe, a missing disc and a name that is taken", async () => {
    const error = await fault(
      request("ol6-base", false),
      request("nosuch", false),
      request(join(root, "recipes/ol6-base.yaml"), false),
    );
    expect(error.message).toBe("3 of 3 recipes cannot be built");
    const lines = error.lines.join("\n");
    expect(lines).toContain("OracleLinux-R6-U10-Server-x86_64-dvd.iso: not in");
    expect(lines).toContain("nosuch: no such recipe");
    expect(lines).toContain("ol6-base have the same name, ol6-base");
  });

  it("a rehearsal of a release without one, also by a plan", async () => {
    const words = "ol8-base: there is no rehearsal medium for ol8";
    expect((await fault(request("ol8-base", true))).message).toBe(words);
    await expect(plan(opened(), request("ol8-base", true))).rejects.toThrow(words);
  });

  it("a missing password", async () => {
    expect((await fault({ ...request("whole", true), fresh: true })).message).toBe(
      "the password of shop: there is no environment variable SHOP",
    );
  });
});
