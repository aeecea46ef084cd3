import { rm } from "node:fs/promises";
import { z } from "zod";
import { TbuildError } from "../../errors.ts";
import { namesIn } from "../../io/durable.ts";
import type { Digest } from "../../model/digest.ts";
import { DigestText } from "../../model/digest-text.ts";
import { type Manifest, manifestDigest, Version } from "../../model/manifest.ts";
import { type RecordFiles, readJson, writeJson } from "./record-files.ts";

/** A name that points at a version: a channel moves, a tag does not. */
export interface Pointer {
  readonly version: string;
  readonly digest: Digest;
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly why?: string;
}

export interface Channel extends Pointer {
  /** Its earlier targets, newest last. A rollback goes back through them. */
  readonly before: readonly Pointer[];
}

/** `candidate` is for testing, `stable` for use. */
export const channelNames = ["candidate", "stable"] as const;
export type ChannelName = (typeof channelNames)[number];

/** A channel or tag that now points at this manifest. */
export function pointerTo(manifest: Manifest, why?: string): Pointer {
  return {
    version: manifest.version,
    digest: manifestDigest(manifest),
    since: new Date().toISOString(),
    ...(why !== undefined && { why }),
  };
}

const PointerFile = z.object({
  version: Version,
  digest: DigestText,
  since: z.iso.datetime(),
  why: z.string().exactOptional(),
});
const ChannelFile = PointerFile.extend({ before: z.array(PointerFile) });

/** Channels and tags, a file for each. */
export function pointersIn({ inTemplate }: RecordFiles) {
  const channelFile = (name: string, channel: ChannelName) => inTemplate(name, "channels", `${channel}.json`);

  return {
    channel: (name: string, channel: ChannelName): Promise<Channel | undefined> =>
      readJson(channelFile(name, channel), ChannelFile),

    async setChannel(name: string, channel: ChannelName, to: Channel | undefined): Promise<void> {
      if (to) await writeJson(channelFile(name, channel), to);
      else await rm(channelFile(name, channel), { force: true });
    },

    async tags(name: string): Promise<Readonly<Record<string, Pointer>>> {
      const tags: Record<string, Pointer> = {};
      for (const file of await namesIn(inTemplate(name, "tags"))) {
        if (!file.endsWith(".json")) continue;
        const pointer = await readJson(inTemplate(name, "tags", file), PointerFile);
        if (pointer) tags[file.replace(/\.json$/, "")] = pointer;
      }
      return tags;
    },

    async setTag(name: string, tag: string, to: Pointer): Promise<void> {
      const file = inTemplate(name, "tags", `${tag}.json`);
      const there = await readJson(file, PointerFile);
      if (there && there.digest !== to.digest)
        throw new TbuildError(
          "usage",
          `the tag ${tag} belongs to ${there.version}, and tags cannot be moved`,
          {
            subject: name,
            hint: "Choose another name, or use a channel, which can be moved: `tbuild template promote`.",
          },
        );
      if (!there) await writeJson(file, to);
    },
  };
}
