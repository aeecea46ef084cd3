import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { knownLeftovers } from "../../src/guest/leftovers/known.ts";
import { applyAll, auditAll } from "../../src/guest/operation.ts";
import { agents, peoplesSecrets } from "../../src/guest/seal/agents.ts";
import { sealOperations, sealParts } from "../../src/guest/seal/index.ts";
import { sealingReference } from "../../src/guest/seal/sealing-reference.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

// After a change of a table: npx vitest run --project check test/guest/agents.test.ts -u
it("docs/sealing.md is what the tables say", async () => {
  const file = join(import.meta.dirname, "../../docs/sealing.md");
  await expect(sealingReference(sealParts)).toMatchFileSnapshot(file);
});

// A file for each pattern. The text for a star does not matter.
const example = (pattern: string) => pattern.replaceAll("*", `x${pattern.split("/").length}`);

// The content that makes a file a secret.
const secret =
  'api_key: 0123456789abcdef0123456789abcdef\nlicense_key: 0123456789abcdef0123456789abcdef01234567\nComputerID\nPrivateKey = x\ntoken: x\ntoken = "x"\npassword = x\n_auth password\naccesskey=0123456789abcdef\nclient-key-data: x\n"auth": "x"\nhttps://a:b@c\nfingerprint=x\nPRIVATE KEY\nnode.session.auth.password = x\n: RSA key\n5b6e0b3c-1111-4000-8000-00000000abcd\nsystem_id = x\nbindpw x\nrocommunity x\npsk=x\nARRAY /dev/md0 UUID=x\n"P:x"\n<account-access-key>x\nring0_addr: x\nip_address = x\naddress x;\n"wwn": "iqn.x"\n';

describe.each(agents.map((agent) => [agent.name, agent] as const))("%s", (_name, agent) => {
  const { resets = [], reports = [], madeBy } = agent;
  const plant = (paths: readonly string[], more: readonly string[] = []) =>
    memoryTree(
      Object.fromEntries([
        ...paths.map((path) => [example(path).replace(/^~/, "/home/anna"), secret]),
        ...more.map((path) => [path, "x"]),
      ]),
    );
  const services = sealOperations({ only: ["service-state", "service-keys"] });

  it("is reset if it regenerates its state, and nothing of that is reported", async () => {
    const tree = plant(resets, madeBy === undefined ? [] : [madeBy]);
    await applyAll(tree, services);
    expect(await auditAll(tree, services)).toEqual([]);
    for (const path of resets)
      for (const left of await tree.glob(path.replace(/^~/, "/home/anna")))
        expect((await tree.stat(left))?.kind, left).toBe("dir");
    expect(await knownLeftovers(tree)).toEqual([]);
  });

  it("has its secrets reported, and they stay", async () => {
    const tree = plant(reports);
    await applyAll(tree, services);
    const left = (await knownLeftovers(tree)).map(({ path }) => path);
    for (const path of reports) expect(left, path).toContain(example(path).replace(/^~/, "/home/anna"));
  });
});

it("a key that only its package made is reported instead, because the service would not start without", async () => {
  const path = "/etc/pki/tls/private/localhost.key";
  const tree = memoryTree({ [path]: "x" });
  expect(await auditAll(tree, sealOperations({ only: ["service-keys"] }))).toEqual([]);
  expect((await knownLeftovers(tree)).map((one) => one.path)).toEqual([path]);
});

it.each(peoplesSecrets.flatMap(({ reports = [] }) => reports))(
  "~/%s of each user is reported",
  async (path) => {
    const tree = memoryTree({
      "/etc/passwd": "oracle:x:1:1::/u01/oracle:/bin/bash\n",
      ...Object.fromEntries(
        ["/root", "/home/anna", "/u01/oracle"].map((home) => [`${home}/${example(path)}`, secret]),
      ),
    });
    expect((await knownLeftovers(tree)).length).toBe(3);
  },
);

it("a file of a known name without a secret is not reported", async () => {
  const tree = memoryTree({
    "/root/.my.cnf": "[mysql]\nprompt=x\n",
    "/root/.npmrc": "registry=https://npm.example/\n",
    "/root/.docker/config.json": "{}\n",
    "/etc/ipsec.secrets": "# comment\ninclude /etc/ipsec.d/*.secrets\n",
    "/etc/iscsi/iscsid.conf": "#node.session.auth.password = password\n",
    "/etc/snmp/snmpd.conf": "rocommunity public\n# createUser x\n",
    "/etc/sssd/sssd.conf": "[domain/x]\nid_provider = ldap\n",
    "/etc/crypttab": "swap /dev/vda2 /dev/urandom swap\ndata UUID=1 none\n",
    "/etc/lvm/lvmlocal.conf": 'local {\n\t# system_id = ""\n}\n',
    "/etc/uptrack/uptrack.conf": "accesskey = INSERT_ACCESS_KEY\n",
  });
  expect(await knownLeftovers(tree)).toEqual([]);
});

it("files with passwords that crypttab and fstab name are reported", async () => {
  const tree = memoryTree({
    "/etc/crypttab": "luks-1 UUID=1 /etc/luks.key discard\n",
    "/etc/luks.key": "word",
    "/etc/fstab":
      "//nas/x /mnt cifs ro,credentials=/etc/cifs.cred,uid=1 0 0\n# //nas /x cifs credentials=/etc/no\n",
    "/etc/cifs.cred": "password=x\n",
  });
  expect((await knownLeftovers(tree)).map(({ path }) => path)).toEqual(["/etc/luks.key", "/etc/cifs.cred"]);
});
