import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { examine } from "../../src/build/doctor.ts";
import { homeAt } from "../../src/build/home.ts";
import { type InstallMediaRequest, makeInstallMedia } from "../../src/build/install-media.ts";
import type { OpenedSite } from "../../src/build/opened-site.ts";
import { localHost } from "../../src/host/local.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { discsIn } from "../../src/media/discs.ts";
import { openIso } from "../../src/media/iso.ts";
import { readMedium } from "../../src/media/medium.ts";
import { assignment } from "../../src/recipe/merge.ts";
import { Site } from "../../src/recipe/site.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { missing } from "../fakes/missing.ts";
import { type Layout, layouts, syntheticDisc } from "../media/synthetic-disc.ts";
import { mediaCache, testMedium } from "../test-medium.ts";

const repository = resolve(import.meta.dirname, "../..");
const host = localHost();
let folder: string;
let opened: OpenedSite;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-media-request-"));
  const site = Site.parse({});
  const home = { ...homeAt(join(folder, "home")), media: mediaCache };
  opened = {
    home,
    host,
    hypervisor: await openHypervisor(host, site.hypervisor, { folder: home.machines, memory: home.memory }),
    store: folderStore(host, home.store),
    site,
    recipes: join(repository, "recipes"),
    kickstarts: join(repository, "kickstart"),
    records: recordsIn(host, join(folder, "repo")),
    openRegistry: () => expect.fail("no recipe names a registry"),
    results: undefined as never,
    tbuild: "test",
    values: [],
    environment: () => undefined,
  };
  await writeFile(join(folder, "my.ks"), "install\ncdrom\npoweroff\n\n%packages\n%end\n");
  await writeFile(join(folder, "old.ks"), "install\ncdrom\npoweroff\n\n%packages\n@core\n");
  await writeFile(join(folder, "sees.ks"), "cdrom\n%post\nrpm -U /root/addons/*.rpm\n");
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rm(folder, { recursive: true, force: true }));

const layoutOf = (release: string, more: Partial<Layout> = {}): Layout => {
  const layout = layouts.find((one) => one.release === release);
  if (!layout) throw new Error(release);
  return { ...layout, ...more };
};
const make = (request: Partial<InstallMediaRequest>) =>
  makeInstallMedia(
    opened,
    {
      form: "remaster",
      rehearse: false,
      oemdrvForm: "iso",
      out: join(folder, "out"),
      replace: true,
      ...request,
    },
    { signal: new AbortController().signal, progress: () => {} },
  );

const lacking = missing("xorriso", "mformat", "grub-mkimage", "ssh-keygen", "openssl");
describe.skipIf(lacking !== undefined)(`tbuild media make${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  it("makes a disc from the recipe's kickstart, with its own secrets, which only their owner can read", async () => {
    const made = await make({ recipe: "ol6-grid", rehearse: true, form: "boot" });
    expect(made.files.map((file) => file.slice(made.folder.length + 1))).toEqual([
      "ol6-grid-boot.iso",
      "ks.cfg",
      "build-key",
      "build-key.pub",
      "root-password",
    ]);
    const kickstart = await readFile(join(made.folder, "ks.cfg"), "utf8");
    expect(kickstart).toContain((await readFile(join(made.folder, "build-key.pub"), "utf8")).trim());
    expect(kickstart).toMatch(/\$6\$/);
    expect(kickstart).not.toContain("@PASSWORD-HASH@");
    expect((await stat(made.folder)).mode & 0o777).toBe(0o700);
    for (const file of made.files) expect((await stat(file)).mode & 0o077).toBe(0);
  });

  it("puts your own kickstart on any disc, and adds the extra packages to it", async () => {
    const iso = syntheticDisc(folder, layoutOf("7.9"));
    const rpms = (await testMedium(6)).repositories.ol6_addons ?? "";
    const made = await make({ kickstart: join(folder, "my.ks"), iso, addons: rpms });
    expect(made.addonsUrl).toBe("file:///run/install/repo/addons");
    await using disc = await openIso(made.files[0] ?? "");
    expect(new TextDecoder().decode(await disc.read("ks.cfg"))).toBe(
      "install\ncdrom\npoweroff\n\nrepo --name=tbuild-addons --baseurl=file:///run/install/repo/addons\n\n%packages\n%end\n",
    );
    expect((await readMedium(made.files[0] ?? "")).repositories).toContain("addons");
    const older = syntheticDisc(folder, layoutOf("5.11"));
    await expect(make({ kickstart: join(folder, "old.ks"), iso: older, addons: rpms })).rejects.toMatchObject(
      {
        fault: "usage",
        message: "--addons: the installer of OL5.11 would ignore them",
      },
    );
    // It is checked for the disc's installer, and the installer's questions are listed.
    await expect(make({ kickstart: join(folder, "my.ks"), iso: older })).rejects.toMatchObject({
      fault: "usage",
      message: `${join(folder, "my.ks")}: OL5.11 would not install with it: 1 fault`,
      lines: [`${join(folder, "my.ks")}:6:1: OL5 has no %end: a section ends where the next one begins`],
    });
    expect(made.notes).toContainEqual(expect.stringMatching(/my\.ks: lang is missing/));
    const seen = await make({ kickstart: join(folder, "sees.ks"), iso: older, addons: rpms });
    expect(await readFile(join(seen.folder, "ks.cfg"), "utf8")).not.toContain("repo ");
    const six = syntheticDisc(folder, layoutOf("6.10"));
    const { addonsUrl } = await make({ kickstart: join(folder, "my.ks"), iso: six, addons: rpms });
    expect(addonsUrl).toBe("file:///mnt/source/addons");
  });

  it("is preceded by doctor, which reports packages missing on the disc: groups, names and patterns", async () => {
    const { isoFolder } = opened.home;
    await mkdir(isoFolder, { recursive: true });
    const made = syntheticDisc(isoFolder, layoutOf("6.10"));
    const iso = join(isoFolder, "OracleLinux-R6-U10-Server-x86_64-dvd.iso");
    await rename(made, iso);
    const examined = async (...base: string[]) => {
      const values = [`packages.base=${JSON.stringify(base)}`].map(
        (text) => assignment(text, "--set") ?? expect.fail(),
      );
      const options = { rehearse: false, signal: new AbortController().signal, progress: () => {} };
      const site = Site.parse({ mirrors: { ol6_latest: folder, ol6_UEKR4: folder, ol6_addons: folder } });
      const all = await examine({ ...opened, site, values }, "ol6-base", options);
      return all.filter(({ what }) => /disc$|^package |^group /.test(what));
    };
    const repository = join(isoFolder, "tree-6.10");
    const rpms = (await testMedium(6)).repositories.ol6_latest ?? "";
    expect((await examined()).find(({ what }) => what === "packages on the disc")?.text).toMatch(
      /repomd\.xml: is not a repository index/,
    );
    // The same disc, with a real repository on it.
    await writeFile(
      join(folder, "comps.xml"),
      "<comps><group><id>core</id><name>Core</name></group><group><id>base</id><name>Base</name></group></comps>",
    );
    await cp(rpms, join(folder, "repository"), { recursive: true });
    await host.run(["createrepo_c", "-q", "-g", join(folder, "comps.xml"), join(folder, "repository")]);
    await rm(repository, { recursive: true });
    await host.run([
      "xorriso",
      ...["-return_with", "FATAL", "32", "-dev", iso, "-boot_image", "any", "replay"],
      ...["-rm_r", "/repodata", "/Server", "/HighAvailability", "--"],
      ...["-map", join(folder, "repository/repodata"), "/repodata", "-commit"],
    ]);
    const found = await examined("@base", "@bsae", "ksh", "oracleasm*", "kshh");
    expect(found.filter(({ what }) => what !== "disc").map(({ what, text }) => `${what}: ${text}`)).toEqual([
      "package openssh-server: not on the disc (.)",
      "package kernel-uek: not on the disc (.)",
      'group @bsae: not on the disc (.); did you mean "@base"?',
      'package kshh: not on the disc (.); did you mean "ksh"?',
    ]);
    await rm(iso);
  });

  it("names a wrong disc, and the file in its place", async () => {
    const { isoFolder } = opened.home;
    await mkdir(isoFolder, { recursive: true });
    const six9 = layoutOf("6.10", {
      release: "6.9",
      volumeId: "OL6.9 x86_64 Disc 1 20170324",
      treeinfo: layoutOf("6.10").treeinfo.replace("6.10", "6.9"),
      discinfo: ["1", "Oracle Linux Server 6.9", "x86_64"],
    });
    const iso = syntheticDisc(isoFolder, six9);
    await writeFile(join(isoFolder, "page.iso"), "<html>");
    await expect(make({ recipe: "ol6-grid", iso })).rejects.toMatchObject({
      fault: "usage",
      message: `${iso}: this is OL6.9 (volume id OL6.9 x86_64 Disc 1 20170324), the recipe needs OL6.10`,
    });
    await expect(make({ recipe: "ol6-grid" })).rejects.toMatchObject({
      fault: "environment",
      lines: expect.arrayContaining([
        `${iso}: is OL6.9 (volume id OL6.9 x86_64 Disc 1 20170324)`,
        `${join(isoFolder, "page.iso")}: is not an ISO 9660 image`,
      ]),
    });
    const wrongContent = syntheticDisc(isoFolder, layoutOf("6.10"));
    await expect(make({ recipe: "ol6-grid" })).rejects.toMatchObject({
      lines: expect.arrayContaining([
        `${wrongContent}: is OL6.10 (volume id OL6.10 x86_64 Disc 1 20180625): the right disc under another name`,
      ]),
    });
    await expect(make({ recipe: "ol6-grid", iso: wrongContent })).rejects.toMatchObject({
      fault: "integrity",
    });
    expect(await discsIn(isoFolder)).toHaveLength(3);
  });

  it("refuses a disc of a set, a truncated one, and one for another machine", async () => {
    const set = syntheticDisc(
      folder,
      layoutOf("5.11", { treeinfo: layoutOf("5.11").treeinfo.replace("totaldiscs = 1", "totaldiscs = 5") }),
    );
    await expect(make({ kickstart: join(folder, "my.ks"), iso: set })).rejects.toThrow(
      /is disc 1 of 5 of OL5\.11/,
    );
    const arm = syntheticDisc(
      folder,
      layoutOf("8.9", {
        treeinfo: layoutOf("8.9").treeinfo.replaceAll("x86_64", "aarch64"),
      }),
    );
    await expect(make({ kickstart: join(folder, "my.ks"), iso: arm })).rejects.toThrow(/is for aarch64/);
    await truncate(arm, 2 << 20);
    await expect(make({ kickstart: join(folder, "my.ks"), iso: arm })).rejects.toThrow(
      /is truncated: it has 2097152/,
    );
  });

  it("reports that xorriso is missing, and leaves nothing behind", async () => {
    const iso = syntheticDisc(folder, layoutOf("5.11"));
    const out = join(folder, "without");
    vi.stubEnv("PATH", "/nowhere");
    await expect(make({ kickstart: join(folder, "old.ks"), iso, out })).rejects.toMatchObject({
      fault: "environment",
      message: "xorriso: not installed on local",
    });
    vi.unstubAllEnvs();
    expect((await readdir(folder)).filter((name) => name.startsWith("without"))).toEqual([]);
  });

  it("removes nothing from a folder that the user named, and says which options belong together", async () => {
    const iso = syntheticDisc(folder, layoutOf("5.11"));
    const kickstart = join(folder, "my.ks");
    await expect(make({ kickstart, iso, out: folder, replace: false })).rejects.toThrow(/is not empty/);
    await expect(make({})).rejects.toThrow(/name a recipe, or a kickstart/);
    await expect(make({ kickstart })).rejects.toThrow(/name the disc with --iso/);
    await expect(make({ kickstart, iso, form: "network" })).rejects.toThrow(/--url requires --as network/);
    await expect(make({ kickstart, iso, form: "boot", addons: folder })).rejects.toThrow(/--as remaster/);
    await expect(
      make({ kickstart: join(folder, "sees.ks"), iso, addons: join(folder, "home") }),
    ).rejects.toThrow(/has no \.rpm file/);
  });

  it("makes the files for a boot server", async () => {
    const iso = syntheticDisc(folder, layoutOf("5.11"));
    const made = await make({
      kickstart: join(folder, "old.ks"),
      iso,
      form: "network",
      url: "http://10.0.0.1/ol5",
    });
    expect(await readFile(join(made.folder, "pxelinux.cfg/default"), "utf8")).toContain(
      "append initrd=initrd.img ks=http://10.0.0.1/ol5/ks.cfg method=http://10.0.0.1/ol5/disc cmdline",
    );
    expect(await readFile(join(made.folder, "ks.cfg"), "utf8")).toContain(
      "url --url=http://10.0.0.1/ol5/disc\n",
    );
    expect(made.notes.join("\n")).toContain("network install path; it starts images/xen/vmlinuz");
  });
});
