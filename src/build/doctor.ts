import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { TbuildError } from "../errors.ts";
import type { Examined } from "../hypervisor/hypervisor.ts";
import { downloadAll } from "../io/download.ts";
import { type ProxyFor, proxiesOf } from "../io/proxies.ts";
import { amount } from "../io/units.ts";
import { usedRepositories, wantedPackages } from "../provision/yum.ts";
import { discOf } from "../recipe/discs.ts";
import { suggestion } from "../recipe/findings.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { mediumFolder } from "../recipe/repositories.ts";
import { makeRehearsalMedium } from "../rehearsal/medium.ts";
import { baseOf } from "./base/base-of.ts";
import { discContents, packagesFromDisc } from "./disc-contents.ts";
import { type OpenedSite, recipeOf } from "./opened-site.ts";
import { kickstartOf } from "./recipe-kickstart.ts";
import { rehearsalRelease } from "./rehearsal-release.ts";
import { type RepositoryContents, readRepository } from "./repository-metadata.ts";
import { Passwords } from "./secrets.ts";

/** Checks the external inputs of a build before it starts: kickstart, disc, repositories, packages. */
export async function examine(
  opened: OpenedSite,
  name: string,
  options: { readonly rehearse: boolean; readonly signal: AbortSignal; progress(text: string): void },
): Promise<Examined[]> {
  const { recipe, file } = await recipeOf(opened, name);
  const places = await placesOf(opened, recipe, options);
  const contents = new Map<string, RepositoryContents>();
  const repositories: Examined[] = [];
  for (const [id, place] of places) {
    options.progress(`reading ${id}`);
    try {
      const { signal } = options;
      const found = await readRepository(place.url, opened.host, {
        signal,
        ...(place.proxy && { proxy: place.proxy }),
        proxyFor: proxiesOf(opened.environment),
      });
      contents.set(id, found);
      repositories.push({
        what: `repository ${id}`,
        ok: true,
        text: `${place.url}: ${found.packages} packages`,
      });
    } catch (error) {
      if (!(error instanceof TbuildError)) throw error;
      repositories.push({ what: `repository ${id}`, ok: false, text: error.message });
    }
  }
  return [
    ...(recipe.from === undefined
      ? [await kickstartExamined(opened, name)]
      : [await baseExamined(opened, recipe, dirname(file), options.rehearse)]),
    ...(await passwordsExamined(recipe, dirname(file), opened.environment)),
    ...(options.rehearse || recipe.from !== undefined ? [] : [await discExamined(opened, recipe)]),
    ...(recipe.from === undefined ? await packagesOnDisc(opened, recipe, options) : []),
    ...repositories,
    ...(await keysExamined(recipe, places, proxiesOf(opened.environment), options.signal)),
    ...packagesExamined(wantedPackages(recipe), contents, usedRepositories(recipe).length - contents.size),
  ];
}

async function baseExamined(
  opened: OpenedSite,
  recipe: Recipe,
  folder: string,
  rehearse: boolean,
): Promise<Examined> {
  const what = "template to start from";
  try {
    const base = await baseOf(opened, recipe, folder, rehearse);
    return { what, ok: true, text: `${base?.words} is there` };
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return { what, ok: false, text: [error.message, error.hint].join("; ") };
  }
}

async function passwordsExamined(
  recipe: Recipe,
  folder: string,
  environment: OpenedSite["environment"],
): Promise<Examined[]> {
  const examined = recipe.users.map(async (user) => {
    const what = `password of ${user.name}`;
    if (!user.password) return [];
    try {
      await new Passwords({ ...recipe, users: [user] }, folder, environment).prove();
      return [{ what, ok: true, text: "is there" }];
    } catch (error) {
      if (!(error instanceof TbuildError)) throw error;
      return [{ what, ok: false, text: error.message }];
    }
  });
  return (await Promise.all(examined)).flat();
}

/**
 * Checks the packages that the installer will take from the disc, if the disc is present. The installer
 * itself does not report missing packages, because it runs with --ignoremissing.
 */
async function packagesOnDisc(
  opened: OpenedSite,
  recipe: Recipe,
  options: Parameters<typeof examine>[2],
): Promise<Examined[]> {
  const file = options.rehearse
    ? (await rehearsalMedium(opened, recipe, options)).iso
    : join(opened.home.isoFolder, discOf(recipe).file);
  if (!(await stat(file).catch(() => undefined))) return [];
  options.progress("reading the packages on the disc");
  try {
    const contents = await discContents(file, opened.host, options);
    const wanted = packagesFromDisc(recipe);
    const missing = missingFrom(contents, wanted);
    if (contents.size === 0) return [{ what: "disc", ok: false, text: `${file}: has no packages` }];
    return missing.length === 0
      ? [
          {
            what: "packages on the disc",
            ok: true,
            text: `every package to install is on it (${wanted.length})`,
          },
        ]
      : told(missing, `not on the disc (${[...contents.keys()].join(", ")})`, contents);
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return [{ what: "packages on the disc", ok: false, text: error.message }];
  }
}

/** The keys that are fetched over the network. The others come with the release. */
async function keysExamined(
  recipe: Recipe,
  places: ReadonlyMap<string, Place>,
  proxyFor: ProxyFor,
  signal: AbortSignal,
): Promise<Examined[]> {
  const keys = new Map<string, string | undefined>();
  for (const { id, url, gpgKey } of recipe.repositories) {
    const place = places.get(id);
    // Signatures are not checked for packages from a mirror.
    if (gpgKey !== undefined && /^(https?|ftp):/.test(gpgKey) && place?.url === url)
      keys.set(gpgKey, place.proxy);
  }
  return Promise.all(
    [...keys].map(async ([url, proxy]) => {
      try {
        const key = await downloadAll(url, { signal, proxyFor, ...(proxy !== undefined && { proxy }) });
        const ok = key.includes("BEGIN PGP PUBLIC KEY");
        return { what: "GPG key", ok, text: ok ? url : `${url}: is not a public key` };
      } catch (error) {
        if (!(error instanceof TbuildError)) throw error;
        return { what: "GPG key", ok: false, text: error.message };
      }
    }),
  );
}

interface Place {
  readonly url: string;
  readonly proxy?: string | undefined;
}

/** The location of each repository that the build uses: its mirror, its stand-in, or its own URL. */
async function placesOf(
  opened: OpenedSite,
  recipe: Recipe,
  options: Parameters<typeof examine>[2],
): Promise<ReadonlyMap<string, Place>> {
  const used = usedRepositories(recipe).filter(({ url }) => mediumFolder(url) === undefined);
  if (options.rehearse) {
    const { repositories: standIns } = await rehearsalMedium(opened, recipe, options);
    return new Map(
      used.flatMap(({ id }) => {
        const folder = standIns[id];
        return folder === undefined ? [] : [[id, { url: pathToFileURL(`${folder}/`).href }]];
      }),
    );
  }
  return new Map(
    used.map(({ id, url, proxy }) => {
      const mirror = opened.site.mirrors[id];
      if (mirror === undefined) return [id, { url, proxy: proxy ?? opened.site.proxy }];
      return [id, { url: /^[a-z]+:\/\//.test(mirror) ? mirror : pathToFileURL(`${resolve(mirror)}/`).href }];
    }),
  );
}

async function rehearsalMedium(
  opened: OpenedSite,
  recipe: Recipe,
  { signal, progress }: Parameters<typeof examine>[2],
) {
  const release = rehearsalRelease(recipe);
  return makeRehearsalMedium(opened.host, release, { cache: opened.home.media, signal, progress });
}

async function kickstartExamined(opened: OpenedSite, name: string): Promise<Examined> {
  const { faults, release } = await kickstartOf(opened, name);
  return {
    what: "kickstart",
    ok: faults.length === 0,
    text:
      faults.length === 0
        ? `${release} accepts every line`
        : `${amount(faults.length, "fault")}; tbuild kickstart ${name} --check`,
  };
}

async function discExamined(opened: OpenedSite, recipe: Recipe): Promise<Examined> {
  const disc = discOf(recipe);
  const file = join(opened.home.isoFolder, disc.file);
  const found = await stat(file).catch(() => undefined);
  const known =
    disc.sha256 === undefined ? "; its expected sha256 is unknown: set iso.sha256 in the recipe" : "";
  return {
    what: "disc",
    ok: found !== undefined && disc.sha256 !== undefined,
    text: `${file}${found ? "" : ": does not exist"}${known}`,
  };
}

function packagesExamined(
  wanted: readonly string[],
  contents: ReadonlyMap<string, RepositoryContents>,
  unread: number,
): Examined[] {
  if (contents.size === 0) return [{ what: "packages", ok: false, text: "no repository could be read" }];
  const missing = missingFrom(contents, wanted);
  if (missing.length === 0)
    return [{ what: "packages", ok: true, text: `every package for yum is available (${wanted.length})` }];
  // Unreadable repositories may contain the missing packages.
  const where =
    unread > 0
      ? `not in the readable repositories (${[...contents.keys()].join(", ")})`
      : `in none of ${[...contents.keys()].join(", ")}`;
  return told(missing, where, contents);
}

function missingFrom(contents: ReadonlyMap<string, RepositoryContents>, wanted: readonly string[]): string[] {
  return wanted.filter((name) => ![...contents.values()].some((one) => has(one, name)));
}

function told(
  missing: readonly string[],
  where: string,
  contents: ReadonlyMap<string, RepositoryContents>,
): Examined[] {
  const all = [...contents.values()];
  return missing.map((name) => {
    const [kind, names] = name.startsWith("@")
      ? ["group", all.flatMap((one) => [...one.groups].map((group) => `@${group}`))]
      : ["package", all.flatMap((one) => [...one.names])];
    return {
      what: `${kind} ${name}`,
      ok: false,
      text: `${where}${names.length > 0 ? nearest(name, [...new Set(names)]) : ""}`,
    };
  });
}

function nearest(name: string, names: readonly string[]): string {
  return names.length <= 12 ? suggestion(name, names) : suggestion(name, names).replace(/^; there is .*/, "");
}

function has(contents: RepositoryContents, wanted: string): boolean {
  // A name with a colon is a module. The list of modules is not read.
  if (wanted.startsWith("@")) return wanted.includes(":") || contents.groups.has(wanted.replace(/^@\^?/, ""));
  if (!wanted.includes("*"))
    return [contents.names, contents.builds, contents.provides].some((set) => set.has(wanted));
  const pattern = new RegExp(
    `^${wanted
      .split("*")
      .map((part) => part.replace(/[.+]/g, "\\$&"))
      .join(".*")}$`,
  );
  return [...contents.names].some((name) => pattern.test(name));
}
