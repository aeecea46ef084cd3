import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { stageAddons } from "../../src/media/addons.ts";
import type { Medium } from "../../src/media/media.ts";
import { faultOfRpm } from "../../src/media/rpm-file.ts";
import { describeWith } from "../fakes/missing.ts";

const host = localHost();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-rpm-file-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function built(name: string): Promise<Buffer> {
  const spec = join(folder, `${name}.spec`);
  await writeFile(
    spec,
    `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n%install\nmkdir -p %{buildroot}/opt\nseq 2000 > %{buildroot}/opt/${name}\n%files\n/opt/${name}\n`,
  );
  await host.run(["rpmbuild", "-bb", "--quiet", "--define", `_topdir ${join(folder, "top")}`, spec]);
  const made = join(folder, "top/RPMS/noarch");
  const file = (await readdir(made)).find((one) => one.startsWith(`${name}-`));
  return readFile(join(made, file ?? ""));
}

describeWith(["rpmbuild", "rpm", "createrepo_c"], "a package's file", () => {
  it("is damaged if one bit differs, if it ends early, or if more follows", async () => {
    const whole = await built("whole");
    const file = join(folder, "one.rpm");
    const fault = async (bytes: Uint8Array) => {
      await writeFile(file, bytes);
      return faultOfRpm(file);
    };
    expect(await fault(whole)).toBeUndefined();
    // Behind the signature, whose length rpm itself says, every byte is under a digest.
    const [entries, store] = [whole.readUInt32BE(104), whole.readUInt32BE(108)];
    const start = 96 + Math.ceil((16 + entries * 16 + store) / 8) * 8;
    for (let at = start; at < whole.length; at += 97) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      expect([at, await fault(bytes)]).toEqual([at, expect.stringContaining("is damaged")]);
    }
    for (const length of [97, 120, start, start + 8, whole.length - 1])
      expect([length, await fault(whole.subarray(0, length))]).toEqual([
        length,
        expect.stringContaining("is damaged"),
      ]);
    expect(await fault(Buffer.concat([whole, Buffer.alloc(7)]))).toMatch(/has \d+ bytes .* should have/);
    for (const text of ["", "<html>404</html>"])
      expect(await fault(Buffer.from(text))).toBe("is not an RPM package");
  });

  it("is named when it is damaged, and no repository is made of it", async () => {
    const from = join(folder, "addons");
    await mkdir(from);
    const bytes = await built("good");
    await writeFile(join(from, "good.rpm"), bytes);
    await writeFile(join(from, "short.rpm"), bytes.subarray(0, bytes.length - 5));
    await writeFile(join(from, "page.rpm"), "<html>");
    await mkdir(join(from, "folder.rpm"));
    const scratch = join(folder, "scratch");
    const stage = () => stageAddons({ host, scratch }, { major: 8 } as Medium, from);
    await expect(stage()).rejects.toMatchObject({
      fault: "usage",
      message: `${from}: 3 of 4 packages cannot be used`,
      lines: expect.arrayContaining([
        expect.stringMatching(/short\.rpm: is damaged: it has \d+ bytes/),
        expect.stringMatching(/page\.rpm: is not an RPM package/),
        expect.stringMatching(/folder\.rpm: is not a file/),
      ]),
    });
    for (const bad of ["short.rpm", "page.rpm", "folder.rpm"]) await rm(join(from, bad), { recursive: true });
    await stage();
    const metadata = await readdir(join(scratch, "addons/repodata"));
    expect(metadata).toContain("repomd.xml");
  });
});
