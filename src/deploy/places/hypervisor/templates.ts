import { rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { guestModes } from "../../../choices.ts";
import { TbuildError } from "../../../errors.ts";
import { lock } from "../../../host/lock.ts";
import { replaceFile } from "../../../host/partial-file.ts";
import { isThere, keptTextOf, namesIn, syncFolder } from "../../../io/durable.ts";
import { makeFolders } from "../../../io/folders.ts";
import { type Manifest, manifestDigest } from "../../../model/manifest.ts";
import type { Place, PlaceContext, PlacedTemplate, TemplateWanted } from "../../place.ts";

/** A template whose disks are in a folder, as backing files of clones. */
const TemplateFolder = z.object({
  /** Paths, in the order of their slots. */
  disks: z.array(z.string()),
  mode: z.enum(guestModes),
  firmware: z.literal("uefi").exactOptional(),
  /** The major release of the guest. */
  release: z.number(),
});
export type TemplateFolder = z.infer<typeof TemplateFolder>;

export interface PlaceTemplates {
  find(wanted: TemplateWanted): Promise<PlacedTemplate>;
  bring: NonNullable<Place["bringTemplate"]>;
  read(id: string): Promise<TemplateFolder>;
  removeAllBut(used: ReadonlySet<string>): Promise<void>;
}

export function templatesIn({
  folder,
  restoreDisk,
}: Pick<PlaceContext, "folder" | "restoreDisk">): PlaceTemplates {
  const root = resolve(folder, "templates");
  const described = (manifest: Manifest, isThere: boolean): PlacedTemplate => {
    const { name, version, machine, disks } = manifest;
    return {
      id: idOf(manifest),
      isThere,
      name: `${name}@${version}`,
      networks: machine.nics,
      systemSlots: disks.map((_, slot) => slot),
      vcpus: machine.vcpus,
      memoryMib: machine.memoryMib,
    };
  };
  const known = (id: string) => wholeTemplate(join(root, basename(id)));
  return {
    async find(wanted) {
      const manifest = fromStore(wanted);
      return described(manifest, (await known(idOf(manifest))) !== undefined);
    },

    async bring(wanted, { signal, progress }) {
      const manifest = fromStore(wanted);
      const id = idOf(manifest);
      await makeFolders(folder);
      await using _lock = await lock(join(folder, "templates.lock"), {
        signal,
        onWait: (pid) => progress(`waiting for process ${pid}, which copies a template`),
      });
      const [partial, whole] = [join(root, `${id}.part`), join(root, id)];
      if (await known(id)) return described(manifest, true);
      await rm(partial, { recursive: true, force: true });
      // Its disks contain files that only the guest's root may read.
      await makeFolders(partial, 0o700);
      const names = manifest.disks.map((_, slot) => `disk${slot}.img`);
      for (const [slot, disk] of manifest.disks.entries()) {
        progress(`reading disk ${slot + 1} of ${manifest.disks.length} from the store`);
        await restoreDisk(disk, join(partial, names[slot] ?? ""), signal);
      }
      const text: TemplateFolder = {
        disks: names.map((name) => join(whole, name)),
        mode: manifest.domainType === "XEN_PVM" ? "pvm" : "pvhvm",
        ...(manifest.machine.firmware && { firmware: manifest.machine.firmware }),
        release: manifest.release.major,
      };
      await replaceFile(join(partial, textName), JSON.stringify(text), 0o444);
      // A damaged one: clones may be based on its disks, which are the same in the new one.
      await rm(whole, { recursive: true, force: true });
      await rename(partial, whole);
      await syncFolder(root);
      return described(manifest, true);
    },

    async read(id) {
      const found = await known(id);
      if (found) return found;
      throw new TbuildError("environment", "its template no longer exists at this place, or is damaged", {
        subject: id,
        hint: "Run the command again. It transfers the template again.",
      });
    },

    async removeAllBut(used) {
      for (const name of await namesIn(root))
        if (!used.has(name)) await rm(join(root, name), { recursive: true, force: true });
    },
  };
}

const textName = "template.json";

/** `undefined` if there is none, or it is damaged: it is copied again. */
async function wholeTemplate(folder: string): Promise<TemplateFolder | undefined> {
  const text = await keptTextOf(join(folder, textName));
  const found = text === undefined ? undefined : TemplateFolder.safeParse(jsonOf(text)).data;
  const disks = await Promise.all((found?.disks ?? []).map(isThere));
  return disks.every(Boolean) ? found : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fromStore(wanted: TemplateWanted): Manifest {
  if ("manifest" in wanted) return wanted.manifest;
  throw new TbuildError("usage", "a hypervisor does not store templates", {
    subject: wanted.atPlace,
    hint: "Name a version in tbuild's store: `tbuild template list`.",
  });
}

function idOf(manifest: Manifest): string {
  return `${manifest.name}-${manifest.version}-${manifestDigest(manifest).slice(7, 19)}`;
}
