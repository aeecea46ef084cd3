import { describe, expect, it, vi } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { viaOption } from "../../src/cli/via-option.ts";
import { TbuildError } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";
import type { ImageAccess, Volume } from "../../src/image/access.ts";
import { chooseAccess } from "../../src/image/ways/index.ts";
import { siteReference } from "../../src/recipe/reference.ts";
import { Site } from "../../src/recipe/site.ts";

// The one line that a new access method needs, and its name in the list of names.
vi.mock(import("../../src/image/ways/table.ts"), async (original) => {
  const table = await original();
  const teleport = (): ImageAccess => ({
    name: "teleport",
    filesystems: ["unknown"],
    check: async () => {
      throw new TbuildError("environment", "there is no teleporter here", { subject: "teleport" });
    },
    open: () => expect.unreachable(),
  });
  return { ...table, accesses: { ...table.accesses, teleport } };
});
vi.mock(import("../../src/choices.ts"), async (original) => {
  const choices = await original();
  return { ...choices, waysIn: [...choices.waysIn, "teleport"] as unknown as typeof choices.waysIn };
});

describe("an access method with a line in the table", () => {
  it("may be named by a site, and is in its documentation", () => {
    expect(Site.parse({ images: { kind: "teleport" } }).images.kind).toBe("teleport");
    expect(() => Site.parse({ images: { kind: "teleprot" } })).toThrow();
    expect(siteReference()).toContain("`guestfish`, `teleport`");
  });

  it("is in the help of the commands that open images, and taken by them", () => {
    const program = makeProgram();
    for (const name of ["inspect", "seal", "repair"])
      expect(program.commands.find((one) => one.name() === name)?.helpInformation()).toMatch(
        /guestfish,\s+teleport/,
      );
    expect(viaOption("teleport")).toEqual({ via: "teleport" });
    expect(() => viaOption("telepotr")).toThrow("no such way");
  });

  it("is tried after the others, and its reason is named with theirs", async () => {
    const volume: Volume = { name: "p1", offset: 0, bytes: 4096, fs: "unknown" };
    const refused = await chooseAccess(localHost(), "x.img", [volume]).catch((error) => error);
    expect(refused).toBeInstanceOf(TbuildError);
    expect(refused.lines).toHaveLength(7);
    expect(refused.lines.at(-1)).toBe("teleport: there is no teleporter here");
  });
});
