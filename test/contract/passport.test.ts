import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { imageOfVersion, newPassport } from "../../src/build/passport.ts";
import type { StepContext } from "../../src/build/step.ts";
import { passportFile, passportText, readPassport } from "../../src/guest/passport.ts";
import { localHost } from "../../src/host/local.ts";
import { openImageFile } from "../../src/image/open.ts";
import { digestOf } from "../../src/model/digest.ts";
import type { GuestRecord } from "../../src/model/manifest.ts";
import { Site } from "../../src/recipe/site.ts";
import { describeWith } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";

const host = localHost();

describeWith(["mke2fs"], "the passport of a cached image that is packed again", () => {
  let folder: string;
  let context: StepContext;
  const old = newPassport({ name: "shop", id: "shop-1", rehearsal: false }, "1.0.0", "recipe");
  const guest = {
    files: [
      { path: "/etc/motd", kind: "file", mode: "644", owner: "0:0" },
      { path: passportFile, kind: "file", mode: "644", owner: "0:0", digest: digestOf("x"), text: "x" },
    ],
  } as unknown as GuestRecord;
  const sealed = () => ({ image: join(folder, "sealed.img"), passport: old, guest });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-passport-"));
    const files = { ...ol6Guest.files, [passportFile]: passportText(old) };
    await extDisk(sealed().image, { ...ol6Guest, files });
    context = {
      ...{ name: "shop", id: "shop-2", rehearsal: false, out: join(folder, "out"), host },
      ...{ site: Site.parse({}), progress: () => {}, report: () => {} },
      signal: new AbortController().signal,
    } as unknown as StepContext;
    await host.run(["mkdir", context.out]);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("stays if it is true", async () => {
    const same = sealed();
    expect(await imageOfVersion(context, same, "1.0.0", "recipe")).toBe(same);
  });

  it.each([
    ["number", "1.0.1", "recipe"],
    ["recipe", "1.0.0", "another recipe"],
  ])("is rewritten in a copy for another %s, and recorded", async (_, version, recipe) => {
    const before = await readFile(sealed().image);
    const made = await imageOfVersion(context, sealed(), version, recipe);
    expect(made.passport).toMatchObject({ version, recipe: digestOf(recipe), build: "shop-2" });
    expect(made.passport.id).not.toBe(old.id);
    await using opened = await openImageFile(host, made.image, { readOnly: true });
    expect(await readPassport(opened.tree)).toEqual(made.passport);
    const text = passportText(made.passport);
    expect(made.guest.files[0]).toEqual(guest.files[0]);
    expect(made.guest.files[1]).toMatchObject({ digest: digestOf(text), text });
    expect((await readFile(sealed().image)).equals(before)).toBe(true);
  });
});
