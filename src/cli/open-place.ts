import { join } from "node:path";
import type { Command } from "commander";
import type { VersionFound } from "../deploy/deploy.ts";
import type { Place, PlaceContext } from "../deploy/place.ts";
import { places } from "../deploy/places/table.ts";
import { stateFile } from "../deploy/state.ts";
import { TbuildError } from "../errors.ts";
import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import { openHypervisor } from "../hypervisor/open.ts";
import { warningsOf } from "../store/records/catalog.ts";
import { finder } from "../store/records/finder.ts";
import { askSecret } from "./ask-secret.ts";
import { managerAccess, openSite } from "./open-site.ts";

/**
 * Opens the site's place to deploy to, and what else a deployment needs. `at` is a kind of place (default:
 * the first in the site).
 */
export async function openPlace(
  command: Command,
  signal: AbortSignal,
  at: string | undefined,
): Promise<{
  readonly place: Place;
  readonly version: (ref: string) => Promise<VersionFound>;
  readonly stateOf: (deployment: string) => string;
}> {
  const opened = await openSite(command);
  const { home, host, site, store, records } = opened;
  const kind = await kindFor(site, at);
  const folder = join(home.deployments, kind);
  const context: PlaceContext = {
    host,
    site,
    folder,
    signal,
    askSecret,
    note: (text) => void process.stderr.write(`${text}\n`),
    memory: home.memory,
    hypervisor: await deploymentHypervisor(opened),
    restoreDisk: (disk, to, stop) => store.restoreDisk(disk, to, stop),
    environment: (name) => process.env[name],
  };
  const load = places[kind];
  if (load === undefined) throw new Error(`no place ${kind}`);
  const place = await (await load()).open(context);
  try {
    await place.check();
  } catch (error) {
    await place[Symbol.asyncDispose]();
    throw error;
  }
  const find = finder(store, records);
  return {
    place,
    stateOf: (deployment) => stateFile(join(home.deployments, "states"), deployment),
    async version(ref) {
      const entry = await find.find(ref);
      const { manifest, here, revoked } = entry;
      return {
        manifest,
        isHere: here,
        ...(revoked && { revoked: `on ${revoked.since.slice(0, 10)}: ${revoked.reason}` }),
        warnings: [...(await find.passedOver(ref, entry)), ...(revoked ? [] : warningsOf(entry))],
      };
    },
  };
}

/** The hypervisor with the machines of deployments, separate from those of builds. */
export async function deploymentHypervisor({
  home,
  host,
  site,
}: Pick<Awaited<ReturnType<typeof openSite>>, "home" | "host" | "site">): Promise<Hypervisor> {
  return await openHypervisor(host, site.hypervisor, {
    folder: join(home.deployments, "hypervisor", "vms"),
    memory: home.memory,
    ...managerAccess(site, home.memory),
  });
}

async function kindFor(site: PlaceContext["site"], at: string | undefined): Promise<string> {
  const names = Object.keys(places);
  for (const name of names) {
    if (at !== undefined && at !== name) continue;
    const kind = await places[name]?.();
    if (kind?.isOf(site)) return name;
  }
  throw new TbuildError(
    "usage",
    at === undefined ? "the site defines no place" : "the site defines no such place",
    {
      ...(at !== undefined && { subject: at }),
      hint: `Places are: ${names.join(", ")}; see docs/site.md.`,
    },
  );
}
