import { beforeAll, describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import { contractOf } from "../../src/firstboot/contract.ts";
import { standardParameters } from "../../src/firstboot/standard-modules.ts";
import { checkValues } from "../../src/firstboot/values.ts";
import type { Parameter } from "../../src/model/manifest.ts";
import { readYaml } from "../../src/recipe/located.ts";
import { sampleParameter as parameter } from "../manifest-sample.ts";

// Against the contract of all modules of the additions, and of a custom one.
let contract: Parameter[] = [];
beforeAll(async () => {
  contract = [
    ...contractOf(await standardParameters()),
    parameter("org.example.db.mode", { choices: ["primary", "standby"] }),
    parameter("org.example.db.port", { type: "number" }),
    parameter("org.example.db.vip", { type: "address" }),
    parameter("org.example.db.mask", { type: "netmask" }),
    parameter("org.example.db.host", { type: "host-name" }),
    parameter("org.example.db.dir", { type: "path" }),
    parameter("org.example.db.flag", { type: "yes-no" }),
    parameter("org.example.db.code", { pattern: "[A-Z]{3}\\d{2}" }),
    parameter("org.example.db.note"),
    parameter("org.example.db.node.0", { type: "host-name" }),
    parameter("org.example.db.key", { password: true }),
  ];
});

const N = "com.oracle.linux.network";
const T = "com.oracle.linux.datetime";
const D = "org.example.db";
const U = "com.oracle.linux.user";
const eth0 = (...lines: string[]) =>
  [`${N}.device.0: eth0`, ...lines.map((line) => `${N}.${line}`)].join("\n");
const dhcp = (line: string) => eth0("bootproto.0: dhcp", line);

function said(text: string): { errors: string[]; warnings: string[] } {
  try {
    const file = readYaml("v.yaml", `${text}\ncom.oracle.linux.root-password: { env: ROOT }\n`);
    const { errors, warnings } = checkValues(contract, file);
    const words = (all: typeof errors) =>
      all.map(({ at, path, text }) => `${at.file}:${at.line}: ${path}: ${text}`);
    return { errors: words(errors), warnings: words(warnings) };
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return {
      errors: error.lines.length > 0 ? [...error.lines] : [`${error.subject}: ${error.message}`],
      warnings: [],
    };
  }
}

describe("a broken file of values is refused, with file and line:", () => {
  it.each<[string, string, RegExp]>([
    [
      "a key with a capital",
      `${N}.Hostname: a`,
      /:1: .*did you mean "com\.oracle\.linux\.network\.hostname"/,
    ],
    [
      "_ for -",
      dhcp("dns_servers.0: 192.0.2.1"),
      /:3: .*did you mean "com\.oracle\.linux\.network\.dns-servers\.0"/,
    ],
    [
      "a key without its index",
      `${N}.device: eth0`,
      /:1: .*did you mean "com\.oracle\.linux\.network\.device\.0"/,
    ],
    ["an index in brackets", `${N}.device[0]: eth0`, /:1: .*no such parameter/],
    [
      "a key without its middle",
      "com.oracle.linux.hostname: a",
      /:1: .*no such parameter; did you mean "com\.oracle\.linux\.network\.hostname"/,
    ],
    [
      "keys in groups",
      `${D}:\n  port: 1521`,
      /:1: org\.example\.db: is a group, but a key is one word; write org\.example\.db\.port: VALUE/,
    ],
    [
      "a public key as a private one",
      `com.oracle.linux.ssh.user.0: root\ncom.oracle.linux.ssh.private-key.0: ssh-rsa AAAAB3NzaC1yc2E= me@a`,
      /:2: .*is a public key; the private one begins with -----BEGIN/,
    ],
    ["a blank behind a key", `"${N}.hostname ": a`, /:1: .*no such parameter; did you mean/],
    ["a letter of another script", `${N}.h\u043estname: a`, /:1: .*did you mean/],
    ["true for yes", `${D}.flag: true`, /:1: .*"True" is not yes or no/],
    ["on for yes", `${D}.flag: on`, /:1: .*"on" is not yes or no/],
    ["a number in hex", `${D}.port: 0x1F`, /:1: .*"0x1F" is not a whole number/],
    ["a number with _", `${D}.port: 1_000`, /:1: .*"1_000" is not a whole number/],
    ["a number with an exponent", `${D}.port: 1e4`, /:1: .*"1e4" is not a whole number/],
    ["a number without an end", `${D}.port: .inf`, /:1: .*is not a whole number/],
    ["two numbers", `${D}.port: "15 21"`, /:1: .*is not a whole number/],
    ["an address that YAML reads as a number", `${D}.vip: 10.1`, /:1: .*"10\.1" is not an IP address/],
    ["an address as one number", `${D}.vip: 3232235777`, /:1: .*is not an IP address/],
    ["a blank before an address", `${D}.vip: " 192.0.2.1"`, /:1: .*is not an IP address/],
    ["an address in brackets", `${D}.vip: "[2001:db8::1]"`, /:1: .*is not an IP address/],
    ["a netmask of nothing", `${D}.mask: 0.0.0.0`, /:1: .*is not a netmask/],
    ["a netmask with a hole", `${D}.mask: 255.255.128.255`, /:1: .*is not a netmask/],
    ["a netmask in words", `${D}.mask: 24 bits`, /:1: .*is not a netmask/],
    ["a host name beyond ASCII", `${D}.host: b\u00fccher.example`, /:1: .*is not a host name/],
    ["a host name with two dots", `${D}.host: a..b`, /:1: .*is not a host name/],
    ["a host name with a star", `${D}.host: "*.example.com"`, /:1: .*is not a host name/],
    ["a URL for a host name", `${D}.host: http://a.example`, /:1: .*is not a host name/],
    ["a port behind a host name", `${D}.host: db1:1521`, /:1: .*is not a host name/],
    ["two host names", `${D}.host: [a, b]`, /:1: .*is not a host name/],
    ["a template that nobody filled in", `${N}.hostname: "{{ name }}"`, /:1: .*is not a host name/],
    ["a path of the user", `${D}.dir: ~/x`, /:1: .*is not an absolute path/],
    ["a pattern that fits the start", `${D}.code: ABC123`, /:1: .*is not in the form/],
    ["a line end behind a pattern", `${D}.code: "ABC12\\n"`, /:1: .*has several lines/],
    ["a choice with a capital", `${D}.mode: Primary`, /:1: .*is not one of primary, standby/],
    ["a folded text", `${D}.note: >\n  a\n  b`, /:1: .*has several lines/],
    ["a zero byte", `${D}.note: "a\\0b"`, /:1: .*a zero byte/],
    ["8193 bytes", `${D}.note: ${"x".repeat(8193)}`, /:1: .*has 8193 bytes/],
    ["nothing in a list", `${D}.note: [a, ~]`, /:1: .*is a list of more than words/],
    ["an empty group", `${D}.note: {}`, /:1: .*is neither a value nor/],
    ["a tag of nobody", `${D}.note: !secret x`, /:1:\d+: the tag !secret has no meaning here/],
    [
      "a tag of Python",
      `${D}.note: !!python/object:os.system x`,
      /:1:\d+: the tag !!python\/object:os\.system/,
    ],
    ["keys laid over others", `<<: { ${D}.note: x }`, /:1: <<: is neither a value nor/],
    ["an alias of itself", `${D}.note: &a [*a]`, /:1:\d+: its aliases .*refer to themselves/],
    ["a second document", `${D}.note: x\n---\n${D}.note: y`, /:2/],
    ["a number for a key", "1: x", /:1: 1: .*no such parameter/],
    ["a quote without an end", `${D}.note: "x`, /:\d+:\d+: a " is not closed/],
    ["a colon in a value", `${D}.note: a: b`, /:1:\d+: a value that contains ": " must be in quotes/],
    ["no blank behind a colon", `${D}.note:x`, /:\d/],
    ["a key that is indented", `${D}.note: x\n  ${D}.port: 1`, /:\d/],
    ["% at the start", `${D}.note: %x`, /:1:\d+: a value that begins with % must be in quotes/],
    [
      "a variable with $",
      `${D}.key: { env: $ROOT }`,
      /:1: .*"\$ROOT" is not a name of an environment variable/,
    ],
    ["ENV for env", `${D}.key: { ENV: X }`, /:1: .*is neither a value nor/],
    ["a number for a file", `${D}.key: { file: 3 }`, /:1: .*is neither a value nor/],
    ["a text for prompt", `${D}.key: { prompt: "yes" }`, /:1: .*is neither a value nor/],
    ["DHCP in capitals", eth0("bootproto.0: DHCP"), /:2: .*"DHCP" is not dhcp or static/],
    ["a slash in a device", `${N}.device.0: eth0/1`, /:1: .*is not a network device/],
    [
      "name servers with a blank between",
      dhcp('dns-servers.0: "192.0.2.1 192.0.2.2"'),
      /:3: .*is not a list of IP addresses/,
    ],
    [
      "a comma behind a name server",
      dhcp("dns-servers.0: 192.0.2.1,"),
      /:3: .*is not a list of IP addresses/,
    ],
    [
      "the name of a name server",
      dhcp("dns-servers.0: ns1.example.com"),
      /:3: .*is not a list of IP addresses/,
    ],
    [
      "a name server that is none",
      dhcp("dns-servers.0: 192.0.2.1,0.0.0.0"),
      /:3: .*0\.0\.0\.0 is not the address of a machine/,
    ],
    [
      "a multicast address of a name server",
      dhcp("dns-servers.0: 224.0.0.1"),
      /:3: .*is not the address of a machine/,
    ],
    ["a dot before a domain", dhcp("dns-search-domains.0: .example.com"), /:3: .*is not a list of domains/],
    [
      "a time zone that is misspelt",
      `${T}.timezone: Europe/Zuerich`,
      /:1: .*is not a time zone, such as Europe\/Zurich; did you mean "Europe\/Zurich"/,
    ],
    ["a time zone in small letters", `${T}.timezone: europe/zurich`, /:1: .*did you mean "Europe\/Zurich"/],
    ["an abbreviation of a time zone", `${T}.timezone: CEST`, /:1: .*is not a time zone/],
    ["an offset for a time zone", `${T}.timezone: UTC+2`, /:1: .*is not a time zone/],
    ["a path for a time zone", `${T}.timezone: ../../etc/passwd`, /:1: .*is not a time zone/],
    ["a date of YAML", `${T}.datetime: 2026-11-30`, /:1: .*is not a time/],
    ["hour 24", `${T}.datetime: 2026-11-30-24-0-0`, /:1: .*is not a time/],
    [
      "a mode with a capital",
      "com.oracle.linux.selinux.mode: Enforcing",
      /:1: .*is not enforcing, permissive or disabled/,
    ],
    ["a comment in a line of hosts", `${N}.host.0: "192.0.2.1 a # x"`, /:1: .*is not a line of \/etc\/hosts/],
    ["a control character", `${D}.note: "a\\e[0m"`, /:1: .*contains a control character/],
    ["a user with capitals", "com.oracle.linux.user.name.0: Grid", /:1: .*is not in the form/],
    [
      "a number of a user without a user",
      "com.oracle.linux.user.uid.0: 500",
      /name\.0: is missing: it names the user/,
    ],
    [
      "one user twice",
      "com.oracle.linux.user.name.0: a\ncom.oracle.linux.user.name.1: a",
      /:2: .*a is also com\.oracle\.linux\.user\.name\.0/,
    ],
    [
      "a kind of key that is none",
      "com.oracle.linux.ssh.private-key-type.0: rsa4096",
      /:1: .*is not in the form/,
    ],
    [
      "a private key as a public one",
      'com.oracle.linux.ssh.authorized-keys.0: "-----BEGIN"',
      /:1: .*not in the form/,
    ],
    [
      "the number of root for a new user",
      `${U}.name.0: grid\n${U}.uid.0: 0`,
      /:2: .*"0" is not in the form|0 is root/,
    ],
    ["a padded number of root", `${U}.name.0: grid\n${U}.uid.0: "00"`, /:2: .*"00" is not in the form/],
    ["root as a new user", `${U}.name.0: root`, /:1: .*root is root, who exists already/],
    ["a path that goes up", `${D}.dir: /u01/../etc`, /:1: .*is not an absolute path without \. and \.\./],
    ["a path that ends above", `${D}.dir: /u01/..`, /:1: .*is not an absolute path without/],
    ["a path with a dot in it", `${D}.dir: /u01/./x`, /:1: .*is not an absolute path without/],
    ["the loopback as a card", `${N}.device.0: lo`, /:1: .*"lo" is not a network device/],
    [
      "a host name of 65 letters",
      `${N}.hostname: ${"a".repeat(60)}.abcd`,
      /:1: .*has 65 characters; the kernel takes at most 64/,
    ],
    ["a time before the clock of the kernel", `${T}.datetime: 1969-12-31-0-0-0`, /:1: .*is not a time/],
    ["on for a firewall", `${N}.firewall: on`, /:1: .*is not (?:one of )?True/],
    ["a static address of IPv6", eth0("bootproto.0: static", "ipaddr.0: fd00::5"), /:3: .*of IPv4 only/],
    [
      "a list for a numbered key",
      `${D}.node: [a, b]`,
      /:1: .*no such parameter; did you mean "org\.example\.db\.node\.0"/,
    ],
  ])("%s", (_, text, wanted) => {
    const { errors } = said(text);
    expect(errors).toEqual(expect.arrayContaining([expect.stringMatching(wanted)]));
    for (const line of errors) expect(line).toMatch(/^v\.yaml:\d+(?::\d+)?: \S/);
  });
});

describe("a file of values gets a warning, and is sent:", () => {
  it.each<[string, string, RegExp]>([
    ["a secret in plain text", `${D}.key: hunter2`, /:1: .*is a secret in plain text(?!.*hunter2)/],
    ["a variable as a text", `${D}.key: $ROOT_PASSWORD`, /:1: .*is a secret in plain text/],
    ["a card that is left out", `${N}.device.0: eth0\n${N}.device.2: eth2`, /:2: .*nothing has the number 1/],
    [
      "a user that is left out",
      `${U}.name.0: a\n${U}.name.3: b\n${U}.uid.3: 500`,
      /:2: .*nothing has the number 1/,
    ],
    [
      "a line of hosts that is left out",
      `${N}.host.0: 192.0.2.1 a\n${N}.host.2: 192.0.2.2 b`,
      /:2: .*nothing has the number 1/,
    ],
    ["a name server twice", dhcp("dns-servers.0: 192.0.2.1,192.0.2.1"), /:3: .*has 192\.0\.2\.1 twice/],
    ["a domain twice", dhcp("dns-search-domains.0: [a.example, A.example]"), /:3: .*has a\.example twice/],
    [
      "more name servers than a resolver asks",
      dhcp("dns-servers.0: [192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4]"),
      /:3: .*makes 4 name servers; a guest asks the first 3 only/,
    ],
    [
      "a name with two addresses",
      `${N}.host.0: 192.0.2.1 db1\n${N}.host.1: 192.0.2.2 DB1`,
      /:2: .*DB1 is also 192\.0\.2\.1/,
    ],
    ["no card at boot", dhcp('onboot.0: "no"'), /:3: .*the machine is not reachable over the network/],
    ["localhost", `${N}.hostname: localhost.localdomain`, /:1: .*means this machine on every machine/],
    ["an address without static", eth0("ipaddr.0: 192.0.2.5"), /:2: .*is given without bootproto\.0: static/],
    [
      "two gateways",
      `${eth0("bootproto.0: static", "ipaddr.0: 192.0.2.5", "netmask.0: 255.255.255.0", "gateway.0: 192.0.2.1")}
${N}.device.1: eth1
${N}.bootproto.1: static
${N}.ipaddr.1: 198.51.100.5
${N}.netmask.1: 255.255.255.0
${N}.gateway.1: 198.51.100.1`,
      /:10: .*is a second default gateway, besides com\.oracle\.linux\.network\.gateway\.0/,
    ],
  ])("%s", (_, text, wanted) => {
    expect(said(text)).toEqual({ errors: [], warnings: [expect.stringMatching(wanted)] });
  });
});

describe("a good file of values is accepted without a warning:", () => {
  it.each([
    ["a number that YAML might read as octal", `${D}.port: 0777`],
    ["a text that YAML might read as a time", `${D}.note: 12:30:45`],
    ["a date", `${D}.note: 2026-11-30`],
    ["an apostrophe", `${D}.note: it's`],
    ["8192 bytes", `${D}.note: ${"x".repeat(8192)}`],
    ["a host name in capitals", `${D}.host: DB1.EXAMPLE.COM`],
    ["an address with a zone", `${D}.vip: "fe80::1%eth0"`],
    ["a former name of a time zone", `${T}.timezone: US/Eastern`],
    ["a name server on the machine itself", dhcp("dns-servers.0: 127.0.0.1")],
    ["a path with dots in its names", `${D}.dir: /u01/app..d/.hidden/a.`],
    ["a host name of 64 letters", `${N}.hostname: ${"a".repeat(59)}.abcd`],
    [
      "three name servers of two cards",
      `${dhcp("dns-servers.0: [192.0.2.1, 192.0.2.2]")}\n${N}.device.1: eth1\n${N}.dns-servers.1: [192.0.2.2, 192.0.2.3]`,
    ],
    [
      "a name with an address of each kind",
      `${N}.host.0: 192.0.2.1 db1\n${N}.host.1: "2001:db8::1 db1"\n${N}.host.2: 192.0.2.1 db1 db2`,
    ],
    [
      "a card of two that is not brought up",
      `${dhcp('onboot.0: "yes"')}\n${N}.device.1: eth1\n${N}.onboot.1: "no"`,
    ],
    ["own keys numbered by slot", `${D}.node.3: a\n${D}.node.7: b`],
    [
      "twenty users",
      Array.from({ length: 20 }, (_, n) => `${U}.name.${n}: u${n}\n${U}.uid.${n}: ${2000 + n}`).join("\n"),
    ],
    ["cards that are out of order", `${N}.device.1: eth1\n${N}.device.0: eth0`],
    ["the second of a numbered key", `${D}.node.0: a\n${D}.node.1: b`],
  ])("%s", (_, text) => expect(said(text)).toEqual({ errors: [], warnings: [] }));
});

it("seven search domains are more than a guest up to OL7 searches", () => {
  const domains = ["a", "b", "c", "d", "e", "f", "g"].map((one) => `${one}.example`);
  expect(said(dhcp(`dns-search-domains.0: [${domains.join(", ")}]`))).toEqual({
    errors: [],
    warnings: [
      expect.stringMatching(/^v\.yaml:3: .*has 7 domains; up to OL7, a guest searches the first 6 only/),
    ],
  });
  expect(said(dhcp(`dns-search-domains.0: [${domains.slice(1).join(", ")}]`)).warnings).toEqual([]);
});
