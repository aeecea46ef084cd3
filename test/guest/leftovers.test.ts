import { createHash, generateKeyPairSync } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { injectModule } from "../../src/firstboot/inject.ts";
import { readModule } from "../../src/firstboot/module.ts";
import { findLeftovers, readTraits } from "../../src/guest/leftovers/index.ts";
import { searchGuest } from "../../src/guest/leftovers/search.ts";
import { applyAll } from "../../src/guest/operation.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const id = "0123456789abcdef0123456789abcdef";
const hostKey = `AAAAC3NzaC1lZDI1NTE5AAAAI${"Qx7".repeat(16)}`;
const privateKey = generateKeyPairSync("ed25519").privateKey.export({
  type: "pkcs8",
  format: "pem",
}) as string;

/** A guest whose identity the search uses. */
const own = {
  "/etc/oracle-release": "Oracle Linux Server release 8.10\n",
  "/etc/hostname": "build7.example.com\n",
  "/etc/machine-id": `${id}\n`,
  "/etc/ssh/ssh_host_ed25519_key.pub": `ssh-ed25519 ${hostKey} root@build7\n`,
  "/etc/sysconfig/network-scripts/ifcfg-eth0":
    "DEVICE=eth0\nHWADDR=52:54:00:AA:BB:CC\nIPADDR=192.0.2.17\nUUID=5b6e0b3c-1111-4000-8000-00000000abcd\n",
  "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1988-12.com.oracle:f00dfeed\n",
  "/var/lib/dhclient/eth1.leases": "lease {\n  fixed-address 192.0.2.99;\n}\n",
};

/** Seals a guest with these additional files, and returns what is left: path and kind, in a line. */
async function leftOf(
  files: Record<string, string | Uint8Array>,
  { keep = [] as string[], links = {} as Record<string, string> } = {},
): Promise<string[]> {
  const tree = memoryTree({ ...own, ...files }, { links });
  const traits = await readTraits(tree);
  await applyAll(tree, sealOperations({ skip: ["first-boot"], keep }));
  const { found } = await findLeftovers(tree, { traits, pending: [], keep });
  return found.map(({ path, what }) => `${what} in ${path}`);
}

describe("what a seal leaves", () => {
  it("is also found below /usr, where no package owns it", async () => {
    const files = [
      "/usr/local/tomcat/conf/k.pem",
      "/usr/share/app/k.pem",
      "/lib/app/k.pem",
      "/lost+found/#12",
    ];
    const owned = "/usr/share/tests/k.pem";
    const tree = memoryTree(Object.fromEntries([...files, owned].map((path) => [path, privateKey])));
    const sum = createHash("sha256").update(privateKey).digest("hex");
    const packaged = new Map([
      [owned, { package: "tests", bytes: privateKey.length, digest: sum, isConfig: true }],
    ]);
    const asked = { traits: [], except: [], volumes: new Set<string>() };
    const { found } = await searchGuest(tree, { ...asked, packaged });
    expect(found.map(({ path }) => path)).toEqual([...files].sort());
    const without = await searchGuest(tree, { ...asked, packaged: undefined });
    expect(without.found.map(({ path }) => path)).toEqual([
      "/lost+found/#12",
      "/usr/local/tomcat/conf/k.pem",
    ]);
  });

  it("is nothing for a guest that has only known identities", async () => {
    expect(await leftOf({})).toEqual([]);
  });

  it.each([
    ["<host>build7.example.com</host>", "this host's name"],
    ["server=BUILD7", "this host's name"],
    ["database: build7_x", "this host's name"],
    ["listen 192.0.2.17:8080", "this host's address"],
    ["ip:192.0.2.99.", "this host's address"],
    ["mac = 52-54-00-AA-bb-cc", "its link address"],
    ["mac 525400aabbcc;", "its link address"],
    ["mac 5254.00aa.bbcc", "its link address"],
    ["client 01:52:54:00:aa:bb:cc", "its link address"],
    ["duid 00:03:00:01:52:54:00:aa:bb:cc", "its link address"],
    ["duid 00-01-00-01-2A-3B-4C-5D-52-54-00-AA-BB-CC", "its link address"],
    ["000100012a3b4c5d525400aabbcc", "its link address"],
    ["ping6 fe80::5054:ff:feaa:bbcc%eth0", "an address made of its link address"],
    ["2001:db8:0000:0001:5054:00ff:feaa:bbcc/64", "an address made of its link address"],
    [`node: ${id}`, "its machine id"],
    ["01234567-89AB-CDEF-0123-456789ABCDEF", "its machine id"],
    [`build7 ssh-ed25519 ${hostKey}`, "this host's name"],
    [`* ssh-ed25519 ${hostKey}`, "its SSH host key"],
    ["con 5b6e0b3c-1111-4000-8000-00000000abcd", "the id of one of its connections"],
    ["iqn.1988-12.com.oracle:f00dfeed", "its iSCSI name"],
  ])("is reported if a file contains %j", async (text, what) => {
    expect(await leftOf({ "/opt/app/conf.xml": text })).toEqual([`${what} in /opt/app/conf.xml`]);
    const packed = Buffer.concat([Buffer.from([0, 1, 2, 255]), Buffer.from(` ${text} `), Buffer.from([0])]);
    expect(await leftOf({ "/opt/app/data.bin": packed })).toEqual([`${what} in /opt/app/data.bin`]);
  });

  it.each([
    "build77 build7-old mybuild7",
    "192.0.2.170 1192.0.2.17 192.0.2.17.4",
    "152:54:00:aa:bb:cc 52:54:00:aa:bb:cc:dd",
    `f${id} ${id}0`,
    `vmlinuz-0-rescue-${id}`,
    "iqn.1988-12.com.oracle:f00dfeed2",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END CERTIFICATE-----",
    "AKIAIOSFODNN7EXAMPLE",
    "mysql://root:r00t@localhost/x http://bob:s3cret@www.example.com/ http://user:password@host http://$U:$P@host https://host:8080/a@b",
    "password = secret",
    "server_id = productiondatabaseserver02 node_id: 2024-webserver-eu-west-1-production",
  ])("is not a false alarm: %j", async (text) => {
    expect(await leftOf({ "/opt/app/conf": text })).toEqual([]);
  });

  it.each([
    [privateKey, "a private key"],
    [
      `-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES-128-CBC,00\r\n\r\n${"Ab9+".repeat(16)}\r\n`,
      "a private key",
    ],
    [`-----BEGIN ENCRYPTED PRIVATE KEY-----\n${"Ab9+".repeat(16)}\n`, "an encrypted private key"],
    [`-----BEGIN OPENSSH PRIVATE KEY-----\n${"b3Bl".repeat(17)}\n`, "a private key"],
    [`-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\n${"lQOY".repeat(16)}\n`, "a private key"],
    ["PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "a private key of PuTTY"],
    ["Private-key-format: v1.3\nAlgorithm: 13\n", "a private key of DNSSEC"],
    [`token: ghp_${"aB3d".repeat(9)}`, "a token (ghp_…)"],
    ["baseurl=https://mirror:s3cret@repo.corp/ol8", "a login in an address"],
    ["aws_access_key_id=AKIAQ2W3E4R5T6Y7U8I9", "a token (AKIA…)"],
    [
      `key=${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${Buffer.from('{"sub":"build"}').toString("base64url")}.${"x9Y_".repeat(8)}`,
      "a token (eyJh…)",
    ],
    ["id ocid1.instance.oc1.eu-frankfurt-1.antheljsabcdefghijklmnopqrstuvwx", "a token (ocid…)"],
    [
      Buffer.from(`feedfeed00000002000000010000000100${"00".repeat(20)}`, "hex"),
      "a key store with a private key",
    ],
    [
      Buffer.from(`308204d0${"00".repeat(60)}060b2a864886f70d010c0a0102`, "hex"),
      "a key store with a private key",
    ],
    [Buffer.from(`05020000003a0002000b4558414d504c452e434f4d${"61".repeat(60)}`, "hex"), "a Kerberos keytab"],
  ])("includes secrets, found by their form: %j", async (data, what) => {
    expect(await leftOf({ "/srv/app/file": data })).toEqual([`${what} in /srv/app/file`]);
    expect(await leftOf({ "/srv/app/file": data }, { keep: ["/srv/app"] })).toEqual([]);
  });

  it("is reported if a certificate contains it", async () => {
    const der = Buffer.from("3082010a0c11", "hex").toString("latin1");
    const body = Buffer.from(`${der}build7.example.com0\x82`, "latin1").toString("base64");
    const pem = `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
    expect(await leftOf({ "/etc/pki/tls/certs/app.crt": pem })).toEqual([
      "this host's name in /etc/pki/tls/certs/app.crt",
    ]);
  });

  it.each([
    ["UTF-16, little endian", Buffer.from("server=Build7.Example.Com;", "utf16le"), "this host's name"],
    ["UTF-16, big endian", Buffer.from("x 192.0.2.17 y", "utf16le").swap16(), "this host's address"],
    ["base64", `Basic ${Buffer.from("anna@build7.example.com:x").toString("base64")}\n`, "this host's name"],
    ["base64 of a machine id", Buffer.from(`id=${id}`).toString("base64"), "its machine id"],
    ["percent encoding", "u=52%3A54%3a00%3Aaa%3Abb%3Acc&n=x", "its link address"],
    ["percent encoding of a name", "http%3A%2F%2Fbuild7%2Eexample%2Ecom%2Fx", "this host's name"],
  ])("is reported if it is in %s", async (_form, data, what) => {
    expect(await leftOf({ "/opt/app/file": data })).toEqual([`${what} in /opt/app/file`]);
  });

  it.each([
    ["conf", "db.password=Welcome1", "a secret (db.password)"],
    ["mine", "VALUES = {'password': Welcome1}\n", "a secret (password)"],
    ["key.json", '[{"key": "Zm9v.YmFy.MTIzNDU2Nzg5"}]', "a secret (key)"],
    ["mine.json", '{"x":{"password":"true1"}}', "a secret (password)"],
    ["node.json", '{"node_id": "y3wbq7lj05r2n8vktx61ofmze"}', "an id (node_id)"],
    ["agent.json", '{"agentId": {5b6e0b3c-7d1f-4a52-9c3e-2f8a6b1d4e70}}', "an id (agentId)"],
    ["app.yml", "auth:\n  apiKey: 'a1b2c3d4e5f6'\n", "a secret (apiKey)"],
    ["x.xml", '<conn passwd="S3same"/>', "a secret (passwd)"],
    ["x.json", '{"clientSecret": "Zz9-yy8"}', "a secret (clientSecret)"],
    ["redis.conf", "requirepass S3same", "a secret (requirepass)"],
    ["agent.xml", "<AgentGUID>{5B6E0B3C-7D1F-4A52-9C3E-2F8A6B1D4E70}</AgentGUID>", "an id (AgentGUID)"],
    ["agent.ini", "[x]\nsensorId=48213\n", "an id (sensorId)"],
    ["id", "9f86d081884c7d659a2feaa0c55ad015\n", "an id or a key (9f86…)"],
    ["private", "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n", "a key or a token (yA…)"],
    ["users", `anna:$6$saltsalt$${"Ab3/".repeat(21)}Ab`, "a password hash"],
    ["x.swp", "b0VIM 8.0\0\0", "a swap file of vi"],
    ["core", `\x7fELF\x02\x01\x01${"\0".repeat(9)}\x04\0>\0\0`, "a core dump"],
  ])("includes unlisted values, found by key or form: %s with %j", async (name, text, what) => {
    expect(await leftOf({ [`/opt/app/${name}`]: text })).toEqual([`${what} in /opt/app/${name}`]);
  });

  it.each([
    ["/etc/nsswitch.conf", "passwd: files sss\nshadow: files\n"],
    ["/etc/pam.d/system-auth", "password sufficient pam_unix.so sha512\n"],
    ["/etc/kernel/entry-token", `${"f".repeat(32)}\n`],
    ["/etc/ssh/sshd_config", "PasswordAuthentication yes\nPermitEmptyPasswords no\nHostKey /etc/ssh/x\n"],
    ["/etc/app.conf", "# password = Welcome1\npassword = $DB_PASSWORD\nsecret_file = /run/secrets/x\n"],
    ["/etc/app.yml", "password: '{{ vault }}'\ntoken: \"\"\nkey: value\nkeyFile: /etc/x.pem\n"],
    ["/etc/tomcat/tomcat-users.xml", '<!-- <user password="tomcat1"/> -->\n<x password=""/>\n'],
    ["/opt/app/lib/login.py", "password = 'Welcome1'\n"],
    ["/etc/default/grub", "GRUB_CMDLINE=root=UUID=5b6e0b3c-7d1f-4a52-9c3e-2f8a6b1d4e71\n"],
    ["/opt/app/.git/HEAD", "9f86d081884c7d659a2feaa0c55ad0159f86d081\n"],
    ["/opt/app/release", "OracleLinuxServer-Release-8-Update-10\n"],
    ["/etc/app.id", "00000000-0000-0000-0000-000000000000\n"],
    ["/etc/login.defs", "PASS_MAX_DAYS 99999\nENCRYPT_METHOD SHA512\n"],
    ["/etc/template.d/scripts/mine", "PARAMETERS = [{'key': 'x.y', 'password': True}]\n"],
    ["/opt/app/schema.json", '{"properties":{"a":{"password":true},"b":{"secret":null}}}'],
  ])("has no false alarm of keys: %s", async (path, text) => {
    expect(await leftOf({ [path]: text })).toEqual([]);
  });

  it("has no false alarm of the first-boot modules that come with tbuild", async () => {
    const modules = join(import.meta.dirname, "../../recipes/modules");
    for (const name of await readdir(modules)) {
      const tree = memoryTree(own);
      await injectModule(await readModule(join(modules, name))).apply(tree);
      const { found } = await findLeftovers(tree, { traits: [], pending: Object.keys(own), keep: [] });
      expect(
        found.map(({ path, what }) => `${what} in ${path}`),
        name,
      ).toEqual([]);
    }
  });

  it.each([
    [
      "/etc/systemd/network/eth0.network",
      "[Match]\nName=eth0\n[DHCP]\nDUIDRawData=00:01:02:03\n",
      "client id (DHCP.DUIDRawData)",
    ],
    [
      "/etc/systemd/network/eth0.network",
      "[Network]\nAddress=2001:db8::17/64\n",
      "address (Network.Address)",
    ],
    [
      "/etc/systemd/network/eth0.link",
      "[Match]\nOriginalName=*\n[Link]\nMACAddress=52:54:00:11:22:33\n",
      "link address (Link.MACAddress)",
    ],
    [
      "/etc/netplan/50-x.yaml",
      "network:\n  ethernets:\n    eth0:\n      macaddress: 52:54:00:11:22:33\n",
      "link address (macaddress)",
    ],
    ["/etc/netplan/50-x.yaml", "      addresses: [10.9.8.7/24]\n", "address (addresses)"],
    [
      "/etc/netplan/50-x.yaml",
      "network:\n  ethernets:\n    eth0:\n      addresses:\n        - 10.9.8.7/24\n",
      "address (addresses)",
    ],
    ["/etc/netplan/x.yaml", 'addresses:\n  - "10.9.8.7/24": {label: x}\n', "address (addresses)"],
    ["/etc/netplan/x.yml", "a: &one [10.9.8.7]\naddresses: *one\n", "address (a)"],
    ["/etc/nmstate/x.yml", "interfaces:\n- ipv4:\n    address:\n    - ip: 10.9.8.7\n", "address (ip)"],
    ["/etc/nmstate/x.yml", "---\na: 1\n---\ndns:\n  server: ['2001:db8::5']\n", "address (server)"],
    [
      "/etc/os-net-config/config.json",
      '{"addresses": [{"ip_netmask": "10.9.8.7/24"}]}',
      "address (ip_netmask)",
    ],
    [
      "/etc/cloud/cloud.cfg.d/99-net.cfg",
      "network:\n  config:\n  - subnets:\n    - address: 10.9.8.7\n",
      "address (address)",
    ],
    [
      "/etc/systemd/networkd.conf",
      "[DHCP]\nDUIDType=vendor\nDUIDRawData=00:00:ab:11:f9:2a:c2:77\n",
      "link address (DHCP.DUIDRawData)",
    ],
    [
      "/etc/systemd/network/eth0.network.d/a.conf",
      "[Network]\nGateway=10.9.8.1\n",
      "address (Network.Gateway)",
    ],
    [
      "/var/lib/connman/wired.config",
      "[service_x]\nType=ethernet\nIPv4=10.9.8.7/255.255.255.0/10.9.8.1\n",
      "address (service_x.IPv4)",
    ],
    ["/etc/netctl/eth0", "Address=('10.9.8.7/24')\n", "address (Address)"],
    ["/etc/sysconfig/network/ifcfg-eth0", "IPADDR='10.9.8.7/24'\n", "address (IPADDR)"],
    ["/etc/network/interfaces", "iface eth0 inet static\n  address 10.9.8.7\n", "address (address)"],
    ["/etc/wicked/eth0.xml", "<interface><ipv4:static><address>10.9.8.7/24</address>\n", "address (address)"],
    ["/etc/dhcpcd.conf", "duid 00:01:00:01:aa\n", "client id (duid)"],
    ["/etc/sysconfig/network", "NETWORKING=yes\nDHCP_CLIENT_ID=build7x\n", "client id (DHCP_CLIENT_ID)"],
  ])("includes an unknown identity key in %s: %j", async (path, text, what) => {
    expect(await leftOf({ [path]: text })).toContain(`maybe its ${what} in ${path}`);
  });

  it.each([
    ["/etc/systemd/network/eth0.network", "[Match]\nName=eth0\n[Network]\nDHCP=yes\n"],
    ["/etc/netplan/01-x.yaml", "network:\n  version: 2\n  ethernets:\n    eth0: {dhcp4: true}\n"],
    [
      "/etc/nmstate/x.yml",
      "interfaces:\n- name: eth0\n  ipv4: {dhcp: true, dhcp-client-id: ll, prefix-length: 24}\n",
    ],
    ["/etc/netplan/x.yaml", "# 10.9.8.7\nnetwork: {renderer: networkd}\n"],
    ["/etc/cloud/cloud.cfg.d/a.cfg", "manage_etc_hosts: true\ndatasource: {url: 'http://10.9.8.7'}\n"],
    ["/etc/systemd/networkd.conf", "[DHCP]\nDUIDType=link-layer\n#DUIDRawData=\n"],
    ["/etc/network/interfaces", "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\n"],
    ["/etc/dhcpcd.conf", "hostname\nduid\npersistent\n# slaac hwaddr\n"],
    [
      "/etc/sysconfig/network",
      "NETWORKING=yes\nHOSTNAME=localhost.localdomain\nGATEWAYDEV=eth0\nNOZEROCONF=yes\n",
    ],
  ])("has no false alarm of networks: %s with %j", async (path, text) => {
    expect(await leftOf({ [path]: text })).toEqual([]);
  });

  it.each([
    ["letters", "a".repeat(1e6)],
    ["dots", "a.".repeat(5e5)],
    ["blanks", `key${" ".repeat(1e6)}`],
    ["empty lines", "\n".repeat(1e6)],
    ["comments without an end", "<!-- password".repeat(8e4)],
    ["quotes", '"password"'.repeat(1e5)],
    ["brackets", "{;key ".repeat(1.6e5)],
    ["percent signs", "%4".repeat(5e5)],
    ["dollars", "$6$a$".repeat(2e5)],
    ["certificates without an end", "-----BEGIN CERTIFICATE-----\n".repeat(4e4)],
    ["equals signs", "pass=".repeat(2e5)],
  ])("is searched for in bounded time: %s", async (_what, text) => {
    const paths = [
      "/opt/app.conf",
      "/etc/netplan/x.yaml",
      "/etc/mdadm.conf",
      "/root/.netrc",
      "/etc/dhcpcd.conf",
    ];
    const tree = memoryTree(Object.fromEntries(paths.map((path) => [path, text])));
    await findLeftovers(tree, { traits: [], pending: [], keep: [] });
  });

  it("does not report the ID of a file system", async () => {
    const volume = "5b6e0b3c-7d1f-4a52-9c3e-2f8a6b1d4e71";
    const files = {
      "/etc/fstab": `UUID=${volume} / ext4 defaults 1 1\n`,
      "/etc/app.conf": `uuid = ${volume}\n`,
    };
    expect(await leftOf(files)).toEqual([]);
  });

  it("names the accounts that have a password, unless that is meant", async () => {
    const hash = `$6$saltsalt$${"Ab3/".repeat(21)}Ab`;
    const tree = memoryTree({
      "/etc/shadow": `root:!!:1::::::\nanna:${hash}:1::::::\nbob:!${hash}:1::::::\n`,
    });
    const options = { traits: [], pending: ["/etc/shadow"], keep: [] };
    const named = [{ path: "/etc/shadow", of: "passwords", what: "the password of anna" }];
    expect((await findLeftovers(tree, options)).found).toEqual(named);
    expect((await findLeftovers(tree, { ...options, meant: ["/etc/shadow"] })).found).toEqual([]);
  });

  it("includes Oracle's password files and wallets, by their names", async () => {
    const home = "/u01/app/oracle";
    expect(await leftOf({ [`${home}/dbs/orapwORCL`]: "x", [`${home}/wallet/cwallet.sso`]: "x" })).toEqual([
      `a password file of Oracle Database in ${home}/dbs/orapwORCL`,
      `an Oracle wallet in ${home}/wallet/cwallet.sso`,
    ]);
  });

  it("includes file names and links, too", async () => {
    const links = { "/srv/current": "/opt/build7.example.com/app" };
    expect(
      await leftOf({ "/u01/cdata/build7.olr": "x", "/etc/app/build7.example.com/x": "y" }, { links }),
    ).toEqual([
      "this host's name in a name in /etc/app/build7.example.com",
      "this host's name in a link in /srv/current",
      "this host's name in a name in /u01/cdata/build7.olr",
    ]);
  });

  it("does not include libraries' keys for tests", async () => {
    expect(await leftOf({ "/usr/lib/python3.6/site-packages/x/test.pem": privateKey })).toEqual([]);
    expect(await leftOf({ "/usr/lib/tests/key.pem": privateKey })).toEqual([]);
  });

  it("includes the ID that boot entries had to keep, even after the seal", async () => {
    const tree = memoryTree(
      { "/boot/vmlinuz-0-rescue-0123456789abcdef0123456789abcdef": "x", "/opt/app/id": id },
      { links: { "/boot/grub2/grubenv": "../efi/EFI/redhat/grubenv" } },
    );
    await tree.write(`/boot/loader/entries/${id}-5.15.conf`, "title x\n");
    const { found } = await findLeftovers(tree, { traits: await readTraits(tree), pending: [], keep: [] });
    expect(found.map(({ path }) => path)).toEqual([`/boot/loader/entries/${id}-5.15.conf`, "/opt/app/id"]);
  });

  it("says which files it did not read because of their size", async () => {
    const tree = memoryTree({
      "/u01/data.dbf": Buffer.alloc(17 * 1024 * 1024),
      "/usr/sbin/big": Buffer.alloc(17 * 1024 * 1024),
      "/usr/lib/locale/locale-archive": Buffer.alloc(17 * 1024 * 1024),
    });
    const { limits } = await findLeftovers(tree, { traits: [], pending: [], keep: [] });
    expect(limits).toEqual(["not searched, because larger than 16 MiB: /u01/data.dbf, /usr/sbin/big"]);
  });

  it("does not search for words that are everywhere", async () => {
    const tree = memoryTree({ "/etc/hostname": "oracle\n", "/opt/app": "user oracle" });
    const traits = await readTraits(tree);
    expect((await findLeftovers(tree, { traits, pending: [], keep: [] })).found).toEqual([]);
  });
});
