import { describe, expect, it } from "vitest";
import { findLeftovers } from "../../src/guest/leftovers/index.ts";
import { applyAll } from "../../src/guest/operation.ts";
import { concerning } from "../../src/guest/residue.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n";
const release = { "/etc/oracle-release": "Oracle Linux Server release 8.10\n" };

async function leftAfterSeal(files: Record<string, string>, only?: string) {
  const tree = memoryTree({ ...release, ...files });
  await applyAll(tree, sealOperations({ skip: ["first-boot"] }));
  const options = { traits: [], pending: [], keep: [], ...(only !== undefined && { only }) };
  return findLeftovers(tree, options);
}

describe("SSH host keys", () => {
  it.each([
    ["/etc/ssh/sshd_config", "HostKey /etc/pki/host_key\n"],
    ["/etc/ssh/sshd_config", 'Port 22\n  hostkey="/etc/pki/host_key" # ours\n'],
    ["/etc/ssh/sshd_config", "HOSTKEY\t/etc/pki/host_key\r\n"],
    ["/etc/ssh/sshd_config.d/10-keys.conf", "HostKey /etc/pki/host_key\n"],
    ["/etc/sysconfig/sshd", 'OPTIONS="-u0 -h /etc/pki/host_key"\n'],
  ])("that %s names elsewhere are left, not reset: sshd would not start", async (path, text) => {
    const files = { [path]: text, "/etc/pki/host_key": key, "/etc/pki/host_key.pub": "ssh-rsa AAAA x\n" };
    const { found } = await leftAfterSeal(files, "not searched");
    const what = "an SSH host key, which nothing in the guest would recreate";
    expect(found).toEqual([
      { path: "/etc/pki/host_key", what, of: "SSH keys" },
      { path: "/etc/pki/host_key.pub", what, of: "SSH keys" },
    ]);
    expect(concerning({ ...(await leftAfterSeal(files, "x")) }, ["ssh-host-keys"]).found).toHaveLength(2);
    expect(concerning({ ...(await leftAfterSeal(files, "x")) }, ["hostname"]).found).toEqual([]);
  });

  it("of a file that sshd_config includes, or of another configuration, count too", async () => {
    const files = {
      "/etc/ssh/sshd_config": "Include keys/*.conf\nInclude /etc/ssh/gone.conf\n",
      "/etc/ssh/keys/a.conf": "HostKey /srv/a\nHostCertificate /srv/a-cert.pub\n",
      "/srv/a": "binary",
      "/srv/a-cert.pub": "ssh-rsa-cert-v01@openssh.com AAAA\n",
      "/etc/sysconfig/sshd": "OPTIONS='-f /etc/ssh2/config'\n",
      "/etc/ssh2/config": "HostKey /srv/b\n",
      "/srv/b": "binary",
    };
    const { found } = await leftAfterSeal(files, "not searched");
    expect(found.map(({ path }) => path)).toEqual([
      "/etc/ssh/gone.conf",
      "/srv/a",
      "/srv/a-cert.pub",
      "/srv/b",
    ]);
  });

  it("in a folder below /etc/ssh that no file names are left", async () => {
    const { found } = await leftAfterSeal({ "/etc/ssh/keys/old": key }, "not searched");
    expect(found).toEqual([{ path: "/etc/ssh/keys/old", what: "a private key", of: "SSH keys" }]);
  });

  it("that sshd and dropbear regenerate are removed", async () => {
    const files = {
      "/etc/ssh/sshd_config": "HostKey /etc/ssh/ssh_host_rsa_key\nInclude /etc/ssh/sshd_config.d/*.conf\n",
      "/etc/ssh/ssh_host_rsa_key": key,
      "/etc/ssh/ssh_host_rsa_key-cert.pub": "ssh-rsa-cert AAAA\n",
      "/etc/dropbear/dropbear_rsa_host_key": "binary",
      "/etc/dropbear/dropbear_ed25519_host_key": "binary",
    };
    const tree = memoryTree({ ...release, ...files });
    await applyAll(tree, sealOperations({ skip: ["first-boot"] }));
    expect(await tree.glob("/etc/dropbear/*")).toEqual([]);
    expect(await tree.glob("/etc/ssh/ssh_host*")).toEqual([]);
    expect((await leftAfterSeal(files, "not searched")).found).toEqual([]);
  });
});

it("A check of the known places reports that the files were not searched", async () => {
  expect((await leftAfterSeal({}, "not searched, as --no-search was given")).limits).toEqual([
    "not searched, as --no-search was given",
  ]);
});
