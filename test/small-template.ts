import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localHost } from "../src/host/local.ts";
import { extDisk, type GuestFiles, ol6Guest } from "./guest-image.ts";

const host = localHost();

/** The programs that `smallTemplate` needs. */
export const smallTemplateNeeds = ["mke2fs", "rpm", "rpmbuild"];

/** A recipe that starts from `file`. It installs nothing, so it is built without a machine, and so is what starts from it. */
export function smallRecipe(name: string, file: string): string {
  return `name: ${name}
version: 1.0.0
summary: A small guest
release: ol6
update: 10
from: ${file}
layout: [{ mount: /, fs: ext4, size: 3G, grow: true }]
repositories: [{ id: addons, name: Add-ons, url: "http://repo.invalid/addons/" }]
additions: { repository: addons, packages: [ovmd] }
services: { enable: [ovmd] }
domainType: XEN_HVM
allowUnfit: true
bundles: [qcow2]
trial: { clones: 0 }
`;
}

/** The disk of a guest of OL6 with the package `ovmd` in its rpm database, and a few files. It does not boot. */
export async function smallTemplate(image: string, more: GuestFiles["files"] = {}): Promise<void> {
  await extDisk(image, {
    ...ol6Guest,
    files: {
      ...ol6Guest.files,
      "/boot/vmlinuz-2.6.39-400": "a kernel",
      "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\napp:x:500:500::/home/app:/bin/bash\n",
      "/etc/group": "root:x:0:\napp:x:500:\nweb:x:501:app\n",
      "/etc/shadow": "root:!!:1::::::\n",
      "/root/.keep": "",
      "/var/lib/rpm/rpmdb.sqlite": { data: await rpmDatabase() },
      ...more,
    },
  });
}

/** An rpm database in sqlite with the package `ovmd`, and nothing else. */
export async function rpmDatabase(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-small-"));
  try {
    const spec = join(folder, "ovmd.spec");
    await writeFile(
      spec,
      "Name: ovmd\nVersion: 1.0\nRelease: 1.el6\nSummary: ovmd\nLicense: GPL\nBuildArch: noarch\n%description\novmd\n%install\nmkdir -p %{buildroot}/etc\necho conf >%{buildroot}/etc/ovmd.conf\n%files\n%config /etc/ovmd.conf\n",
    );
    await host.run(["rpmbuild", "-bb", "--define", `_topdir ${folder}/top`, spec]);
    const database = join(folder, "database");
    await mkdir(database);
    const made = join(folder, "top/RPMS/noarch/ovmd-1.0-1.el6.noarch.rpm");
    await host.run(["rpm", "--dbpath", database, "--justdb", "--nodeps", "-i", made]);
    return await readFile(join(database, "rpmdb.sqlite"));
  } finally {
    await rm(folder, { recursive: true });
  }
}
