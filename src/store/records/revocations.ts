import { z } from "zod";
import { namesIn } from "../../io/durable.ts";
import { Version } from "../../model/manifest.ts";
import { checked, type RecordFiles, readJson, writeJson } from "./record-files.ts";

export interface Revocation {
  readonly reason: string;
  readonly since: string;
  /** When the revocation was withdrawn. The record stays, so that an older copy elsewhere does not bring it back. */
  readonly lifted?: string;
}

const RevocationFile = z.object({
  reason: z.string(),
  since: z.iso.datetime(),
  lifted: z.iso.datetime().exactOptional(),
});

/** Revocations, a file for each version that was revoked. */
export function revocationsIn({ inTemplate }: RecordFiles) {
  const revokedFile = (name: string, version: string) =>
    inTemplate(name, `${checked(Version, version, "version")}.revoked.json`);

  return {
    async revocation(name: string, version: string): Promise<Revocation | undefined> {
      const found = await readJson(revokedFile(name, version), RevocationFile);
      return found?.lifted === undefined ? found : undefined;
    },

    async revocations(name: string): Promise<ReadonlyMap<string, Revocation>> {
      const found = new Map<string, Revocation>();
      for (const file of await namesIn(inTemplate(name))) {
        const version = /^(\d+\.\d+\.\d+)\.revoked\.json$/.exec(file)?.[1];
        const one = version && (await readJson(revokedFile(name, version), RevocationFile));
        if (version && one) found.set(version, one);
      }
      return found;
    },

    async revoke(name: string, version: string, revocation: Revocation | undefined): Promise<void> {
      const file = revokedFile(name, version);
      if (revocation) return writeJson(file, revocation);
      const there = await readJson(file, RevocationFile);
      if (there && there.lifted === undefined)
        await writeJson(file, { ...there, lifted: new Date().toISOString() });
    },
  };
}
