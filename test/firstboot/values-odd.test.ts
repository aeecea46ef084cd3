import { describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import { checkValues } from "../../src/firstboot/values.ts";
import type { Parameter } from "../../src/model/manifest.ts";
import { readYaml } from "../../src/recipe/located.ts";
import { sampleParameter as parameter } from "../manifest-sample.ts";

const N = "com.oracle.linux.network";
const names = "device onboot bootproto ipaddr netmask gateway hwaddr dns-servers dns-search-domains".split(
  " ",
);
const contract: Parameter[] = [
  parameter(`${N}.hostname`),
  parameter(`${N}.host.0`),
  ...names.map((name) => parameter(`${N}.${name}.0`)),
  parameter("com.oracle.linux.datetime.datetime"),
  parameter("org.example.db.note"),
  parameter("org.example.db.mode", { choices: ["standalone", "cluster"] }),
  parameter("org.example.db.port", { type: "number" }),
  parameter("org.example.db.sid", { pattern: "[A-Z][A-Z0-9]{0,7}" }),
  parameter("org.example.db.home", { type: "path" }),
  parameter("org.example.db.listen", { type: "address" }),
  parameter("org.example.db.pin", { password: true, pattern: "\\d{4}" }),
  parameter("com.oracle.linux.root-password", { password: true }),
];

function errorsOf(text: string): string[] {
  try {
    const file = readYaml("v.yaml", `${text}\ncom.oracle.linux.root-password: { env: ROOT }\n`);
    return checkValues(contract, file).errors.map(({ at, path, text }) => `${at.line}: ${path}: ${text}`);
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return error.lines.map((line) => line.replace("v.yaml:", ""));
  }
}

const eth0 = (...lines: string[]) =>
  [`${N}.device.0: eth0`, ...lines.map((line) => `${N}.${line}`)].join("\n");
const fixed = (...lines: string[]) =>
  eth0("bootproto.0: static", "ipaddr.0: 192.0.2.10", "netmask.0: 255.255.255.0", ...lines);

describe("a broken file of values has one fault, with its line:", () => {
  it.each<[string, string, RegExp]>([
    [
      "a netmask as a prefix",
      eth0("netmask.0: 24"),
      /^2: .*"24" is not a netmask.*; \/24 is 255\.255\.255\.0/,
    ],
    ["a netmask with a slash", eth0("netmask.0: /26"), /^2: .*\/26 is 255\.255\.255\.192/],
    ["a netmask in hex", eth0("netmask.0: 0xffffff00"), /^2: .*is not a netmask/],
    ["a wildcard mask", eth0("netmask.0: 0.0.0.255"), /^2: .*is not a netmask/],
    ["an address with a prefix", eth0("ipaddr.0: 192.0.2.10/24"), /^2: .*is not an IP address/],
    ["an address with leading zeros", eth0("ipaddr.0: 192.0.2.010"), /^2: .*is not an IP address/],
    ["an address with three numbers", eth0("ipaddr.0: 192.0.2"), /^2: .*is not an IP address/],
    [
      "IPv6 with a netmask",
      eth0("bootproto.0: static", 'ipaddr.0: "2001:db8::1"', "netmask.0: 255.255.255.0"),
      /^3: .*is an IPv6 address, which has no netmask/,
    ],
    ["IPv6 that is none", eth0('ipaddr.0: "2001:db8::1::2"'), /^2: .*is not an IP address/],
    ["a gateway of the other kind", fixed('gateway.0: "2001:db8::1"'), /^5: .*of different kinds/],
    ["a gateway that is the network", fixed("gateway.0: 192.0.2.0"), /^5: .*is the network/],
    ["a gateway that is the broadcast", fixed("gateway.0: 192.0.2.255"), /^5: .*is the broadcast address/],
    [
      "a gateway outside a small net",
      eth0(
        "bootproto.0: static",
        "ipaddr.0: 192.0.2.10",
        "netmask.0: 255.255.255.248",
        "gateway.0: 192.0.2.1",
      ),
      /^5: .*is not in the network of 192\.0\.2\.10/,
    ],
    ["a host name with an underscore", `${N}.hostname: db_1.example.com`, /^1: .*is not a host name/],
    ["a label of 64 letters", `${N}.hostname: ${"a".repeat(64)}.example.com`, /^1: .*is not a host name/],
    ["a host name of 254 letters", `${N}.hostname: ${"a.".repeat(126)}ab`, /^1: .*is not a host name/],
    ["a host name with a dot behind", `${N}.hostname: db1.example.com.`, /^1: .*is not a host name/],
    ["a host name with a dash behind", `${N}.hostname: db1-`, /^1: .*is not a host name/],
    ["a host name of digits", `${N}.hostname: "1234"`, /^1: .*is not a host name/],
    [
      "a search domain of 64 letters",
      eth0(`dns-search-domains.0: ${"a".repeat(64)}`),
      /^2: .*is not a list of domains/,
    ],
    [
      "an empty item in a list",
      eth0("dns-servers.0: 192.0.2.1,,192.0.2.2"),
      /^2: .*is not a list of IP addresses/,
    ],
    ["an empty list", eth0("dns-servers.0: []"), /^2: .*is an empty list/],
    ["an index with a zero before it", `${N}.device.00: eth0`, /^1: .*no such parameter/],
    ["a negative index", `${N}.device.-1: eth0`, /^1: .*no such parameter/],
    [
      "an index where none is",
      `${N}.hostname.0: db1`,
      /^1: .*no such parameter; did you mean "com\.oracle\.linux\.network\.hostname"/,
    ],
    ["a device of 16 letters", `${N}.device.0: enp0s31f6123456a`, /^1: .*is not a network device/],
    [
      "one MAC twice",
      `${N}.device.0: eth0\n${N}.hwaddr.0: "00:21:F6:00:00:01"\n${N}.device.1: eth1\n${N}.hwaddr.1: "00:21:f6:00:00:01"`,
      /^4: .*is also com\.oracle\.linux\.network\.hwaddr\.0/,
    ],
    ["a MAC of a group", eth0('hwaddr.0: "01:00:5e:00:00:01"'), /^2: .*is not the MAC address of one card/],
    ["a MAC of zeros", eth0('hwaddr.0: "00:00:00:00:00:00"'), /^2: .*is not the MAC address/],
    ["a MAC of all", eth0('hwaddr.0: "ff:ff:ff:ff:ff:ff"'), /^2: .*is not the MAC address/],
    ["a MAC without colons", eth0("hwaddr.0: 0021f6000001"), /^2: .*is not the MAC address/],
    [
      "a message of too many bytes, though not letters",
      `org.example.db.note: ${"\u00e9".repeat(4097)}`,
      /^1: .*has 8194 bytes; the limit of a message is 8192/,
    ],
    ["an empty note", 'org.example.db.note: ""', /^1: .*is empty; give a value, or leave the key out/],
    ["a key twice", `${N}.hostname: a\n${N}.hostname: b`, /^2:1: .*hostname: is set twice/],
    ["a tab as indentation", `org.example.db.mode:\n\tcluster`, /^2:1: .*[Tt]abs/],
    ["an alias of nothing", `${N}.hostname: *name`, /^1:\d+: \*name names an anchor that is not above it/],
    ["null", `${N}.hostname: null`, /^1: .*has no value/],
    ["a tilde", `${N}.hostname: ~`, /^1: .*has no value/],
    ["an empty text", `${N}.hostname: ""`, /^1: .*is empty/],
    [
      "a truth where a choice is wanted",
      "org.example.db.mode: true",
      /^1: .*"True" is not one of standalone, cluster/,
    ],
    ["none of the choices", "org.example.db.mode: rac", /^1: .*"rac" is not one of standalone, cluster/],
    ["a word for a number", "org.example.db.port: high", /^1: .*"high" is not a whole number/],
    ["a broken number", "org.example.db.port: 15.21", /^1: .*"15\.21" is not a whole number/],
    [
      "what the pattern refuses",
      "org.example.db.sid: orcl",
      /^1: .*"orcl" is not in the form that its module requires: \[A-Z\]/,
    ],
    ["a relative path", "org.example.db.home: u01", /^1: .*"u01" is not an absolute path/],
    ["a name for an address", "org.example.db.listen: db1", /^1: .*is not an IP address/],
    [
      "a secret of the wrong form, which is not told",
      'org.example.db.pin: "12a4"',
      /^1: org\.example\.db\.pin: is not in the form(?!.*12a4)/,
    ],
    ["a text over two lines", `${N}.hostname: |\n  a\n  b`, /^1: .*has several lines/],
    ["a group of values", `${N}.hostname: { name: db1 }`, /^1: .*is neither a value nor/],
    ["a list within a list", eth0("dns-servers.0: [[192.0.2.1]]"), /^2: .*is a list of more than words/],
    ["a null in a list", eth0("dns-servers.0: [192.0.2.1, null]"), /^2: .*is a list of more than words/],
    [
      "a day of a leap year that was none",
      'com.oracle.linux.datetime.datetime: "2023-2-29-0-0-0"',
      /^1: .*is not a time/,
    ],
  ])("%s", (_, text, wanted) => {
    expect(errorsOf(text)).toEqual([expect.stringMatching(wanted)]);
  });
});

describe("a good file of values has no fault:", () => {
  it.each([
    ["CR-LF", fixed("gateway.0: 192.0.2.1").replaceAll("\n", "\r\n")],
    ["a byte order mark", `\ufeff${fixed()}`],
    ["an anchor and its alias", `${N}.hostname: &name db1.example.com\n${N}.host.0: 192.0.2.10 db1`],
    [
      "IPv6",
      eth0("bootproto.0: static", 'ipaddr.0: "2001:db8::10"', 'dns-servers.0: ["2001:db8::53"]').replace(
        `${N}.bootproto.0: static\n`,
        "",
      ),
    ],
    [
      "a net of two addresses",
      eth0(
        "bootproto.0: static",
        "ipaddr.0: 192.0.2.10",
        "netmask.0: 255.255.255.254",
        "gateway.0: 192.0.2.11",
      ),
    ],
    [
      "choices, numbers, paths",
      'org.example.db.mode: cluster\norg.example.db.port: 1521\norg.example.db.sid: ORCL\norg.example.db.home: /u01\norg.example.db.listen: "::"',
    ],
    ["a label of 63 letters", `${N}.hostname: ${"a".repeat(63)}`],
  ])("%s", (_, text) => expect(errorsOf(text)).toEqual([]));

  it("numbers are sent as written", () => {
    const file = readYaml(
      "v.yaml",
      "org.example.db.sid: 0755\norg.example.db.mode: 1e3\norg.example.db.home: 1.10\n",
    );
    expect(checkValues(contract, file).values.map(({ value }) => value)).toEqual(["0755", "1e3", "1.10"]);
  });
});
