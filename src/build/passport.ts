import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { applyAll } from "../guest/operation.ts";
import { type Passport, passportFile, passportText, writePassport } from "../guest/passport.ts";
import { digestOf } from "../model/digest.ts";
import type { GuestRecord } from "../model/manifest.ts";
import { openImage } from "./guest-image.ts";
import type { BuildContext, StepContext } from "./step.ts";

/** A passport for the version that a build makes. Its id is new each time. */
export function newPassport(
  { name, id: build, rehearsal }: Pick<BuildContext, "name" | "id" | "rehearsal">,
  version: string,
  recipeText: string,
): Passport {
  return {
    name,
    version,
    build,
    id: randomUUID(),
    recipe: digestOf(recipeText),
    made: new Date().toISOString(),
    rehearsal,
  };
}

interface Sealed {
  readonly image: string;
  readonly passport: Passport;
  /** The part of a passport that the manifest records. */
  readonly guest: GuestRecord;
}

/**
 * The sealed image with a passport for `version` and its recipe. If the cached image was published before,
 * under another number or for another recipe, a copy of it gets a new passport.
 */
export async function imageOfVersion(
  context: StepContext,
  sealed: Sealed,
  version: string,
  recipeText: string,
): Promise<Sealed> {
  if (sealed.passport.version === version && sealed.passport.recipe === digestOf(recipeText)) return sealed;
  const passport = newPassport(context, version, recipeText);
  const image = join(context.out, "System.img");
  context.progress("writing its passport");
  await context.host.run(["cp", "--sparse=always", "--reflink=auto", sealed.image, image], {
    signal: context.signal,
  });
  await using opened = await openImage(context, image);
  await applyAll(opened.tree, [writePassport(passport)]);
  return { image, passport, guest: withPassport(sealed.guest, passportText(passport)) };
}

function withPassport(guest: GuestRecord, text: string): GuestRecord {
  const files = guest.files.map((one) =>
    one.path === passportFile ? { ...one, digest: digestOf(text), text } : one,
  );
  return { ...guest, files };
}
