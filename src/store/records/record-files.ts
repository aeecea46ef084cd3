import { join } from "node:path";
import type { z } from "zod";
import { TbuildError } from "../../errors.ts";
import { replaceFile } from "../../host/partial-file.ts";
import { textOf } from "../../io/durable.ts";
import { type Manifest, Name } from "../../model/manifest.ts";

/** The folder of a recipe repo's records. */
export interface RecordFiles {
  readonly folder: string;
  /** The record of a version. */
  fileOf(which: Pick<Manifest, "kind" | "name" | "version">): string;
  /** A path in the folder of a template. */
  inTemplate(name: string, ...rest: string[]): string;
}

export function recordFiles(folder: string): RecordFiles {
  return {
    folder,
    fileOf: ({ kind, name, version }) => join(folder, `${kind}s`, name, `${version}.json`),
    inTemplate: (name, ...rest) => join(folder, "templates", checked(Name, name, "template"), ...rest),
  };
}

// Everything that becomes part of a path is restricted.
export function checked(shape: z.ZodType<string>, value: string, what: string): string {
  if (shape.safeParse(value).success) return value;
  throw new TbuildError("usage", `is not a valid ${what} name`, { subject: value });
}

export async function readJson<T>(file: string, shape: z.ZodType<T>): Promise<T | undefined> {
  const text = await textOf(file);
  if (text === undefined) return undefined;
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    throw unreadable(file, text, cause);
  }
}

export function writeJson(file: string, value: object): Promise<void> {
  return replaceFile(file, `${JSON.stringify(value, undefined, 1)}\n`);
}

export function isConflict(text: string): boolean {
  return /^<{7} /m.test(text);
}

export function unreadable(file: string, text: string, cause?: unknown): TbuildError {
  return new TbuildError("integrity", "has invalid content", {
    subject: file,
    cause,
    hint: isConflict(text)
      ? "It contains a git merge conflict. Keep one of the two sides."
      : "`git log -p` on this file shows what happened to it.",
  });
}
