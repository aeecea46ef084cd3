import { join } from "node:path";
import type { z } from "zod";
import { TbuildError } from "../../errors.ts";
import { replaceFile } from "../../host/partial-file.ts";
import { keptTextOf, namesIn, removeDurably } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";
import type { Mark } from "../place.ts";

/** Records of ownership, a file for each name, for places without descriptions. */
export interface PlaceRecords<R extends { readonly mark: Mark }> {
  list(): Promise<ReadonlyMap<string, R>>;
  read(name: string): Promise<R | undefined>;
  write(name: string, record: R): Promise<void>;
  /** Writes it unless another owner has one. */
  claim(name: string, record: R): Promise<void>;
  remove(name: string): Promise<void>;
}

export function recordsIn<R extends { readonly mark: Mark }>(
  folder: string,
  schema: z.ZodType<R>,
): PlaceRecords<R> {
  const fileOf = (name: string) => join(folder, `${name}.json`);
  async function read(name: string): Promise<R | undefined> {
    const text = await keptTextOf(fileOf(name));
    if (text === undefined) return undefined;
    try {
      return schema.parse(JSON.parse(text));
    } catch (error) {
      throw new TbuildError("integrity", "is damaged, or was written by another version of tbuild", {
        subject: fileOf(name),
        cause: error,
        hint: `Restore it from a backup. Otherwise, remove ${name} at the place by hand, and then this file.`,
      });
    }
  }
  async function write(name: string, record: R): Promise<void> {
    await replaceFile(fileOf(name), `${JSON.stringify(record)}\n`, 0o444);
  }
  return {
    read,
    write,
    async list() {
      const names = (await namesIn(folder)).filter((name) => name.endsWith(".json"));
      const found = new Map<string, R>();
      for (const name of names.map((one) => one.slice(0, -".json".length))) {
        const record = await read(name);
        if (record) found.set(name, record);
      }
      return found;
    },
    async claim(name, record) {
      const known = await read(name);
      if (known && known.mark.id !== record.mark.id)
        throw new TbuildError("environment", `belongs to the deployment ${known.mark.deployment}`, {
          subject: name,
        });
      await write(name, record);
    },
    remove: (name) =>
      removeDurably([fileOf(name)]).catch((error) => {
        throw fileFault(error, fileOf(name));
      }),
  };
}
