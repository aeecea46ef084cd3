import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyfileEntries } from "../../src/guest/config/keyfile.ts";
import { shellAssignments } from "../../src/guest/config/shell.ts";
import { applyAll, auditAll } from "../../src/guest/operation.ts";
import { freeDhclient } from "../../src/guest/seal/dhclient.ts";
import { withoutOwnNames } from "../../src/guest/seal/hosts.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { freeIfcfg, freeKeyfile, namedConnections } from "../../src/guest/seal/network-files.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const nobody: ReadonlySet<string> = new Set();
const ifcfg = (text: string) => freeIfcfg(text, nobody).text;
const keyfile = (text: string) => freeKeyfile(text, nobody).text;

describe("a connection of NetworkManager", () => {
  it.each([
    [
      "blanks round the sign",
      "[ethernet]\nmac-address = 52:54:00:AA:BB:CE\nmtu = 1500\n",
      "[ethernet]\nmtu = 1500\n",
    ],
    ["blanks before the key", "[ethernet]\n  mac-address=52:54:00:aa:bb:ce\n", "[ethernet]\n"],
    ["CR-LF", "[ipv4]\r\naddress1=192.0.2.1/24\r\nmethod=manual\r\n", "[ipv4]\r\nmethod=auto\r\n"],
    ["a cloned address", "[802-3-ethernet]\ncloned-mac-address=52:54:00:AA:BB:CD\n", "[802-3-ethernet]\n"],
    [
      "ids of DHCP",
      "[ipv4]\ndhcp-client-id=01:52:54\ndhcp-iaid=16909060\n[ipv6]\ndhcp-duid=00:01:02\n",
      "[ipv4]\n[ipv6]\n",
    ],
    [
      "names",
      "[ipv4]\ndhcp-hostname=build7\ndhcp-fqdn=build7.example\ndns-search=example;\ndns=192.0.2.1;\n",
      "[ipv4]\n",
    ],
    [
      "routes",
      "[ipv4]\nroute1=10.0.0.0/8,192.0.2.1\nroute1_options=mtu=9000\nroutes2=1\nrouting-rule1=priority 5 from 192.0.2.5/32 table 7\nroute-metric=100\n",
      "[ipv4]\nroute-metric=100\n",
    ],
    [
      "old addresses",
      "[ipv4]\naddresses1=192.0.2.5;24;192.0.2.1;\naddress12=192.0.2.6/24\ngateway=192.0.2.1\n",
      "[ipv4]\n",
    ],
    ["IPv6", "[ipv6]\nmethod=manual\naddress1=2001:db8::5/64\ntoken=::5\n", "[ipv6]\nmethod=auto\n"],
    ["no line end", "[connection]\nid=eth0\nuuid=0d7f", "[connection]\nid=eth0\n"],
    [
      "an infiniband address of 20 bytes",
      "[infiniband]\nmac-address=80:00:00:48:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:0f:65\n",
      "[infiniband]\n",
    ],
  ])("is freed: %s", (_name, before, after) => {
    expect(keyfile(before)).toBe(after);
    expect(keyfile(after)).toBe(after);
  });

  it.each([
    "[ethernet]\ncloned-mac-address=stable\n",
    "[ethernet]\ngenerate-mac-address-mask=FE:FF:FF:00:00:00\n",
    "[ipv4]\ndhcp-client-id=mac\ndhcp-iaid=ifname\nmethod=auto\n",
    "[ipv6]\ndhcp-duid=stable-uuid\naddr-gen-mode=eui64\n",
    "[connection]\n# uuid=1\nid=uuid=x\ninterface-name=eth0\n",
    "[wifi-security]\nkey-mgmt=wpa-psk\n",
    "[ethernet]\nmac-address=\n",
    "",
  ])("keeps what each clone makes of its own: %j", (text) => {
    expect(freeKeyfile(text, nobody)).toEqual({ text, unclear: [] });
  });

  it.each([
    ["[wifi-security]\npsk=secret word\n", "wifi-security.psk", "secret"],
    ["[wireguard]\nprivate-key=AAAA=\n", "wireguard.private-key", "secret"],
    ["[vpn-secrets]\nxauth=word\n", "vpn-secrets.xauth", "secret"],
    ["[bond]\narp_ip_target=192.0.2.1\n", "bond.arp_ip_target", "address"],
    ["[ip-tunnel]\nlocal=192.0.2.1\n", "ip-tunnel.local", "address"],
    ["[future]\nport-mac=52:54:00:aa:bb:cc\n", "future.port-mac", "link address"],
    ["[future]\nmachine-uuid=00112233-4455-6677-8899-aabbccddeeff\n", "future.machine-uuid", "connection id"],
    ["[future]\ndhcp-client-id-v9=build\n", "future.dhcp-client-id-v9", "client id"],
  ])("reports a key of a telling class that nobody knows, or a secret: %j", (text, key, kind) => {
    expect(freeKeyfile(text, nobody)).toEqual({ text, unclear: [{ key, class: kind }] });
  });

  it("keeps its id where another connection names it, because a bond would fall apart", () => {
    const [bond, port] = ["5b6e0b3c-0000-4000-8000-000000000001", "5b6e0b3c-0000-4000-8000-000000000002"];
    const named = namedConnections([
      { path: "/x/port", text: `[connection]\nuuid=${port}\nmaster = ${bond}\n` },
    ]);
    expect(freeKeyfile(`[connection]\nuuid=${bond}\n`, named).text).toContain(bond);
    expect(freeKeyfile(`[connection]\nuuid=${port}\nmaster=${bond}\n`, named).text).toBe(
      `[connection]\nmaster=${bond}\n`,
    );
  });
});

describe("an ifcfg file", () => {
  it.each([
    ["quotes", `HWADDR='52:54:00:12:34:56'\nIPADDR="10.0.0.5"\nBOOTPROTO='static'\n`, "BOOTPROTO=dhcp\n"],
    [
      "export and blanks",
      "  export IPADDR=10.0.0.5\n\texport HWADDR=52:54:00:12:34:56 # card\nDEVICE=eth0\nBOOTPROTO=none\n",
      "DEVICE=eth0\nBOOTPROTO=dhcp\n",
    ],
    ["CR-LF", "DEVICE=eth0\r\nIPADDR=10.0.0.5\r\nBOOTPROTO=static\r\n", "DEVICE=eth0\r\nBOOTPROTO=dhcp\r\n"],
    [
      "continued lines",
      "DEVICE=eth0\nIPADDR=\\\n10.0.0.5\nONBOOT=yes\nBOOTPROTO=none\n",
      "DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n",
    ],
    [
      "several on a line",
      "DEVICE=eth0 IPADDR=10.0.0.5; HWADDR=52:54:00:12:34:56\nBOOTPROTO=none\n",
      "DEVICE=eth0 IPADDR=; HWADDR=\nBOOTPROTO=dhcp\n",
    ],
    [
      "what stands in an if",
      "if true; then\n  IPADDR=10.0.0.5\nfi\nBOOTPROTO=none\n",
      "if true; then\n  IPADDR=\nfi\nBOOTPROTO=dhcp\n",
    ],
    [
      "ids of DHCP",
      "DHCP_CLIENT_ID=01:52\nDHCPV6_DUID=00:01\nDHCPv6_DUID=00:01\nDHCP_IAID=5\nDHCP_FQDN=build7.example\nDHCP_HOSTNAME=build7\nDHCPV6_HOSTNAME=build7\n",
      "",
    ],
    [
      "numbered and ranges",
      "IPADDR0=10.0.0.5\nIPADDR12=10.0.0.6\nPREFIX0=24\nGATEWAY0=10.0.0.1\nIPADDR_START=10.0.0.7\nIPADDR_END=10.0.0.9\nDNS11=10.0.0.2\nBOOTPROTO=none\n",
      "BOOTPROTO=dhcp\n",
    ],
    [
      "IPv6",
      'IPV6ADDR=2001:db8::5/64\nIPV6ADDR_SECONDARIES="2001:db8::6/64 2001:db8::7/64"\nIPV6_DEFAULTGW=2001:db8::1\nIPV6INIT=yes\n',
      "IPV6INIT=yes\n",
    ],
    ["no BOOTPROTO", "DEVICE=eth0\nIPADDR=10.0.0.5", "DEVICE=eth0\nBOOTPROTO=dhcp\n"],
    [
      "the id of a bond beside its name",
      "DEVICE=eth0\nMASTER=bond0\nMASTER_UUID=5b6e0b3c-0000-4000-8000-000000000001\n",
      "DEVICE=eth0\nMASTER=bond0\n",
    ],
    [
      "a quote that is never closed",
      'IPADDR="10.0.0.5\nHWADDR=52:54:00:12:34:56\nDEVICE=eth0\nBOOTPROTO=none\n',
      "DEVICE=eth0\nBOOTPROTO=dhcp\n",
    ],
  ])("is freed: %s", (_name, before, after) => {
    expect(ifcfg(before)).toBe(after);
    expect(ifcfg(after)).toBe(after);
  });

  it.each([
    "DEVICE=eth1\nBOOTPROTO=none\nONBOOT=yes\n",
    "MACADDR=random\nDHCP_CLIENT_ID=mac\nBOOTPROTO=dhcp\n",
    "# IPADDR=10.0.0.5\nNAME='IPADDR=10.0.0.5'\n",
    "BONDING_OPTS='mode=1 miimon=100'\n",
  ])("keeps what each clone makes of its own: %j", (text) => {
    expect(freeIfcfg(text, nobody)).toEqual({ text, unclear: [] });
  });

  it.each([
    ["BONDING_OPTS='arp_ip_target=10.0.0.1'\n", "BONDING_OPTS", "address"],
    ["MY_OUTER_IPADDR=10.0.0.1\n", "MY_OUTER_IPADDR", "address"],
    ["IEEE_8021X_PASSWORD=word\n", "IEEE_8021X_PASSWORD", "secret"],
    ["FUTURE_HWADDR=build7\n", "FUTURE_HWADDR", "client id"],
  ])("reports a key of a telling class that nobody knows, or a secret: %j", (text, key, kind) => {
    expect(freeIfcfg(text, nobody)).toEqual({ text, unclear: [{ key, class: kind }] });
  });
});

describe("the readers of configuration", () => {
  it("lose no byte of their input, and end on any input", () => {
    const pieces = fc.constantFrom(
      "'",
      '"',
      "\\",
      "\n",
      "\r\n",
      "$(",
      "${",
      "`",
      "IPADDR=",
      "x",
      " ",
      "#",
      ";",
      "[a]",
      "uuid=",
      "(",
      "if ",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        const text = parts.join("");
        for (const { valueStart, valueEnd } of [...shellAssignments(text), ...keyfileEntries(text)])
          expect(valueStart <= valueEnd && valueEnd <= text.length).toBe(true);
        for (const free of [ifcfg, keyfile]) expect(free(free(text))).toBe(free(text));
      }),
      { numRuns: 500 },
    );
  });

  it("take time in proportion to the file", () => {
    const started = performance.now();
    shellAssignments(`A="${"\\".repeat(200_000)}\n`.repeat(3));
    keyfileEntries(`[${"[".repeat(200_000)}\n${" ".repeat(200_000)}\nkey ${" ".repeat(100_000)}`);
    freeDhclient(`send host-name "${"a;\\".repeat(100_000)}`);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("dhclient.conf", () => {
  it("loses the client's identity, and nothing else", () => {
    const text = `# send host-name "x";
timeout 60;
send host-name "build7";
send dhcp-client-identifier 01:52:54:00:12:34:56;
send dhcp-client-identifier = hardware;
send host-name = gethostname();
interface "eth0" { send fqdn.fqdn "build7.example."; send dhcp-lease-time 3600; }
request subnet-mask, host-name;
`;
    expect(freeDhclient(text)).toBe(`# send host-name "x";
timeout 60;
send dhcp-client-identifier = hardware;
send host-name = gethostname();
interface "eth0" {  send dhcp-lease-time 3600; }
request subnet-mask, host-name;
`);
  });
});

describe("a hosts file", () => {
  it("loses the guest's names from the loopback too, and keeps localhost", () => {
    const own = { hostname: "Build7.example.com", addresses: ["2001:db8::5"] };
    const text =
      "127.0.0.1 build7.example.com build7 localhost # mine\r\n::1 localhost\n10.9.9.9\tbuild7\n127.0.1.1 build7\n2001:db8::5 x\n10.1.1.2 db build77\n";
    expect(withoutOwnNames(text, own)).toBe(
      "127.0.0.1 localhost # mine\r\n::1 localhost\n10.1.1.2 db build77\n",
    );
    expect(withoutOwnNames(text, { hostname: "localhost.localdomain", addresses: [] })).toBe(text);
  });
});

describe("the network of a guest", () => {
  it("is freed of routes and rules of any device, of aliases, and of udev's rules for its cards", async () => {
    const scripts = "/etc/sysconfig/network-scripts";
    const tree = memoryTree({
      "/etc/oracle-release": "Oracle Linux Server release 7.9\n",
      [`${scripts}/route-bond0`]: "10.0.0.0/8 via 10.0.0.1",
      [`${scripts}/rule6-ens3`]: "from ::1",
      [`${scripts}/ifcfg-eth0:1`]: "DEVICE=eth0:1\nIPADDR=10.0.0.6\n",
      [`${scripts}/ifcfg-eth0-range0`]: "IPADDR_START=10.0.0.7\nIPADDR_END=10.0.0.9\nCLONENUM_START=0\n",
      "/etc/udev/rules.d/10-own.rules":
        '# SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56"\nSUBSYSTEM=="net", \\\n  ATTR{address}=="52:54:00:12:34:56", NAME="lan0"\nKERNEL=="vd*", MODE="0660"\n',
      "/etc/systemd/network/10-lan0.link": "[Match]\nMACAddress = 52:54:00:12:34:56\n[Link]\nName=lan0\n",
      "/etc/systemd/network/20-all.link": "[Match]\nOriginalName=*\n[Link]\nMACAddressPolicy=persistent\n",
      "/etc/sysconfig/network":
        'NETWORKING=yes\r\nHOSTNAME = x\r\nHOSTNAME="build7.example.com"\r\nGATEWAY=10.0.0.1\r\n',
    });
    const operations = sealOperations({
      only: ["network-interfaces", "network-rules", "network-state", "hostname"],
    });
    await applyAll(tree, operations);
    expect(await auditAll(tree, operations)).toEqual([]);
    expect(await tree.list(scripts)).toEqual([]);
    expect(await tree.text("/etc/udev/rules.d/10-own.rules")).toBe(
      '# SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56"\nKERNEL=="vd*", MODE="0660"\n',
    );
    expect(await tree.list("/etc/systemd/network")).toEqual(["20-all.link"]);
    expect(await tree.text("/etc/sysconfig/network")).toBe(
      "NETWORKING=yes\r\nHOSTNAME = x\r\nHOSTNAME=localhost.localdomain\r\n",
    );
  });
});

describe("the machine id", () => {
  it("is emptied if systemd would not treat its absence as a first boot, or takes a link for an ID", async () => {
    const el9 = { "/etc/oracle-release": "Oracle Linux Server release 9.3\n" };
    const id = "0123456789abcdef0123456789abcdef\n";
    const none = memoryTree(el9);
    const linked = memoryTree(
      { ...el9, "/var/lib/dbus/machine-id": id },
      { links: { "/etc/machine-id": "/var/lib/dbus/machine-id" } },
    );
    const operations = sealOperations({ only: ["machine-id", "dbus-machine-id"] });
    for (const tree of [none, linked]) {
      expect((await auditAll(tree, operations)).length).toBeGreaterThan(0);
      await applyAll(tree, operations);
      expect(await auditAll(tree, operations)).toEqual([]);
      expect(await tree.stat("/etc/machine-id")).toMatchObject({ kind: "file", size: 0, mode: 0o444 });
    }
    expect(
      await auditAll(memoryTree({ "/etc/oracle-release": "Oracle Linux Server release 6.10\n" }), operations),
    ).toEqual([]);
  });
});
