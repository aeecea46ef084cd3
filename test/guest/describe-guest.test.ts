import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { portraitOf } from "../../src/guest/describe-guest.ts";
import { maskSecrets } from "../../src/guest/secrets.ts";
import { Survey } from "../../src/guest/survey.ts";
import { packageRecord } from "../../src/provision/installed.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("the portrait of a guest", () => {
  it("says what is started, who may log in, which modules configure it and which kernels it has", async () => {
    const tree = memoryTree(
      {
        "/etc/passwd":
          "root:x:0:0:root:/root:/bin/bash\ngrid:x:54322:54321::/home/grid:/bin/bash\nbroken line\n",
        "/etc/group": "root:x:0:\ndba:x:54322:grid,oracle\n",
        "/etc/template.d/scripts/grid": "#!/usr/bin/python\n",
        "/boot/vmlinuz-4.1.12-124.el6uek.x86_64": "kernel",
        "/boot/config-4.1.12": "no kernel",
      },
      {
        links: {
          "/etc/rc.d/rc3.d/S58ntpd": "../init.d/ntpd",
          "/etc/rc.d/rc3.d/K10ovmd": "../init.d/ovmd",
          "/etc/systemd/system/multi-user.target.wants/sshd.service": "/usr/lib/systemd/system/sshd.service",
        },
      },
    );
    expect(
      await portraitOf(new Survey(tree, [{ name: "p1", offset: 0, bytes: 1, fs: "ext3", uuid: "u" }]), {}),
    ).toMatchObject({
      kernels: ["4.1.12-124.el6uek.x86_64"],
      services: ["ntpd", "sshd.service"],
      users: [
        { name: "root", uid: 0, gid: 0, home: "/root", shell: "/bin/bash" },
        { name: "grid", uid: 54322 },
      ],
      groups: [
        { name: "root", members: [] },
        { name: "dba", gid: 54322, members: ["grid", "oracle"] },
      ],
      modules: [{ name: "grid", digest: `sha256:${sha256("#!/usr/bin/python\n")}` }],
      volumes: [{ name: "p1", fs: "ext3", uuid: "u" }],
    });
  });

  it("keeps the text of changed files, and only the owner of a package's own file", async () => {
    const tree = memoryTree({
      "/etc/ntp.conf": "server a\n",
      "/etc/hosts": "127.0.0.1 localhost\n",
      "/etc/oraInst.loc": "inst_group=oinstall\n",
      "/etc/ld.so.cache": Buffer.from([0, 1, 2]),
    });
    const { files } = await portraitOf(new Survey(tree, []), {
      "/etc/ntp.conf": { package: "ntp", digest: sha256("server a\n") },
      // as in EL5's rpm, and changed since
      "/etc/hosts": { package: "setup", digest: createHash("md5").update("other").digest("hex") },
    });
    const at = (path: string) => files.find((file) => file.path === path);
    expect(at("/etc/ntp.conf")).toMatchObject({ package: "ntp", digest: `sha256:${sha256("server a\n")}` });
    expect(at("/etc/ntp.conf")).not.toHaveProperty("text");
    expect(at("/etc/hosts")).toMatchObject({ text: "127.0.0.1 localhost\n", mode: "644", owner: "0:0" });
    expect(at("/etc/oraInst.loc")).toMatchObject({ text: "inst_group=oinstall\n" });
    expect(at("/etc/ld.so.cache")).not.toHaveProperty("text");
  });

  it("has neither text nor digest of files that not everyone in the guest can read", async () => {
    const tree = memoryTree({
      "/etc/shadow": { data: "root:$6$salt$hash:1::\n", mode: 0o000 },
      "/etc/ldap.conf": { data: "base dc=x ALL=\n", mode: 0o600 },
      "/etc/pki/key.pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n",
    });
    const { files } = await portraitOf(new Survey(tree, []), {});
    for (const path of ["/etc/shadow", "/etc/ldap.conf", "/etc/pki/key.pem"]) {
      const file = files.find((one) => one.path === path);
      expect(file).toBeDefined();
      expect(file).not.toHaveProperty("digest");
      expect(file).not.toHaveProperty("text");
    }
    expect(JSON.stringify(files)).not.toMatch(/hash|MIIE|ALL=/);
  });

  it("has the text of files that are private only by convention, such as sshd_config", async () => {
    const tree = memoryTree({ "/etc/ssh/sshd_config": { data: "PermitRootLogin no\n", mode: 0o600 } });
    const { files } = await portraitOf(new Survey(tree, []), {});
    expect(files.at(-1)).toMatchObject({ mode: "600", text: "PermitRootLogin no\n" });
  });

  it("stops keeping texts before a manifest becomes a library", async () => {
    const tree = memoryTree(
      Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`/etc/f${i}`, `${i}${"x".repeat(60_000)}\n`])),
    );
    const { files } = await portraitOf(new Survey(tree, []), {});
    expect(JSON.stringify(files).length).toBeLessThan(1.2 * 2 ** 20);
    expect(files.filter((file) => file.kind === "file" && file.digest === undefined)).toEqual([]);
  });
});

describe("masking secrets", () => {
  it.each([
    ["password = hunter2", "password = ***"],
    ['  "api_key": "hunter2",', '  "api_key": ***'],
    ["export DB_PASSWORD='hunter2'", "export DB_PASSWORD=***"],
    ["baseurl=https://me:hunter2@host/repo", "baseurl=https://me:***@host/repo"],
    ["bindpw hunter2", "bindpw ***"],
    ["grid:$6$salt$abc.def:17000:0", "grid:***:17000:0"],
    ["passwd=hunter2", "passwd=***"],
  ])("hides the secret of %j", (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
    expect(maskSecrets(`a\n${text}\nb`)).toBe(`a\n${masked}\nb`);
  });

  it.each([
    "passwd:     files sss",
    "PASS_MAX_DAYS 99999",
    "password    requisite     pam_cracklib.so try_first_pass retry=3",
    "baseurl=https://host/repo",
    "root:x:0:0:root:/root:/bin/bash",
  ])("leaves %j as it is", (text) => {
    expect(maskSecrets(text)).toBe(text);
  });
});

describe("a package", () => {
  const none = "(none)";
  const signed = "RSA/SHA256, Fri 01 Jan 2021 12:00:00 AM UTC, Key ID 72f97b74ec551f03";
  it.each([
    ["in its header", [signed, none, none, none]],
    ["as a whole", [none, none, signed, none]],
  ])("is signed %s", (_where, signatures) => {
    expect(
      packageRecord(["ntp", "0", "4.2.6p5", "15.0.1.el6", "x86_64", "GPLv2", ...signatures].join("|")),
    ).toEqual({
      name: "ntp",
      epoch: 0,
      version: "4.2.6p5",
      release: "15.0.1.el6",
      arch: "x86_64",
      license: "GPLv2",
      signature: "72f97b74ec551f03",
    });
  });

  it("may be unsigned", () => {
    const line = ["ntp", "0", "1", "1", "noarch", none, none, none, none, none].join("|");
    expect(packageRecord(line)).toEqual({
      name: "ntp",
      epoch: 0,
      version: "1",
      release: "1",
      arch: "noarch",
    });
  });
});
