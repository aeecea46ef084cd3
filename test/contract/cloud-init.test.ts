import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { noCloudSeed } from "../../src/firstboot/nocloud.ts";
import { localHost } from "../../src/host/local.ts";
import { temporaryFolder } from "../../src/host/temporary.ts";
import { writeDisc } from "../../src/media/small-disc.ts";
import { describeWith } from "../fakes/missing.ts";

const oracle = "com.oracle.linux.";
const key = "-----BEGIN OPENSSH PRIVATE KEY-----\\nabc\\n-----END OPENSSH PRIVATE KEY-----";
const static0 = {
  "network.device.0": "eth0",
  "network.bootproto.0": "static",
  "network.ipaddr.0": "192.0.2.9",
  "network.netmask.0": "255.255.255.128",
  "network.gateway.0": "192.0.2.1",
};

/** Values of every kind, and words that YAML or a shell would misread. */
const sets: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  everything: {
    ...static0,
    "network.hostname": "vm001.example.com",
    "network.onboot.0": "yes",
    "network.dns-servers.0": "192.0.2.2, 192.0.2.3",
    "network.dns-search-domains.0": "example.com,lab.example.com",
    "network.device.1": "eth1",
    "network.bootproto.1": "dhcp",
    "network.onboot.1": "no",
    "network.hwaddr.1": "00:21:F6:AA:BB:CC",
    "datetime.timezone": "Europe/Zurich",
    "datetime.ntp": "True",
    "ssh.host-rsa-key": key,
    "ssh.host-ed25519-key": key,
    "user.name.0": "grid",
    "user.uid.0": "54322",
    "user.group.0": "oinstall",
    "user.password.0": "hush",
    "ssh.user.0": "grid",
    "ssh.authorized-keys.0": "ssh-ed25519 AAAA a@b",
    "ssh.user.1": "grid",
    "ssh.authorized-keys.1": "ssh-ed25519 BBBB c@d",
    "ssh.authorized-keys.2": "ssh-ed25519 CCCC root@b",
    "user.name.1": "oracle",
    "root-password": "hush",
  },
  "only a host name": { "network.hostname": "yes" },
  "a name that YAML takes for a number": {
    "network.hostname": "0123.example",
    "user.name.0": "null",
    "user.uid.0": "0700",
  },
  "only a password": { "root-password": "hush" },
  "only DHCP": { "network.device.0": "ens3", "network.bootproto.0": "dhcp", "datetime.ntp": "False" },
  IPv6: {
    "network.device.0": "eth0",
    "network.bootproto.0": "static",
    "network.ipaddr.0": "2001:db8::9",
    "network.netmask.0": "64",
    "network.gateway.0": "2001:db8::1",
  },
  "a prefix instead of a netmask": { ...static0, "network.netmask.0": "25" },
  "a root key": { "ssh.authorized-keys.0": 'command="echo: #no" ssh-ed25519 AAAA %{x} "quoted"' },
};

const host = localHost();
const seedOf = (values: Readonly<Record<string, string>>, version: 0 | 1 | 2 = 1) =>
  noCloudSeed(
    Object.entries(values).map(([name, value]) => ({ key: `${oracle}${name}`, value, password: false })),
    "vm001",
    new Map(
      Object.keys(values)
        .filter((name) => name.includes("password"))
        .map((name) => [`${oracle}${name}`, "$6$salt$abc./XYZ"]),
    ),
    version,
  );

describeWith(["cloud-init", "python3", "xorriso", "blkid"], "a NoCloud seed, read by cloud-init", () => {
  let folder: string;
  beforeAll(async () => {
    folder = join(tmpdir(), `tbuild-cloud-init-${process.pid}`);
    for (const [name, values] of Object.entries(sets))
      for (const version of [0, 1, 2] as const) {
        const place = join(folder, version === 1 ? name : `${name} v${version}`);
        await mkdir(place, { recursive: true });
        for (const [file, text] of Object.entries(seedOf(values, version).files))
          if (text !== "") await writeFile(join(place, file), text);
      }
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const read = async (name: string) => {
    const { stdout } = await host.run([
      "/usr/bin/python3",
      join(import.meta.dirname, "cloud-init.py"),
      join(folder, name),
    ]);
    return JSON.parse(stdout);
  };

  it("is valid by cloud-init's schema for all values", async () => {
    for (const name of Object.keys(sets)) {
      const { stdout, stderr, exitCode } = await host.run(
        ["cloud-init", "schema", "--config-file", join(folder, name, "user-data")],
        { allow: [1] },
      );
      expect({ name, exitCode, stderr }).toEqual({ name, exitCode: 0, stderr: "" });
      expect(stdout, name).toContain("Valid cloud-config");
      // The cloud-init of EL7 and EL8 does not know their replacements.
      const deprecated = [...stdout.matchAll(/(\S+): DEPRECATED/g)].map(([, path]) => path);
      expect(["chpasswd.list", "users.0.uid"], name).toEqual(expect.arrayContaining(deprecated));
    }
  });

  it("for an older cloud-init has its network in the meta-data, which this one also reads", async () => {
    const said = await read("everything v0");
    expect(said).toMatchObject({ found: true, hostname: "vm001.example.com" });
    expect(
      said.interfaces.map(({ name, subnets }: { name: string; subnets: { type: string }[] }) => [
        name,
        subnets.map(({ type }) => type),
      ]),
    ).toEqual([
      ["eth0", ["static"]],
      ["eth1", ["dhcp"]],
    ]);
    expect(said.interfaces[0].subnets[0]).toMatchObject({ address: "192.0.2.9", gateway: "192.0.2.1" });
    expect((await read("IPv6 v0")).interfaces ?? []).toEqual([]);
  });

  it("is found by the data source: host name, users and network", async () => {
    const said = await read("everything");
    expect(said).toMatchObject({
      found: true,
      "instance-id": "vm001",
      hostname: "vm001.example.com",
      interfaces: [
        {
          name: "eth0",
          subnets: [
            {
              type: "static",
              address: "192.0.2.9",
              prefix: 25,
              gateway: "192.0.2.1",
              dns_nameservers: ["192.0.2.2", "192.0.2.3"],
              dns_search: ["example.com", "lab.example.com"],
            },
          ],
        },
        { name: "eth1", mac: "00:21:f6:aa:bb:cc", subnets: [{ type: "dhcp4", control: "manual" }] },
      ],
    });
    expect(said["user-data"]).toMatch(/^#cloud-config\n/);
  });

  it("keeps a host name as text, even if it looks like a number, a boolean or null", async () => {
    expect(await read("only a host name")).toMatchObject({ hostname: "yes", network: null });
    expect(await read("a name that YAML takes for a number")).toMatchObject({ hostname: "0123.example" });
  });

  it("passes IPv6 and prefixes to the network correctly", async () => {
    expect((await read("IPv6")).interfaces[0].subnets).toMatchObject([
      { address: "2001:db8::9", prefix: 64, gateway: "2001:db8::1" },
    ]);
    expect((await read("a prefix instead of a netmask")).interfaces[0].subnets).toMatchObject([
      { address: "192.0.2.9", prefix: 25, gateway: "192.0.2.1" },
    ]);
  });

  it("means the same in version 2 of the network configuration as in version 1", async () => {
    const meaning = async (name: string) => {
      const { interfaces = [], ...others } = await read(name);
      const subnets = interfaces.flatMap(
        (one: { name: string; mac: string | null; subnets: Record<string, unknown>[] }) =>
          one.subnets.map((subnet) => ({
            name: one.name,
            mac: one.mac,
            type: String(subnet.type).replace(/^static6?$/, "static"),
            address: subnet.address,
            prefix: subnet.prefix,
            gateway: subnet.gateway,
            dns: subnet.dns_nameservers,
            search: subnet.dns_search,
          })),
      );
      return { ...others, network: others.network?.version, subnets };
    };
    for (const name of Object.keys(sets)) {
      const [one, two] = [await meaning(name), await meaning(`${name} v2`)];
      expect({ name, ...two, network: undefined }).toEqual({ name, ...one, network: undefined });
      if (one.network !== undefined) expect([one.network, two.network]).toEqual([1, 2]);
    }
    // Version 2 cannot express an interface that stays down.
    const everything = sets.everything ?? {};
    expect(seedOf(everything, 2).left).toEqual(["com.oracle.linux.network.onboot.1"]);
    expect(seedOf(everything, 1).left).toEqual([]);
  });

  it.each([
    ["version 1", "everything"],
    ["version 2", "everything v2"],
  ])(
    "in %s becomes the network of EL7 (ifcfg), of EL9 (NetworkManager) and of others (netplan)",
    async (_version, name) => {
      const converted = async (kind: string, path: string) => {
        const out = join(folder, `out-${name}-${kind}`);
        await host.run([
          ...["cloud-init", "devel", "net-convert", "--kind", "yaml", "--output-kind", kind],
          ...["--network-data", join(folder, name, "network-config"), "--directory", out],
          ...["-D", kind === "netplan" ? "ubuntu" : "rhel", "--mac", "eth1,00:21:f6:aa:bb:cc"],
        ]);
        return readFile(join(out, path), "utf8");
      };
      const ifcfg = await converted("sysconfig", "etc/sysconfig/network-scripts/ifcfg-eth0");
      expect(ifcfg).toMatch(/^BOOTPROTO=none$/m);
      expect(ifcfg).toMatch(/^IPADDR=192\.0\.2\.9$/m);
      expect(ifcfg).toMatch(/^NETMASK=255\.255\.255\.128$/m);
      expect(ifcfg).toMatch(/^GATEWAY=192\.0\.2\.1$/m);
      expect(ifcfg).toMatch(/^DNS2=192\.0\.2\.3$/m);
      const connection = await converted(
        "network-manager",
        "etc/NetworkManager/system-connections/cloud-init-eth0.nmconnection",
      );
      expect(connection).toMatch(/^address1=192\.0\.2\.9\/25$/m);
      expect(connection).toMatch(/^method=manual$/m);
      const netplan = await converted("netplan", "etc/netplan/50-cloud-init.yaml");
      expect(netplan).toContain("version: 2");
      expect(netplan).toContain("192.0.2.9/25");
    },
    60_000,
  );

  it("is found on its disc, by its label", async () => {
    await using place = await temporaryFolder("seed");
    const output = join(place.path, "seed.iso");
    await writeDisc(host, { files: seedOf(sets.everything ?? {}).files, label: "cidata", output });
    const { stdout } = await host.run(["blkid", "-p", "-o", "value", "-s", "LABEL", output]);
    expect(stdout.trim()).toBe("cidata");
  });
});
