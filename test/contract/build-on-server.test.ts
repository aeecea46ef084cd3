import { copyFile, mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BuildEvent } from "../../src/build/event.ts";
import { homeAt } from "../../src/build/home.ts";
import { Pipeline } from "../../src/build/pipeline.ts";
import { planOf } from "../../src/build/planned.ts";
import { runPipeline } from "../../src/build/run-pipeline.ts";
import { shipped } from "../../src/build/shipped.ts";
import type { BuildContext, Step } from "../../src/build/step.ts";
import { convertImage } from "../../src/build/steps/convert-image.ts";
import type { InstalledGuest } from "../../src/build/steps/install-guest.ts";
import type { KeptMaster } from "../../src/build/steps/keep-master.ts";
import { placeTemplate } from "../../src/build/steps/place-template.ts";
import type { PublishedTemplate } from "../../src/build/steps/publish-template.ts";
import { type SealedImage, sealImage } from "../../src/build/steps/seal-image.ts";
import { whereStepsWork } from "../../src/build/where-steps-work.ts";
import { passportFile } from "../../src/guest/passport.ts";
import { localHost } from "../../src/host/local.ts";
import { sleep } from "../../src/host/wait-for.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { openImageFile } from "../../src/image/open.ts";
import { openManager } from "../../src/manager/open.ts";
import type { ManagerObject } from "../../src/manager/simulator/manager-object.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";
import { asDigest } from "../../src/model/digest.ts";
import type { StoredDisk } from "../../src/model/disk.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import type { Recipe } from "../../src/recipe/recipe.ts";
import { Site } from "../../src/recipe/site.ts";
import { type Dom0, dom0Needs, startDom0 } from "../dom0.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk } from "../guest-image.ts";
import { optionsFor } from "../manager/open.ts";
import { sha256Of } from "./dirty-image.ts";
import { convertible, filesAt, traces } from "./disks-on-server.ts";

const host = localHost();
const isSlow = process.env.TBUILD_SLOW === "1";
const lacking = isSlow ? missing(...dom0Needs, "mke2fs") : "TBUILD_SLOW=1 runs it";
const template = asDigest("0123456789abcdef".repeat(4));

// The Manager is simulated. Its disks are files on a server that is reached over ssh and has kpartx.
describe.skipIf(lacking !== undefined)(
  `a build that converts on a server of Oracle VM${lacking ? ` — skipped: ${lacking}` : ""}`,
  () => {
    let dom0: Dom0;
    let recipe: Recipe;
    beforeAll(async () => {
      dom0 = await startDom0();
      recipe = (await loadRecipe(shipped.recipes, "ol6-base")).recipe;
    });
    afterAll(async () => dom0?.[Symbol.asyncDispose]());

    it("ends with a template in the Manager, which kpartx converted and sealed there, and leaves nothing else", async () => {
      await using bench = await started(dom0);
      const { simulator, context, events, master, disksFolder, scratch } = bench;
      const before = simulator.world.inventory();
      const digest = await sha256Of(master);
      const pipeline = steps(recipe, bench);
      const planned = await planOf(pipeline, context);
      expect(whereStepsWork(context, pipeline, planned, recipe)).toEqual([
        "place-template: on root@dom0, so the disk is copied there and back (up to 12 GiB, without its holes)",
        "convert-image, seal-image: by kpartx on root@dom0; each copies the system disk there and back; all other steps work on this machine",
      ]);

      let isOver = false;
      const seen = (async () => {
        let all = "";
        while (!isOver) {
          all += await traces(dom0);
          await sleep(200);
        }
        return all;
      })();
      const state = await runPipeline(pipeline, context).finally(() => {
        isOver = true;
      });
      expect(await seen).toContain("tbuild-mount");
      expect(state.converted.flatMap(({ done }) => done)).not.toEqual([]);
      expect(events.flatMap((event) => (event.type === "progress" ? event.text : []))).toEqual(
        expect.arrayContaining(["copying the image to root@dom0", "copying the image from root@dom0"]),
      );

      const { world } = simulator;
      const made = world.inventory().filter((one) => !before.includes(one));
      expect(made.map((one) => one.split(" ")[0]).filter((type) => type !== "Vnic")).toEqual([
        ...["VirtualDisk", "Vm", "VmDiskMapping"],
      ]);
      const vm = world.get("Vm", { name: "ol6-base-1.0.0" });
      expect(vm).toMatchObject({
        description: "ol6-base@1.0.0 tbuild-0123456789abcdef",
        is: { state: "TEMPLATE", domainType: "XEN_PVM" },
      });
      const [mapping] = world.all("VmDiskMapping").filter(({ is }) => is.vm === vm.id);
      const disk = join(disksFolder, String(mapping?.is.virtualDisk));
      await dom0.run("sync");
      expect(await sha256Of(disk)).toBe(await sha256Of(state.image));
      expect(await sha256Of(master)).toBe(digest);
      await using opened = await openImageFile(host, disk, { readOnly: true });
      expect(await opened.tree.text("/etc/sysconfig/ovmd")).toMatch(/^INITIAL_CONFIG=yes$/m);
      expect(await opened.tree.text(passportFile)).toContain('VERSION="1.0.0"');
      expect(await opened.tree.text("/boot/grub/grub.conf")).toContain("console=hvc0");
      expect(await traces(dom0)).toBe("");
      expect(await stat(scratch).catch(() => undefined)).toBeUndefined();
      expect(await readdir(disksFolder)).toHaveLength(1);
    }, 900_000);

    it("removes the image there if the step fails, and the next run finishes", async () => {
      await using bench = await started(dom0);
      const { hypervisor, scratch } = bench;
      const pipeline = steps(recipe, bench).upTo("convert-image");
      const lost = { ...hypervisor.bench, take: () => Promise.reject(new Error("the connection broke")) };
      const broken = { ...hypervisor, bench: lost } as Hypervisor;
      await expect(runPipeline(pipeline, { ...bench.context, hypervisor: broken })).rejects.toThrow(
        "the connection broke",
      );
      expect(await stat(scratch).catch(() => undefined)).toBeUndefined();
      const { converted = [] } = await runPipeline(pipeline, bench.context);
      expect(converted.length).toBeGreaterThan(0);
      expect(await stat(scratch).catch(() => undefined)).toBeUndefined();
      expect(await traces(dom0)).toBe("");
    }, 900_000);
  },
);

type Bench = Awaited<ReturnType<typeof started>>;

/** From a stored master to a template in the Manager, without the steps between that change no disk. */
function steps(recipe: Recipe, { published, masterDisk }: Pick<Bench, "published" | "masterDisk">) {
  const keepMaster: Step<object, KeptMaster & InstalledGuest> = {
    name: "keep-master",
    module: import.meta.url,
    describe: () => "store the unsealed master",
    inputs: () => ({}),
    run: async () => ({ master: template, masterDisk }) as KeptMaster & InstalledGuest,
  };
  const publish: Step<SealedImage, PublishedTemplate> = {
    name: "publish-template",
    module: import.meta.url,
    describe: () => "publish the template",
    inputs: () => ({}),
    async run(_, { image }) {
      published.image = image;
      return { template, version: "1.0.0" };
    },
  };
  return Pipeline.start()
    .step(keepMaster)
    .step(convertImage(recipe, "pvm"))
    .step(sealImage(recipe, { recipeText: "recipe" }))
    .step(publish)
    .step(placeTemplate({ ...recipe, domainType: "XEN_PVM" }));
}

async function started(dom0: Dom0) {
  const folder = join(dom0.folder, "build");
  const repositories = join(folder, "repositories");
  const fileOf = ({ id, is }: ManagerObject) => join(repositories, String(is.repository), "VirtualDisks", id);
  const simulator = await startSimulator({ settings: { version: "3.4.5.1919" }, backing: filesAt(fileOf) });
  const repository = simulator.world.get("Repository", { name: "repo1" }).id;
  const disksFolder = join(repositories, repository, "VirtualDisks");
  await mkdir(disksFolder, { recursive: true });
  const master = join(folder, "master.img");
  await extDisk(master, convertible);
  const options = optionsFor(simulator, { repository: "repo1" });
  const events: BuildEvent[] = [];
  const published = { image: "" };
  const access = {
    ...{ folder: ".", memory: join(folder, "memory"), environment: () => "Welcome1" },
    askSecret: async () => "Welcome1",
  };
  const site = {
    ...{ kind: "oracle-vm", servers: { ovs1: "root@dom0" }, sshConfig: dom0.sshConfig, repositories },
    ...{ networks: { build: "public" }, convertOn: "server" },
    addresses: { first: "10.0.7.200", gateway: "10.0.7.1", nameServer: "10.0.7.1" },
  };
  const hypervisor = await openHypervisor(host, site, {
    folder: join(folder, "records"),
    memory: join(folder, "memory"),
    manager: { options, open: () => openManager(options, access) },
  });
  const masterDisk = { name: "System" } as StoredDisk;
  const context = {
    ...{ id: "ol6-base-abc123", name: "ol6-base", rehearsal: false, folder: join(folder, "b"), tbuild: "0" },
    ...{
      home: homeAt(join(folder, "home")),
      host,
      hypervisor,
      site: Site.parse({}),
      environment: () => undefined,
    },
    store: {
      versions: async () => [],
      get: async () => ({ disks: [{ name: "published" }] }),
      restoreDisk: (disk: StoredDisk, to: string) =>
        copyFile(disk.name === "System" ? master : published.image, to),
    },
    records: { versions: async () => [] },
    report: (event: BuildEvent) => events.push(event),
    signal: new AbortController().signal,
  } as unknown as BuildContext;
  return {
    ...{ simulator, hypervisor, context, events, published, master, masterDisk, disksFolder },
    /** tbuild's folder in the repository. */
    scratch: join(dirname(disksFolder), "tbuild"),
    async [Symbol.asyncDispose]() {
      await simulator[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}
