import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { openResults } from "../build/cache/results.ts";
import { homeAt } from "../build/home.ts";
import type { OpenedSite } from "../build/opened-site.ts";
import { TbuildError } from "../errors.ts";
import { localHost } from "../host/local.ts";
import type { ManagerAccess } from "../hypervisor/hypervisor.ts";
import { openHypervisor } from "../hypervisor/open.ts";
import { reasonOf } from "../io/file-fault.ts";
import { refuse } from "../recipe/findings.ts";
import { type Located, plain, readYaml } from "../recipe/located.ts";
import { assigned, assignment } from "../recipe/merge.ts";
import { shapeFindings } from "../recipe/shape.ts";
import { Site } from "../recipe/site.ts";
import type { RegistryOpener } from "../store/exchange/oci/registry.ts";
import { folderStore } from "../store/folder/folder-store.ts";
import { readCatalog, warningsOf } from "../store/records/catalog.ts";
import { finder } from "../store/records/finder.ts";
import { recordsIn } from "../store/records/records.ts";
import { askSecret } from "./ask-secret.ts";
import { readValues } from "./values.ts";
import { version } from "./version.ts";

interface SiteFlags {
  readonly home: string;
  readonly site: string;
  readonly recipes: string;
  readonly set?: readonly string[];
  readonly varFile?: readonly string[];
}

/** Opens the site: host, hypervisor and store, as configured in the site file, or this machine's defaults. */
export async function openSite(command: Command): Promise<OpenedSite> {
  const options = command.optsWithGlobals<SiteFlags>();
  const given = command.getOptionValueSourceWithGlobals("site") !== "default";
  const { site, located } = await readSite(options.site, given);
  const home = homeAt(resolve(options.home), {
    store: site.store && resolve(site.store),
    isoFolder: site.isoFolder && resolve(site.isoFolder),
  });
  const host = localHost();
  const recipes = resolve(options.recipes);
  const openRegistry: RegistryOpener = async (reference, given) => {
    const { registryOf } = await import("./open-registry.ts");
    return registryOf(host, reference, given);
  };
  const hypervisor = await openHypervisor(host, site.hypervisor, {
    folder: home.machines,
    memory: home.memory,
    ...managerAccess(site, home.memory),
  });
  return {
    home,
    host,
    hypervisor,
    store: folderStore(host, home.store, home.index),
    records: recordsIn(
      host,
      join(recipes, ".."),
      site.signingKey && resolve(site.signingKey.replace(/^~(?=\/)/, homedir())),
      home.index,
    ),
    openRegistry,
    results: openResults(openRegistry),
    site,
    recipes,
    kickstarts: join(recipes, "..", "kickstart"),
    values: [
      ...siteValues(located),
      ...environmentValues(),
      ...(await Promise.all((options.varFile ?? []).map(fileValues))).flat(),
      ...givenValues(options.set ?? []),
    ],
    environment: (name) => process.env[name],
    tbuild: version(),
  };
}

/** The Manager for a hypervisor that works through it. */
export function managerAccess(
  { manager }: Pick<Site, "manager">,
  memory: string,
): { readonly manager?: ManagerAccess } {
  if (!manager) return {};
  return {
    manager: {
      options: manager,
      async open() {
        const { openManager } = await import("../manager/open.ts");
        const environment = (name: string) => process.env[name];
        return openManager(manager, { environment, folder: ".", memory, askSecret });
      },
    },
  };
}

/** The site, and all versions in its store and the recipe repo. */
export async function openCatalog(command: Command) {
  const opened = await openSite(command);
  return { ...opened, catalog: await readCatalog(opened.store, opened.records) };
}

/** The site, and one version of a template, given as `name`, `name@1.2.3`, `name@stable` or `name@<tag>`. */
export async function openFound(command: Command, ref: string) {
  const opened = await openSite(command);
  const find = finder(opened.store, opened.records);
  return { ...opened, find, entry: await find.find(ref) };
}

/** A version whose disks are in the store, named as for `openFound`. Prints its warnings. */
export async function openTemplate(command: Command, ref: string) {
  const site = await openFound(command, ref);
  const { entry, find } = site;
  const { name, version } = entry.manifest;
  if (!entry.here)
    throw new TbuildError("environment", `${name}@${version}: its disk is missing from this store`, {
      hint: "Pull or import it first.",
    });
  for (const warning of [...(await find.passedOver(ref, entry)), ...warningsOf(entry)])
    process.stderr.write(`warning: ${warning}\n`);
  return { ...site, template: entry.manifest };
}

// Without a site file, the defaults for this machine apply. A file that was named must exist.
async function readSite(file: string, given: boolean): Promise<{ site: Site; located?: Located }> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" && !given) return undefined;
    throw new TbuildError(
      error.code === "ENOENT" ? "usage" : "environment",
      `${error.code === "ENOENT" ? "no such site file" : `cannot be read: ${reasonOf(error)}`}`,
      { subject: file, cause: error },
    );
  });
  if (text === undefined) return { site: Site.parse({}) };
  const located = readYaml(file, text);
  const result = Site.safeParse(plain(located) ?? {});
  if (!result.success) refuse(file, shapeFindings(Site, result.error, located));
  return { site: Site.parse(plain(located) ?? {}), located };
}

function siteValues(site: Located | undefined): Located[] {
  const set = site?.kind === "map" ? site.entries.get("set") : undefined;
  return set?.kind === "map" ? assignedValues(set) : [];
}

/** The values of a file for `--var-file`: keys as of `set` in a site, or nested as in a recipe. */
async function fileValues(file: string): Promise<Located[]> {
  const { shown, values } = await readValues(file);
  if (values.kind === "map") return assignedValues(values);
  throw new TbuildError("usage", "not a file of recipe values", {
    subject: shown,
    hint: "Write a YAML file of keys and values, for example machine.memory: 4G",
  });
}

function assignedValues({ entries }: Located & { readonly kind: "map" }): Located[] {
  return [...entries].map(([key, value]) => assigned(key, value));
}

/** `TBUILD_SET_machine__memory=4G`: two underscores replace the dot, which is not allowed in names of variables. */
function environmentValues(): Located[] {
  const prefix = "TBUILD_SET_";
  return Object.keys(process.env)
    .filter((name) => name.startsWith(prefix))
    .sort()
    .flatMap((name) => {
      const key = name.slice(prefix.length).replaceAll("__", ".");
      return assignment(`${key}=${process.env[name]}`, name) ?? [];
    });
}

function givenValues(given: readonly string[]): Located[] {
  return given.map((text) => {
    const value = assignment(text, `--set ${text.replace(/\+?=[\s\S]*/, "")}`);
    if (value) return value;
    throw new TbuildError("usage", `--set ${text}: not key=value`, {
      hint: "For example --set machine.memory=4G or --set packages.install+=strace.",
    });
  });
}
