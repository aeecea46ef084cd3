import { describe, expect, it } from "vitest";
import { bootScriptIdentities } from "../../src/guest/leftovers/boot-scripts.ts";
import { findLeftovers } from "../../src/guest/leftovers/index.ts";
import { commandIdentities } from "../../src/guest/leftovers/network-commands.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

async function leftIn(files: Record<string, string>) {
  return (await bootScriptIdentities(memoryTree(files), undefined)).map(
    ({ path, what }) => `${what} in ${path}`,
  );
}

describe("a command", () => {
  it.each([
    ["hostname vm17", "host name"],
    ["/bin/hostname vm17.example.com", "host name"],
    ["hostnamectl set-hostname vm17", "host name"],
    ["hostnamectl --static hostname vm17", "host name"],
    ["nmcli general hostname vm17", "host name"],
    ["sysctl -w kernel.hostname=vm17", "host name"],
    ["echo vm17 > /etc/hostname", "host name"],
    ["echo vm17 >/proc/sys/kernel/hostname", "host name"],
    ["NAME=vm17; hostname $NAME", "host name"],
    ["domainname example.com", "host name"],
    ["ip addr add 10.3.3.3/24 dev eth0", "network"],
    ["ip -4 a a 10.3.3.3/24 dev eth0", "network"],
    ["/sbin/ip -6 addr replace 2001:db8::17/64 dev eth0", "network"],
    ["ip link set dev eth0 address 52:54:00:11:22:33", "network"],
    ["ip route add default via 10.3.3.1", "network"],
    ["ip rule add from 10.3.3.3 table 5", "network"],
    ["ifconfig eth0 10.3.3.3 netmask 255.255.255.0 up", "network"],
    ["ifconfig eth0:1 10.3.3.3", "network"],
    ["ifconfig eth0 hw ether 52:54:00:11:22:33", "network"],
    ["route add default gw 10.3.3.1", "network"],
    ["nmcli con mod eth0 ipv4.addresses 10.3.3.3/24", "network"],
    ["nmcli con mod eth0 802-3-ethernet.cloned-mac-address 52-54-00-11-22-33", "network"],
    ["macchanger -m 52:54:00:11:22:33 eth0", "network"],
    [`ADDR=10.3.3.3\nif true; then sudo ip addr add \${ADDR}/24 dev eth0; fi`, "network"],
    [`ip addr add \${ADDR:-10.3.3.3/24} dev eth0`, "network"],
    ["sh -c 'sleep 5; ip addr add 10.3.3.3/24 dev eth0' &", "network"],
    ["[ -x /sbin/ip ] && LANG=C nohup ip addr add 10.3.3.3/24 \\\n dev eth0", "network"],
    ["mount --bind /data/var /var", "network"],
    ["mount -t overlay -o lowerdir=/a,upperdir=/b,workdir=/c overlay /etc/ssh", "network"],
  ])("%s sets an identity", (line, of) => {
    expect(commandIdentities(line).map((one) => one.of)).toEqual([of]);
  });

  it.each([
    "hostname",
    "hostname -F /etc/hostname",
    "hostname $(cat /etc/hostname)",
    "hostname localhost.localdomain",
    "HOST=$(hostname -s)",
    "echo hostname vm17",
    "# hostname vm17",
    "echo vm17 > /etc/motd",
    "ip addr add 127.0.0.2/8 dev lo",
    "ip addr add $ADDR dev eth0",
    "ip link set eth0 up",
    "ip link set eth0 address 00:00:00:00:00:00",
    "ifconfig eth0 0.0.0.0",
    "nmcli con up eth0",
    "ntpdate 10.0.0.1",
    "ping -c1 10.3.3.1",
    "mount -a",
    "mount -o remount,rw /",
    "mount --bind /proc/self /proc/x",
    "touch /var/lock/subsys/local",
  ])("%s sets no identity", (line) => expect(commandIdentities(line)).toEqual([]));
});

describe("what runs at boot", () => {
  const line = "ip addr add 10.3.3.3/24 dev eth0";
  const script = `#!/bin/sh\n${line}\n`;
  it.each([
    ["/etc/rc.d/rc.local", script],
    ["/etc/init.d/net-local", script],
    ["/sbin/ifup-local", script],
    ["/etc/NetworkManager/dispatcher.d/pre-up.d/10-net", script],
    ["/etc/dhcp/dhclient-exit-hooks", script],
    ["/etc/crontab", `@reboot root ${line}\n`],
    ["/etc/cron.d/net", `SHELL=/bin/sh\n*/5 * * * * root ${line}\n`],
    ["/var/spool/cron/root", `@reboot ${line}\n`],
    ["/etc/systemd/system/net.service", `[Service]\nExecStart=-/sbin/${line}\n`],
    [
      "/etc/systemd/system/sshd.service.d/x.conf",
      `[Service]\nExecStartPre=/sbin/ip \\\n  addr add 10.3.3.3/24\n`,
    ],
    ["/etc/init/net.conf", `start on startup\nexec ${line}\n`],
    ["/etc/inittab", `n1:3:once:/sbin/${line}\n`],
    ["/etc/udev/rules.d/99-net.rules", `SUBSYSTEM=="net", RUN+="/sbin/${line}"\n`],
  ])("is found in %s", async (path, text) => {
    expect(await leftIn({ [path]: text })).toEqual([`an address (ip) in ${path}`]);
    expect(await leftIn({ [path]: text.replace("10.3.3.3/24", "127.0.0.5/8") })).toEqual([]);
  });

  it("and a link address anywhere in a udev rule", async () => {
    const path = "/etc/udev/rules.d/60-net.rules";
    const rule = 'ACTION=="add", RUN+="/sbin/ip link set eth0 address 52:54:00:11:22:33"\n';
    expect(await leftIn({ [path]: rule })).toEqual([
      `a link address (ip) in ${path}`,
      `a link address in ${path}`,
    ]);
    expect(await leftIn({ [path]: `# ${rule}` })).toEqual([]);
  });

  it("sets the name of the host by sysctl.d and tmpfiles.d, too", async () => {
    expect(
      await leftIn({
        "/etc/sysctl.d/9.conf": "kernel.hostname = vm17\n",
        "/etc/tmpfiles.d/h.conf": "w /proc/sys/kernel/hostname - - - - vm17\n",
      }),
    ).toHaveLength(2);
    expect(await leftIn({ "/etc/sysctl.conf": "kernel.sysrq = 0\n" })).toEqual([]);
  });

  it("is followed into the scripts that it runs or reads", async () => {
    const files = {
      "/etc/rc.local":
        "D=/opt\n[ -x $D/a ] && $D/a\nbash /opt/b start\n. /opt/c\n[ -f /opt/d ] && . /opt/d\n",
      "/opt/a": "hostname vm17\n",
      "/opt/b": "/opt/a; ip a add 10.3.3.3/24 dev eth0\n",
      "/opt/unrelated": "hostname vm18\n",
    };
    expect(await leftIn(files)).toEqual([
      "a host name (hostname) in /opt/a",
      "an address (ip) in /opt/b",
      "maybe an address, because it reads /opt/c, which does not exist in /etc/rc.local",
    ]);
  });

  it("belongs to the classes of a seal's report, also without a search of all files", async () => {
    const tree = memoryTree({ "/etc/rc.local": "hostname vm17\nifconfig eth0 10.3.3.3\n" });
    const { found } = await findLeftovers(tree, { traits: [], pending: [], keep: [], only: "not searched" });
    expect(found.map(({ of }) => of)).toEqual(["host name", "network"]);
  });
});

it("The files of nmstate are searched", async () => {
  const path = "/etc/nmstate/eth0.yml";
  const text =
    "interfaces:\n- name: eth0\n  mac-address: 52:54:00:11:22:33\n  ipv4:\n    address:\n    - ip: 10.3.3.3\n";
  const { found } = await findLeftovers(memoryTree({ [path]: text }), {
    traits: [],
    pending: [],
    keep: [],
    only: "not searched",
  });
  expect(found.map(({ what, of }) => `${of}: ${what}`)).toEqual([
    "network: maybe its link address (mac-address)",
    "network: maybe its address (ip)",
  ]);
});
