import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { makeTbuild, repository, type Tbuild } from "./tbuild.ts";

const isSlow = process.env.TBUILD_SLOW === "1";
const title = "the boot trial of a template with every module that comes with tbuild";

describe.runIf(isSlow)(isSlow ? title : `${title} (TBUILD_SLOW=1 runs it)`, { timeout: 1_800_000 }, () => {
  let folder: string;
  let tbuild: Tbuild;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-shipped-"));
    for (const name of ["recipes", "kickstart"])
      await cp(join(repository, name), join(folder, name), { recursive: true });
    tbuild = await makeTbuild("e2e-shipped", join(folder, "recipes"));
  });
  afterAll(async () => {
    await tbuild.run("clean");
    await rm(tbuild.home, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });

  it("finds what each has configured, once", async () => {
    await localHost().run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", join(folder, "key")]);
    const text = async (name: string) => (await localHost().run(["cat", join(folder, name)])).stdout.trim();
    const ssh = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];
    // The medium's su asks root for a password, too.
    const as = (user: string) =>
      `setpriv --reuid ${user} --regid oinstall --init-groups env HOME=/home/${user}`.split(" ");
    const recipe = {
      extends: "ol6-grid",
      name: "ol6-shipped",
      version: "1.0.0",
      summary: "every module",
      modules: ["hosts", "ntp", "storage", "ssh-equivalence"],
      disks: [{ size: "256M" }],
      bundles: ["qcow2"],
      trial: {
        clones: 1,
        messages: {
          "org.tbuild.hosts.entry.0": "192.0.2.11 rac1.example.com rac1",
          "org.tbuild.ntp.servers": "192.0.2.53,192.0.2.54",
          "org.tbuild.storage.disk.0": "1:/data:ext4",
          "org.tbuild.ssh-equivalence.users": "grid,oracle",
          "org.tbuild.ssh-equivalence.private-key": (await text("key")).replaceAll("\n", "\\n"),
          "org.tbuild.ssh-equivalence.public-key": await text("key.pub"),
        },
        checks: [
          ["grep", "-qx", "192.0.2.11 rac1.example.com rac1", "/etc/hosts"],
          ["grep", "-qx", "server 192.0.2.54 iburst", "/etc/ntp.conf"],
          ["grep", "-q", "^[^ ]*[a-z]1 /data ext4 ", "/proc/mounts"],
          [...as("grid"), ...ssh, "oracle@localhost", "test -w .ssh"],
          [...as("oracle"), ...ssh, "grid@localhost", "test -w .ssh"],
        ],
      },
    };
    await writeFile(join(folder, "recipes/ol6-shipped.yaml"), JSON.stringify(recipe));
    const { code, stdout, stderr } = await tbuild.run("recipe", "ol6-shipped", "--rehearse", "--json");
    expect(code, `${stderr}\n${stdout.split("\n").slice(-30).join("\n")}`).toBe(0);
    const { manifest } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as {
      manifest: { trial: string[]; guest: { modules: { name: string }[] } };
    };
    expect(manifest.guest.modules.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["grid", ...recipe.modules]),
    );
    expect(manifest.trial).toEqual(
      expect.arrayContaining([expect.stringContaining("rebooted, and nothing ran again")]),
    );
  });
});
