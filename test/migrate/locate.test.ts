import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { locateDisks, repositoryOf } from "../../src/migrate/locate.ts";
import { requireStopped } from "../../src/migrate/running.ts";
import { readDisk } from "../../src/vm-cfg/devices.ts";

const host = localHost();
let root: string;
let config: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-locate-"));
  config = join(root, "repo/VirtualMachines/id/vm.cfg");
  for (const file of ["repo/VirtualDisks/a.img", "repo/VirtualMachines/id/b.img", "elsewhere/secret.img"]) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), "x");
  }
});
afterEach(() => rm(root, { recursive: true, force: true }));

const locate = (disks: readonly string[], folders: readonly string[] = []) =>
  locateDisks(host, config, disks.map(readDisk), folders).then((all) =>
    all.map(({ file }) => file.slice(root.length + 1)),
  );

describe("the disks of a vm.cfg", () => {
  it("are found in its repository wherever that is mounted, and beside it", async () => {
    expect(
      await locate([
        "file:/OVS/Repositories/0004fb/VirtualDisks/a.img,xvda,w",
        "file:/somewhere/b.img,xvdb,w",
        `file:${root}/repo/VirtualDisks/../VirtualMachines/id/b.img.missing,xvdc,w`,
      ]).catch((error) => error.message),
    ).toContain("b.img.missing is missing");
    expect(
      await locate([
        "file:/OVS/Repositories/0004fb/VirtualDisks/a.img,xvda,w",
        "file:/somewhere/b.img,xvdb,w",
      ]),
    ).toEqual(["repo/VirtualDisks/a.img", "repo/VirtualMachines/id/b.img"]);
  });

  it("are not read outside of them, not even through a link, unless the user names the folder", async () => {
    const outside = `file:${root}/elsewhere/secret.img,xvda,w`;
    await expect(locate([outside])).rejects.toThrow("is outside its folder and its repository");
    await symlink(join(root, "elsewhere/secret.img"), join(root, "repo/VirtualDisks/link.img"));
    await expect(locate([`file:${root}/repo/VirtualDisks/link.img,xvda,w`])).rejects.toThrow("is outside");
    await expect(locate([`file:../../../elsewhere/secret.img,xvda,w`])).rejects.toThrow("is outside");
    expect(await locate([outside], [join(root, "elsewhere")])).toEqual(["elsewhere/secret.img"]);
  });

  it("that are missing, folders, or the same file are reported together", async () => {
    const error = await locate([
      "file:/no.img,xvda,w",
      `file:${root}/repo/VirtualDisks,xvdb,w`,
      `file:${root}/repo/VirtualDisks/a.img,xvdc,w`,
      `file:${root}/repo/VirtualDisks/./a.img,xvdd,w`,
    ]).catch((thrown) => thrown);
    expect([error.message, ...error.lines].join("\n")).toMatch(
      /no.img is missing[\s\S]*is not a file[\s\S]*same file/,
    );
  });

  it("belong to a repository by the path of their vm.cfg", () => {
    expect(repositoryOf("/OVS/Repositories/R/Templates/T/vm.cfg")).toEqual({
      root: "/OVS/Repositories/R",
      isTemplate: true,
    });
    expect(repositoryOf("/OVS/Repositories/R/.ACFS/snaps/V/VirtualMachines/V/vm.cfg")?.root).toBe(
      "/OVS/Repositories/R/.ACFS/snaps/V",
    );
    expect(repositoryOf("/etc/xen/vm.cfg")).toBeUndefined();
  });
});

describe("a machine", () => {
  const question = {
    subject: "vm.cfg",
    names: ["0004fb"],
    isTemplate: false,
    isShared: false,
    users: [],
    isSaidStopped: false,
  };
  const withDomains = (text: string) => ({
    ...host,
    run: async () => ({ exitCode: 0, stdout: text, stderr: "", bytes: new Uint8Array() }),
  });
  const list =
    "xm\nName  ID Mem VCPUs State Time(s)\nDomain-0  0 512 2 r----- 12.5\n0004fb  3 1024 1 -b---- 77.1\n";

  it("that uses its disks or that Xen lists is refused, even if it is said to be stopped", async () => {
    const said = { ...question, isSaidStopped: true };
    await expect(requireStopped(host, { ...said, users: ["qemu"] })).rejects.toThrow("in use, by qemu");
    await expect(requireStopped(withDomains(list), said)).rejects.toThrow(
      "runs on this server as 0004fb (xm list)",
    );
  });

  it("in a repository needs its user's word, and a template does not run", async () => {
    await expect(requireStopped(withDomains("none\n"), { ...question, isShared: true })).rejects.toThrow(
      "whether it runs on another server of its pool is unknown",
    );
    const said = { ...question, isShared: true, isSaidStopped: true };
    expect((await requireStopped(withDomains("none\n"), said)).how).toContain("as you said");
    expect((await requireStopped(host, { ...question, isShared: true, isTemplate: true })).how).toContain(
      "template",
    );
    expect((await requireStopped(withDomains("xl\nName ID\n"), question)).how).toContain("xl list");
  });
});
