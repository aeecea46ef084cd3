import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { inGuest, rootNeeds } from "../firstboot/additions-root.ts";

// Debian's NetworkManager, unpacked and not installed (Makefile). It reads keyfiles, as that of EL9 does, and no ifcfg files.
const unpacked = resolve(import.meta.dirname, "../../.tbuild/network-manager");
const module = "PYTHONPATH=/usr/lib/python-templateconfig /etc/template.d/scripts/network";
const network = "com.oracle.linux.network.";
const values = (own: Readonly<Record<string, string>>) =>
  JSON.stringify(Object.fromEntries(Object.entries(own).map(([key, value]) => [network + key, value])));

// The bus has no policy; sysfs is read-only, so that NetworkManager waits for no udev.
const start = `
mount -t sysfs -o ro sysfs /sys; mkdir -p /run/dbus
ip link set lo up
for n in 0 1; do ip link add eth$n type veth peer name peer$n; ip link set peer$n up; done
echo '<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy></busconfig>' > /run/bus.conf
dbus-daemon --config-file=/run/bus.conf --nopidfile --fork
printf '[main]\\nplugins=keyfile\\nauth-polkit=false\\nno-auto-default=*\\n' > /etc/NetworkManager/NetworkManager.conf
NetworkManager --no-daemon > /run/nm.log 2>&1 &
for try in $(seq 100); do [ "$(timeout 3 nmcli -t -f RUNNING general 2>/dev/null)" = running ] && break; sleep 0.1; done
seen() { ip -o -4 addr show eth0 | sed 's/.*inet //; s/ .*//'; ip route show default | sed 's/ metric.*//'; grep -v '^#' /etc/resolv.conf; nmcli -t -f DEVICE,STATE,CONNECTION device | grep eth | sort; }
`;

describeWith(
  [...rootNeeds, join(unpacked, "usr/sbin/NetworkManager"), "dbus-daemon", "ip"],
  "the module network and the real NetworkManager",
  () => {
    it("sets up a card that the installer had set up otherwise, changes it, and gives it back to DHCP", () => {
      const first = {
        ...{
          hostname: "c1.example.com",
          "device.0": "eth0",
          "bootproto.0": "static",
          "ipaddr.0": "10.9.0.5",
        },
        ...{ "netmask.0": "255.255.252.0", "gateway.0": "10.9.0.1", "dns-servers.0": "10.9.0.2,10.9.0.3" },
        ...{ "dns-search-domains.0": "a.example", "device.1": "eth1", "onboot.1": "no" },
      };
      const second = { ...first, "ipaddr.0": "10.9.1.6", "dns-servers.0": "10.9.0.9" };
      const configure = (own: Readonly<Record<string, string>>) =>
        `echo '${values(own)}' | ${module} configure > /dev/null 2> /said || { cat /said; exit 9; }\n`;
      const { out, err, code } = inGuest(
        "/usr/bin/python3",
        `${start}
cd /etc/NetworkManager/system-connections; chmod 600 *; nmcli connection reload; nmcli connection up id Wired > /dev/null; seen; echo --
${configure(first)} seen; ls; cp eth0.nmconnection /first; echo --
${configure(first)} cmp eth0.nmconnection /first; seen | head -1; echo --
${configure(second)} seen; echo --
${module} cleanup < /dev/null > /dev/null; nmcli connection reload; nmcli -t -f ipv4.method,ipv4.addresses,connection.autoconnect connection show eth0`,
        {
          "usr/bin/hostname": "#!/bin/sh\n",
          "etc/NetworkManager/system-connections/Wired.nmconnection":
            "[connection]\nid=Wired\ntype=ethernet\ninterface-name=eth0\n[ipv4]\nmethod=manual\naddress1=10.9.0.99/24\n",
        },
        unpacked,
      );
      expect({ code, err }, out).toEqual({ code: 0, err: "" });
      const [before, after, again, changed, cleaned] = out.split("--\n");
      expect(before).toMatch(/^10\.9\.0\.99\/24\n[\s\S]*eth0:connected:Wired\n/);
      expect(after).toBe(`10.9.0.5/22
default via 10.9.0.1 dev eth0 proto static
search a.example example.com
nameserver 10.9.0.2
nameserver 10.9.0.3
eth0:connected:eth0
eth1:disconnected:
eth0.nmconnection
eth1.nmconnection
`);
      expect(again).toBe("10.9.0.5/22\n");
      expect(changed).toContain("10.9.1.6/22\ndefault via 10.9.0.1 dev eth0 proto static\n");
      expect(changed).toContain("nameserver 10.9.0.9\neth0:connected:eth0\n");
      expect(cleaned).toBe("ipv4.method:auto\nipv4.addresses:\nconnection.autoconnect:yes\n");
    });
  },
);
