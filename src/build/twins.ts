import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { CloneDetector } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { isOwnOvmd } from "../firstboot/additions.ts";
import { firstBoot } from "../firstboot/arming.ts";
import { cloneProgram } from "../firstboot/clone-files.ts";
import { sharedIdentity } from "../guest/identity.ts";
import { textIn } from "../guest/operation.ts";
import { readRelease } from "../guest/release.ts";
import type { TwinReport } from "../guest/twins.ts";
import { holderOf, tryLock } from "../host/lock.ts";
import type { Additions } from "../hypervisor/hypervisor.ts";
import type { DraftedGuest } from "../image/change/drafted-guest.ts";
import { imagePath } from "../image/change/planned-change.ts";
import { readGuest } from "../image/read-guest.ts";
import { namesIn } from "../io/durable.ts";
import { fileWord } from "../io/escape.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { OpenedSite } from "./opened-site.ts";
import type { MachineContext } from "./step.ts";
import { compareClones, discardClones, type Trial, tryClones } from "./trial.ts";

export interface TwinRequest {
  readonly image: string;
  /** The machines to boot, and the values to configure them with. Default: one processor, 1 GiB, one nic. */
  readonly recipe?: Recipe;
}

/** The result of booting and comparing two clones. */
export interface BootedTwins extends TwinReport {
  /** Values that the running clones share but should not: host keys, MACs, a machine id. */
  readonly shared: readonly string[];
  /** The observations about each clone, one sentence each. */
  readonly seen: readonly string[];
}

type Site = Pick<OpenedSite, "home" | "host" | "hypervisor">;

/**
 * Boots two disposable clones of an image, configures them, reboots them, and compares their disks. The image
 * is not changed. Clones and folders are removed, even after a failure or an interruption. After a kill, the
 * next call removes them.
 */
export async function bootTwins(
  site: Site,
  request: TwinRequest,
  options: Pick<MachineContext, "signal" | "progress"> & { readonly note: (text: string) => void },
): Promise<BootedTwins> {
  const image = await imagePath(resolve(request.image));
  const trial = await trialOf(site, image, request, options);
  await site.hypervisor.check();
  await removeAbandonedTwins(site);
  const id = `twins-${randomBytes(3).toString("hex")}`;
  const lock = await tryLock(lockOf(site, id));
  if (!("release" in lock)) throw new Error(`${id}: is locked`);
  await using _lock = lock;
  const { host, hypervisor } = site;
  const folder = join(site.home.builds, id);
  const context = { id, folder, host, hypervisor, report: () => {}, ...options };
  try {
    await host.run(["mkdir", "-p", "-m", "700", "--", folder]);
    const tried = await tryClones(context, trial, [image], 2);
    const [one, other] = tried.map(({ identity }) => identity);
    return {
      ...(await compareClones(context, folder)),
      shared: one && other ? sharedIdentity(one, other) : [],
      seen: tried.flatMap(({ seen }) => seen),
    };
  } finally {
    await discardClones(context, 2);
    await rm(folder, { recursive: true, force: true });
  }
}

// Whether a trial is possible depends on the guest. This is checked before a machine is started.
async function trialOf(
  site: Site,
  image: string,
  { recipe }: TwinRequest,
  { signal, note }: { readonly signal: AbortSignal; readonly note: (text: string) => void },
): Promise<Trial> {
  const guest = await readGuest(site.host, image, (found) => lookAt(found, image), {
    note,
    watch: { signal },
  });
  const { messages, name } = site.hypervisor;
  if (guest.detect === "flag" && !messages?.reaches.includes(guest.additions))
    throw new TbuildError(
      "environment",
      `${name} cannot configure its clones: it cannot send messages to ${guest.additions === "oracle" ? "Oracle's" : "tbuild's"} guest additions`,
      {
        subject: image,
        hint: "Boot and configure two clones on Oracle VM, shut them down, and compare their disks: tbuild twins ONE OTHER",
      },
    );
  const machine = recipe?.machine ?? {
    vcpus: 1,
    memory: 1024,
    disk: 0,
    firmware: guest.hasEfi ? ("uefi" as const) : ("bios" as const),
  };
  return {
    release: guest.release,
    nics: recipe?.nics ?? ["public"],
    detect: guest.detect,
    trial: recipe?.trial ?? { clones: 2, messages: {}, checks: [] },
    machine,
  };
}

interface LookedAt {
  readonly release: Recipe["release"];
  readonly additions: Additions;
  readonly detect: CloneDetector;
  readonly hasEfi: boolean;
}

async function lookAt({ tree, mounts }: DraftedGuest, image: string): Promise<LookedAt> {
  const { major } = await readRelease(tree);
  const pending = await firstBoot.pending(tree);
  if (pending.length > 0)
    throw new TbuildError(
      "guest",
      "its first boot is not armed, so its clones would not configure themselves",
      {
        subject: image,
        lines: pending,
        hint: `Seal it first: tbuild seal ${fileWord(image)}`,
      },
    );
  // Both kinds of guest additions have the same services and files.
  const program = (await textIn(tree, "/usr/sbin/ovmd")) ?? "";
  return {
    release: `ol${major}`,
    detect: (await tree.stat(cloneProgram)) ? "mac" : "flag",
    additions: isOwnOvmd(program) ? "tbuild" : "oracle",
    hasEfi: mounts.some(({ at }) => at === "/boot/efi"),
  };
}

function lockOf({ home }: Site, id: string): string {
  return join(home.builds, `${id}.lock`);
}

async function removeAbandonedTwins(site: Site): Promise<void> {
  const { home, hypervisor } = site;
  for (const id of await namesIn(home.builds)) {
    if (!/^twins-[0-9a-f]{6}$/.test(id) || (await holderOf(lockOf(site, id))) !== undefined) continue;
    const folder = join(home.builds, id);
    await discardClones({ id, folder, hypervisor }, 2);
    await rm(folder, { recursive: true, force: true });
    await rm(lockOf(site, id), { force: true });
  }
}
