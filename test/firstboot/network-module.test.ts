import { expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { inGuest, pythons, rootNeeds } from "./additions-root.ts";

const network = "com.oracle.linux.network.";
const values = (own: Readonly<Record<string, string>>) =>
  JSON.stringify(Object.fromEntries(Object.entries(own).map(([key, value]) => [network + key, value])));
// As ovm-template-config runs it.
const module = "PYTHONPATH=/usr/lib/python-templateconfig /etc/template.d/scripts/network";
const configured = (own: Readonly<Record<string, string>>) =>
  `echo '${values(own)}' | ${module} configure > /dev/null 2> /said || { code=$?; cat /said; echo "code $code"; }\n`;
const card = (device: string, mac: string) =>
  `mkdir -p /sys/class/net/${device}; echo ${mac} > /sys/class/net/${device}/address\n`;
const scripts = "etc/sysconfig/network-scripts";
const connections = "etc/NetworkManager/system-connections";
const recorder = (name: string, answers = "") => `#!/bin/sh\necho ${name} "$@" >> /ran\n${answers}`;
// NetworkManager runs, and knows eth0 and eth1.
const nmcli = (state = "connected") =>
  recorder(
    "nmcli",
    `case "$*" in *RUNNING*) echo running;; *DEVICE,STATE*) printf 'eth0:${state}\\neth1:${state}\\n';; esac\n`,
  );
const plugin = { "usr/lib64/NetworkManager/1.40.0/libnm-settings-plugin-ifcfg-rh.so": "" };
/** What each kind of guest has, to tell its release by. */
const guests = {
  ol6: {
    [`${scripts}/ifup-eth`]: "",
    "sbin/ifup": recorder("ifup"),
    "sbin/ifdown": recorder("ifdown", "exit 1"),
  },
  ol7: {
    ...{
      [`${scripts}/ifup-eth`]: "",
      "sbin/ifup": recorder("ifup"),
      "sbin/ifdown": recorder("ifdown", "exit 1"),
    },
    ...{ "usr/sbin/NetworkManager": "", "usr/bin/nmcli": nmcli(), ...plugin },
  },
  ol8: { "usr/sbin/NetworkManager": "", "usr/bin/nmcli": nmcli(), ...plugin },
} as const;
const still = {
  hostname: "c1.example.com",
  "device.0": "eth0",
  "bootproto.0": "static",
  "ipaddr.0": "10.0.0.5",
};
const whole = {
  ...still,
  ...{ "netmask.0": "255.255.252.0", "gateway.0": "10.0.0.1" },
  ...{ "dns-servers.0": "10.0.0.2, 10.0.0.3", "dns-search-domains.0": "a.example,b.example" },
};
const ifcfg = `DEVICE=eth0
NAME=eth0
TYPE=Ethernet
ONBOOT=yes
BOOTPROTO=none
HWADDR=00:21:F6:00:00:0A
IPADDR=10.0.0.5
NETMASK=255.255.252.0
GATEWAY=10.0.0.1
DNS1=10.0.0.2
DNS2=10.0.0.3
DOMAIN="a.example b.example"
`;
type Files = Readonly<Record<string, string>>;

/** What shell lines print in each of several guests, one after the other in one throw-away root. */
function inGuests(
  cases: readonly (readonly [script: string, files: Files])[],
  python = "/usr/bin/python3",
): string[] {
  const files = cases.flatMap(([, own], number) =>
    Object.entries(own).map(([path, text]) => [
      `guests/${number}/${path.replace(/^sbin/, "usr/sbin")}`,
      text,
    ]),
  );
  const script = cases.map(
    ([lines], number) => `
rm -rf /${scripts} /${connections} /usr/sbin/ifup /usr/sbin/ifdown /usr/sbin/NetworkManager /usr/bin/nmcli /usr/lib64/NetworkManager /sys/class/net
rm -f /ran; mkdir -p /${scripts} /${connections}
cp -a /guests/${number}/. /; echo as-it-was > /etc/resolv.conf
(${lines}) 2>&1
echo ======`,
  );
  const { out, code, err } = inGuest(python, script.join("\n"), {
    ...Object.fromEntries(files),
    "usr/bin/hostname": recorder("hostname"),
  });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out.split("======\n").slice(0, -1);
}

const eth0 = "00:21:f6:00:00:0a";
const here = card("eth0", eth0);
const acts = "grep -v '^nmcli -t' /ran";

for (const { name, path } of pythons)
  describeWith(rootNeeds, `the module network, under ${name}`, () => {
    it("writes the files that the guest reads, applies them, and forgets them", () => {
      const show = `${here}${configured(whole)}cat /${scripts}/ifcfg-eth0 /etc/resolv.conf; ${acts}; ls /${connections}`;
      const [ol6, ol7, ol8, ol9, cleaned] = inGuests(
        [
          [show, guests.ol6],
          [show, guests.ol7],
          [show, { ...guests.ol8, [`${scripts}/ifcfg-eth0`]: "DEVICE=eth0\n" }],
          [
            `${here}${configured({ ...whole, "device.20": "eth1", "onboot.20": "no" })}cd /${connections}; cat eth0.nmconnection; stat -c '%a %n' eth*; grep autoconnect= eth1*; ls -A /${scripts}; ${acts}`,
            guests.ol8,
          ],
          [
            `${module} cleanup < /dev/null > /dev/null; cd /${scripts}; grep -H . ifcfg-*; cd /${connections}; grep -H . * | grep -v uto`,
            {
              ...guests.ol8,
              [`${scripts}/ifcfg-lo`]: "DEVICE=lo\n",
              [`${scripts}/ifcfg-ens3`]: "DEVICE=ens3\nIPADDR=10.0.0.5\n",
              [`${scripts}/ifcfg-ens3:1`]: "DEVICE=ens3:1\nIPADDR=10.0.0.6\n",
              [`${connections}/wired`]:
                "[connection]\nid=Wired\ntype=802-3-ethernet\n[ipv4]\naddress1=10.0.0.7/24\n",
              [`${connections}/vlan`]: "[connection]\nid=v\ntype=vlan\n",
            },
          ],
        ],
        path,
      );
      expect(ol6).toBe(
        `${ifcfg}search a.example b.example\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nhostname c1.example.com\nifdown eth0\nifup eth0\n`,
      );
      // NetworkManager writes resolv.conf.
      expect(ol7).toBe(
        `${ifcfg}as-it-was\nhostname c1.example.com\nnmcli connection reload\nnmcli connection up id eth0 ifname eth0\n`,
      );
      expect(ol8).toBe(ol7);
      expect(ol9).toBe(`[connection]
id=eth0
type=ethernet
interface-name=eth0
autoconnect=true
autoconnect-priority=100

[ipv4]
method=manual
address1=10.0.0.5/22,10.0.0.1
dns=10.0.0.2;10.0.0.3;
dns-search=a.example;b.example;

[ipv6]
method=auto
600 eth0.nmconnection
600 eth1.nmconnection
autoconnect=false
hostname c1.example.com
nmcli connection reload
nmcli connection up id eth0 ifname eth0
`);
      expect(cleaned?.split("\n")).toEqual([
        ...["DEVICE=ens3", "TYPE=Ethernet", "ONBOOT=yes", "BOOTPROTO=dhcp"].map(
          (line) => `ifcfg-ens3:${line}`,
        ),
        "ifcfg-lo:DEVICE=lo",
        ...["vlan:[connection]", "vlan:id=v", "vlan:type=vlan"],
        ...["[connection]", "id=Wired", "type=ethernet", "[ipv4]", "[ipv6]"].map((line) => `wired:${line}`),
        "",
      ]);
    });
  });

const refused: readonly (readonly [Files, string])[] = [
  [{ "netmask.0": "255.255.0.255" }, 'eth0 has the address 10.0.0.5, but its netmask is "255.255.0.255"'],
  [{}, 'eth0 has the address 10.0.0.5, but its netmask is ""'],
  [{ "ipaddr.0": "fd00::1" }, "ipaddr.0 is not an IPv4 address: fd00::1"],
  [{ "device.0": "../eth0" }, "not a network value: '../eth0'"],
  [{ "gateway.0": "10.0.0.1 x" }, "not a network value: '10.0.0.1 x'"],
  [{ ...whole, "dns-servers.1": "10.0.0.9" }, "the name servers of .1 have no device.1"],
];

describeWith(rootNeeds, "the module network", () => {
  it("removes other settings of a card, leaves unmanaged cards to ifup, and refuses values that cannot be", () => {
    const connection = (lines: string) => `[connection]\ntype=ethernet\n${lines}\n`;
    const said = "cat /said";
    const [removed = "", unmanaged, stopped, ...faults] = inGuests([
      [
        `${here}${configured(still)}ls /${scripts} /${connections}; ${said}`,
        {
          ...guests.ol7,
          [`${scripts}/ifcfg-Wired_connection_1`]: 'DEVICE="eth0"\n',
          [`${scripts}/ifcfg-by-address`]: `HWADDR="${eth0.toUpperCase()}"\n`,
          [`${scripts}/ifcfg-eth0:1`]: "DEVICE=eth0:1\n",
          [`${scripts}/ifcfg-eth1`]: "DEVICE=eth1\nHWADDR=00:21:f6:00:00:0b\n",
          [`${connections}/named`]: connection("interface-name = eth0"),
          [`${connections}/by-address`]: connection(`[ethernet]\nmac-address=${eth0}`),
          [`${connections}/every-card`]: connection(""),
          [`${connections}/vlan`]: "[connection]\ntype=vlan\ninterface-name=eth0\n",
        },
      ],
      [`${here}${configured(still)}${acts}`, { ...guests.ol7, "usr/bin/nmcli": nmcli("unmanaged") }],
      [
        `${here}${configured(whole)}cat /ran /etc/resolv.conf; ${said}`,
        { ...guests.ol8, "usr/bin/nmcli": "#!/bin/sh\nexit 8\n" },
      ],
      ...refused.map(([own]) => [configured({ ...still, ...own }), guests.ol8] as const),
    ]);
    expect(removed).toContain(`/${connections}:\nevery-card\nvlan\n`);
    expect(removed).toContain(`/${scripts}:\nifcfg-eth0\nifcfg-eth0:1\nifcfg-eth1\nifup-eth\n`);
    expect(removed).toContain(`/${connections}/named also named eth0, and was removed`);
    expect(unmanaged).toBe("hostname c1.example.com\nifdown eth0\nifup eth0\n");
    expect(stopped).toContain(
      "hostname c1.example.com\nsearch a.example b.example\nnameserver 10.0.0.2\nnameserver 10.0.0.3\neth0 gets its settings when the network starts",
    );
    expect(faults).toHaveLength(refused.length);
    for (const [number, [, words]] of refused.entries()) {
      expect(faults[number]).toContain(words);
      expect(faults[number]).toMatch(/code 1\n$/);
      expect(faults[number]).not.toContain("Traceback");
    }
  });
});
