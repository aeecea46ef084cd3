import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { writeDisc } from "../../src/media/small-disc.ts";
import { withReason, xorriso } from "../../src/media/xorriso.ts";
import { describeWith } from "../fakes/missing.ts";

describeWith(["xorriso"], "a small disc", () => {
  const host = localHost();
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-small-disc-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("that cannot be written is named as it was asked for, not by a temporary file", async () => {
    const output = join(folder, "none/seed.iso");
    const disc = { files: { "meta-data": "x" }, label: "cidata", output };
    await expect(writeDisc(host, disc)).rejects.toMatchObject({
      fault: "environment",
      message: `${output}: there is no such folder`,
    });
    await writeFile(join(folder, "file"), "");
    const below = { ...disc, output: join(folder, "file/seed.iso") };
    await expect(writeDisc(host, below)).rejects.toThrow(`${below.output}: part of the path is not a folder`);
    expect(await readdir(folder)).toEqual(["file"]);
  });

  it("for which a disk has no room says so, not in xorriso's words", async () => {
    await writeFile(join(folder, "meta-data"), "x");
    const full = host.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", "/dev/full", folder], {
      env: { LC_ALL: "C" },
    });
    const error = await full.catch((failed) => failed);
    expect(withReason(error, "seed.iso")).toMatchObject({
      message: "seed.iso: the disk is full",
      fault: "environment",
      lines: [],
    });
    const making = { host, scratch: folder };
    await expect(
      xorriso(making, "writing", ["-as", "mkisofs", "-quiet", "-o", "/dev/full", folder]),
    ).rejects.toThrow("xorriso: the image could not be written: the disk is full");
  });

  it("that xorriso refuses for another reason keeps its words", async () => {
    const error = await host
      .run(["xorriso", "-as", "mkisofs", "-o", join(folder, "x.iso"), "/none"])
      .catch((failed) => failed);
    expect(withReason(error, "seed.iso")).toBe(error);
  });
});
