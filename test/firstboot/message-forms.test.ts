import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { messageForms } from "../../src/firstboot/message-forms.ts";
import type { Answer } from "../../src/firstboot/messages.ts";
import { noCloudSeed, passwordKeys } from "../../src/firstboot/nocloud.ts";
import { localHost } from "../../src/host/local.ts";
import { writeDisc } from "../../src/media/small-disc.ts";
import { describeWith } from "../fakes/missing.ts";
import { inGuest, rootNeeds } from "./additions-root.ts";

const oracle = (values: Record<string, string>): Answer[] =>
  Object.entries(values).map(([key, value]) => ({
    key: `com.oracle.linux.${key}`,
    value,
    password: /password|private/.test(key),
  }));
const answers = oracle({
  "root-password": `it's "hush" \\n ü`,
  "network.hostname": "vm001.example.com",
  "network.device.0": "eth0",
  "network.bootproto.0": "static",
  "network.ipaddr.0": "192.0.2.9",
  "network.netmask.0": "255.255.255.0",
  "network.gateway.0": "192.0.2.1",
  "network.dns-servers.0": "192.0.2.2,192.0.2.3",
  "network.device.1": "eth1",
  "network.bootproto.1": "dhcp",
  "network.onboot.1": "no",
  "user.name.0": "grid",
  "user.password.0": "other-secret",
  "ssh.user.0": "grid",
  "ssh.authorized-keys.0": "ssh-ed25519 AAAA a@b",
  "ssh.authorized-keys.1": "ssh-ed25519 BBBB root@b",
  "datetime.timezone": "Europe/Zurich",
  "selinux.mode": "permissive",
  "user.uid.0": "",
});

describe("messages over REST", () => {
  it("are calls: logged ones, unlogged ones, and the root password alone at the end", () => {
    const calls = JSON.parse(
      messageForms.rest.write(
        [...answers, { key: "x.long", value: "x".repeat(1025), password: false }],
        "vm001",
      ),
    );
    expect(
      calls.map(({ path, body }: { path: string; body: { key: string }[] }) => [
        path.split("?")[1],
        body.map(({ key }) => key),
      ]),
    ).toEqual([
      ["logFlag=Yes", expect.not.arrayContaining(["x.long", "com.oracle.linux.root-password"])],
      ["logFlag=No", ["com.oracle.linux.user.password.0", "x.long"]],
      ["logFlag=No", ["com.oracle.linux.root-password"]],
    ]);
  });
});

describe("a seed for cloud-init", () => {
  const hashes = new Map(passwordKeys(answers).map((key) => [key, `$6$salt$${key.length}`]));
  const { files, left } = noCloudSeed(answers, "vm001", hashes);

  it("has the host name, users with their keys, the time zone, and hashes instead of passwords", () => {
    expect(files["user-data"]).toMatch(/^#cloud-config\n/);
    expect(parse(files["user-data"])).toEqual({
      hostname: "vm001",
      fqdn: "vm001.example.com",
      manage_etc_hosts: true,
      timezone: "Europe/Zurich",
      users: [
        {
          name: "grid",
          passwd: "$6$salt$32",
          lock_passwd: false,
          ssh_authorized_keys: ["ssh-ed25519 AAAA a@b"],
        },
        { name: "root", ssh_authorized_keys: ["ssh-ed25519 BBBB root@b"] },
      ],
      disable_root: false,
      chpasswd: { expire: false, list: ["root:$6$salt$30"] },
    });
    expect(JSON.stringify(files)).not.toMatch(/hush|other-secret/);
    expect(parse(files["meta-data"])).toEqual({
      "instance-id": "vm001",
      "local-hostname": "vm001.example.com",
    });
  });

  it("has the network in version 1", () => {
    expect(parse(files["network-config"])).toEqual({
      version: 1,
      config: [
        {
          type: "physical",
          name: "eth0",
          subnets: [
            {
              type: "static",
              address: "192.0.2.9",
              netmask: "255.255.255.0",
              gateway: "192.0.2.1",
              dns_nameservers: ["192.0.2.2", "192.0.2.3"],
            },
          ],
        },
        { type: "physical", name: "eth1", subnets: [{ type: "dhcp4", control: "manual" }] },
      ],
    });
  });

  it("lists values without a setting", () => {
    expect(left).toEqual(["com.oracle.linux.selinux.mode"]);
  });

  it("for a cloud-init before 0.7.7 has the network in its meta-data, and no hash in place of a password", () => {
    const old = noCloudSeed(
      [...answers, ...oracle({ "user.uid.0": "500", "datetime.ntp": "True" })],
      "vm001",
      hashes,
      0,
    );
    expect(old.files["network-config"]).toBe("");
    expect(parse(old.files["meta-data"])).toEqual({
      "instance-id": "vm001",
      "local-hostname": "vm001.example.com",
      "network-interfaces": `auto eth0
iface eth0 inet static
    address 192.0.2.9
    netmask 255.255.255.0
    gateway 192.0.2.1
    dns-nameservers 192.0.2.2 192.0.2.3
iface eth1 inet dhcp
`,
    });
    const { chpasswd, runcmd, users } = parse(old.files["user-data"]);
    expect(chpasswd).toBeUndefined();
    const script = runcmd[0][2].replace("| chpasswd -e", "");
    expect(spawnSync("sh", ["-c", script], { encoding: "utf8" }).stdout).toBe("root:$6$salt$30\n");
    expect(
      users.map(({ name, uid, lock_passwd }: Record<string, unknown>) => [name, uid, lock_passwd]),
    ).toEqual([
      ["grid", undefined, false],
      ["root", undefined, false],
    ]);
    expect(old.left).toEqual([
      "com.oracle.linux.selinux.mode",
      "com.oracle.linux.user.uid.0",
      "com.oracle.linux.datetime.ntp",
    ]);
  });

  it("has no network without an interface", () => {
    expect(noCloudSeed(oracle({ "network.hostname": "a" }), "m", new Map()).files["network-config"]).toBe("");
  });
});

describeWith(["xorriso"], "a small disc", () => {
  it("or a folder has the files, and only its owner can read it", async () => {
    const folder = await mkdtemp(join(tmpdir(), "tbuild-small-disc-"));
    try {
      const files = { "user-data": "#cloud-config\n", "meta-data": "a: 1\n", "network-config": "" };
      const [iso, plain] = [join(folder, "seed.iso"), join(folder, "seed")];
      for (const output of [iso, plain, iso])
        await writeDisc(localHost(), { files, label: "cidata", output });
      expect(await readdir(plain)).toEqual(["meta-data", "user-data"]);
      const { stdout } = await localHost().run([
        "xorriso",
        "-indev",
        iso,
        "-find",
        "/",
        "-type",
        "f",
        "-exec",
        "echo",
        "--",
      ]);
      expect(stdout).toContain("'/user-data'");
      expect((await readFile(iso)).subarray(0x8028, 0x8048).toString().trim()).toBe("cidata");
      for (const path of [iso, join(plain, "user-data")]) expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect((await readdir(folder)).sort()).toEqual(["seed", "seed.iso"]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describeWith([...rootNeeds, "xorriso"], "what tbuild's additions read", () => {
  const wanted = Object.fromEntries(
    answers.filter(({ value }) => value !== "").map(({ key, value }) => [key, value]),
  );

  it("is the OVF environment that is written", () => {
    const { out, err } = inGuest(
      "/usr/bin/python3",
      `python3 -c "
import json, sys; sys.path.insert(0, '/usr/lib/python-templateconfig')
from ovmdaemon.ovf import properties
print(json.dumps(properties(open('/env', 'rb').read())))"`,
      { env: messageForms.ovf.write(answers, "vm<001>") },
    );
    expect(err).toBe("");
    expect(JSON.parse(out)).toEqual(wanted);
  });

  it("is what the commands for xenstore write", () => {
    const fake = `#!/usr/bin/python3
import base64, json, re, sys
# As xenstore-write reads its arguments.
if sys.argv[2].startswith('-'):
    sys.exit('an option: ' + sys.argv[2])
value = re.sub(rb'\\\\(x(..)|.)', lambda m: bytes([int(m.group(2), 16)]) if m.group(2) else m.group(1), sys.argv[2].encode())
open('/writes', 'a').write(json.dumps([sys.argv[1], base64.b64encode(value).decode()]) + chr(10))
`;
    const { out, err } = inGuest(
      "/usr/bin/python3",
      `sh /commands; exec python3 -c "
import base64, json, subprocess, sys, time
sys.path.insert(0, '/usr/lib/fakes')
from xenstored import Xenstored
store = Xenstored('/run/xenstored/socket').start()
subprocess.run(['/usr/sbin/ovmd', '-t', '1'], check=True)
for line in open('/writes'):
    path, value = json.loads(line)
    store.write(path, base64.b64decode(value))
time.sleep(1.5)
sys.stdout.write(subprocess.run(['/usr/sbin/ovmd', '-l'], capture_output=True, text=True).stdout)"`,
      {
        commands: messageForms.xenstore.write(
          [
            ...answers,
            { key: "x.long", value: "y".repeat(8000), password: false },
            { key: "x.dash", value: "-n -s", password: false },
          ],
          "it's",
        ),
        "usr/sbin/xenstore-write": fake,
        "usr/sbin/xl": '#!/bin/sh\ntest "$*" = "domid it\'s" && echo 7\n',
      },
    );
    expect(err).toBe("");
    const got = Object.assign(
      {},
      ...out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    );
    expect(got).toEqual({ ...wanted, "x.long": "y".repeat(8000), "x.dash": "-n -s" });
  });
});
