import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { messageForms } from "../../src/firstboot/message-forms.ts";
import { checkValues } from "../../src/firstboot/values.ts";
import type { Parameter } from "../../src/model/manifest.ts";
import { readYaml } from "../../src/recipe/located.ts";
import { sampleParameter as parameter } from "../manifest-sample.ts";

const network = [
  "device",
  "onboot",
  "bootproto",
  "ipaddr",
  "netmask",
  "gateway",
  "dns-servers",
  "dns-search-domains",
];
const contract: Parameter[] = [
  parameter("com.oracle.linux.network.hostname"),
  parameter("com.oracle.linux.network.host.0"),
  ...network.map((name) => parameter(`com.oracle.linux.network.${name}.0`)),
  parameter("com.oracle.linux.datetime.timezone"),
  parameter("com.oracle.linux.datetime.datetime"),
  parameter("com.oracle.linux.datetime.utc"),
  parameter("com.oracle.linux.selinux.mode", { hidden: true }),
  parameter("org.tbuild.grid.mode", { required: true }),
  parameter("com.oracle.linux.root-password", { required: true, password: true }),
];
const needed = "org.tbuild.grid.mode: none\ncom.oracle.linux.root-password: { env: ROOT }\n";
const N = "com.oracle.linux.network";

const check = (text: string) => {
  const { errors, warnings, values } = checkValues(contract, readYaml("v.yaml", text));
  const words = (all: typeof errors) =>
    all.map(({ at, path, text }) => `${at.file}:${at.line}: ${path}: ${text}`);
  return { errors: words(errors), warnings: words(warnings), values };
};

describe("values that are good", () => {
  it.each([
    ["the least", ""],
    ["a host name", `${N}.hostname: vm001.example.com`],
    [
      "a static interface",
      `${N}.device.0: eth0\n${N}.bootproto.0: static\n${N}.ipaddr.0: 192.0.2.10\n${N}.netmask.0: 255.255.255.0\n${N}.gateway.0: 192.0.2.1\n${N}.onboot.0: "yes"`,
    ],
    [
      "a second interface, which the contract has as the first",
      `${N}.device.1: eth1\n${N}.bootproto.1: dhcp`,
    ],
    [
      "lists as lists",
      `${N}.device.0: eth0\n${N}.dns-servers.0: [192.0.2.53, "2001:db8::53"]\n${N}.dns-search-domains.0: a.example,b.example`,
    ],
    ["a line of hosts", `${N}.host.0: 192.0.2.10 vm001.example.com vm001`],
    [
      "times and modes",
      "com.oracle.linux.datetime.timezone: Europe/Zurich\ncom.oracle.linux.datetime.datetime: 2011-4-7-9-2-42\ncom.oracle.linux.datetime.utc: true\ncom.oracle.linux.selinux.mode: permissive",
    ],
    ["values by reference", `${N}.hostname: { file: name.txt }`],
  ])("%s", (_name, text) => {
    const { errors, warnings } = check(needed + text);
    expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
  });

  it("are kept, even if YAML reads them as a number or a boolean", () => {
    const { values } = check(`${needed}com.oracle.linux.datetime.utc: true\n`);
    expect(values.map(({ key, value }) => [key, value])).toEqual([
      ["org.tbuild.grid.mode", "none"],
      ["com.oracle.linux.root-password", { kind: "env", name: "ROOT" }],
      ["com.oracle.linux.datetime.utc", "True"],
    ]);
  });
});

describe("values that are broken are reported with file, line and key", () => {
  it.each([
    [
      "an unknown key",
      `${N}.hostnam: a`,
      /v.yaml:3: \S+hostnam: the template has no such parameter; did you mean "com.oracle.linux.network.hostname"/,
    ],
    ["a key of nobody", "x: 1", /v.yaml:3: x: the template has no such parameter/],
    ["a bad host name", `${N}.hostname: -a`, /"-a" is not a host name/],
    ["an address for a host name", `${N}.hostname: 192.0.2.1`, /is not a host name/],
    ["a host name with an underscore", `${N}.hostname: a_b`, /is not a host name/],
    [
      "a bad address",
      `${N}.device.0: eth0\n${N}.ipaddr.0: 192.0.2.300`,
      /v.yaml:4: \S+ipaddr.0: "192.0.2.300" is not an IP address/,
    ],
    ["a bad netmask", `${N}.device.0: eth0\n${N}.netmask.0: 255.0.255.0`, /is not a netmask/],
    ["a netmask with bits behind", `${N}.device.0: eth0\n${N}.netmask.0: 255.255.255.1`, /is not a netmask/],
    [
      "a bad name server",
      `${N}.device.0: eth0\n${N}.dns-servers.0: 192.0.2.1;192.0.2.2`,
      /is not a list of IP addresses/,
    ],
    [
      "a bad search domain",
      `${N}.device.0: eth0\n${N}.dns-search-domains.0: a b`,
      /is not a list of domains/,
    ],
    ["a bad bootproto", `${N}.device.0: eth0\n${N}.bootproto.0: banana`, /"banana" is not dhcp or static/],
    ["a truth where yes is wanted", `${N}.device.0: eth0\n${N}.onboot.0: true`, /"True" is not yes or no/],
    ["a bad device", `${N}.device.0: "eth 0"`, /is not a network device/],
    ["a bad line of hosts", `${N}.host.0: vm001 192.0.2.1`, /is not a line of \/etc\/hosts/],
    ["a bad zone", "com.oracle.linux.datetime.timezone: Europe Zurich", /is not a time zone/],
    ["a bad time", "com.oracle.linux.datetime.datetime: 2011-04-07 09:02", /is not a time/],
    ["a bad truth", "com.oracle.linux.datetime.utc: maybe", /is not True or False/],
    ["a bad mode", "com.oracle.linux.selinux.mode: off", /is not enforcing, permissive or disabled/],
    [
      "static without an address",
      `${N}.device.0: eth0\n${N}.bootproto.0: static\n${N}.netmask.0: 255.255.255.0`,
      /ipaddr.0: is missing: the interface is static/,
    ],
    [
      "static without a netmask",
      `${N}.device.0: eth0\n${N}.bootproto.0: static\n${N}.ipaddr.0: 192.0.2.1`,
      /netmask.0: is missing/,
    ],
    [
      "an address with dhcp",
      `${N}.device.0: eth0\n${N}.bootproto.0: dhcp\n${N}.ipaddr.0: 192.0.2.1`,
      /ipaddr.0: has no effect: bootproto is dhcp/,
    ],
    ["values without their device", `${N}.ipaddr.1: 192.0.2.1`, /device.1: is missing/],
    [
      "indices that do not belong together",
      `${N}.device.0: eth0\n${N}.bootproto.0: static\n${N}.ipaddr.1: 192.0.2.1\n${N}.netmask.0: 255.255.255.0`,
      /ipaddr.0: is missing/,
    ],
    [
      "a gateway outside",
      `${N}.device.0: eth0\n${N}.bootproto.0: static\n${N}.ipaddr.0: 192.0.2.10\n${N}.netmask.0: 255.255.255.0\n${N}.gateway.0: 198.51.100.1`,
      /v.yaml:7: \S+gateway.0: 198.51.100.1 is not in the network of 192.0.2.10/,
    ],
    [
      "a gateway that is the guest",
      `${N}.device.0: eth0\n${N}.bootproto.0: static\n${N}.ipaddr.0: 192.0.2.10\n${N}.netmask.0: 255.255.255.0\n${N}.gateway.0: 192.0.2.10`,
      /is the interface's own address/,
    ],
    [
      "one device twice",
      `${N}.device.0: eth0\n${N}.device.1: eth0`,
      /device.1: eth0 is also com.oracle.linux.network.device.0/,
    ],
    [
      "one address twice",
      `${N}.device.0: eth0\n${N}.ipaddr.0: 192.0.2.1\n${N}.device.1: eth1\n${N}.ipaddr.1: 192.0.2.1`,
      /ipaddr.1: 192.0.2.1 is also com.oracle.linux.network.ipaddr.0/,
    ],
    [
      "the address of the network",
      `${N}.device.0: eth0\n${N}.ipaddr.0: 192.0.2.64\n${N}.netmask.0: 255.255.255.192`,
      /v.yaml:4: \S+ipaddr.0: 192.0.2.64 is the network/,
    ],
    [
      "the broadcast address",
      `${N}.device.0: eth0\n${N}.ipaddr.0: 192.0.2.255\n${N}.netmask.0: 255.255.255.0`,
      /is the broadcast address/,
    ],
    ["the loopback", `${N}.device.0: eth0\n${N}.ipaddr.0: 127.0.0.1`, /is an address of the loopback/],
    [
      "a multicast address",
      `${N}.device.0: eth0\n${N}.ipaddr.0: 224.0.0.1`,
      /is not the address of a machine/,
    ],
    ["a month that is not", "com.oracle.linux.datetime.datetime: 2011-13-1-0-0-0", /is not a time/],
    ["a day that is not", "com.oracle.linux.datetime.datetime: 2011-2-30-0-0-0", /is not a time/],
    [
      "a variable that cannot be",
      `${N}.hostname: { env: "A B" }`,
      /"A B" is not a name of an environment variable/,
    ],
    ["a file without a name", `${N}.hostname: { file: "" }`, /is neither a value nor/],
    ["a prompt that is none", `${N}.hostname: { prompt: false }`, /is neither a value nor/],
    ["a text over lines", `${N}.hostname: "a\\nb"`, /has several lines/],
    ["no value", `${N}.hostname:`, /has no value/],
    ["an unknown reference", `${N}.hostname: { vault: x }`, /is neither a value nor \{env: NAME\}/],
    ["two references", `${N}.hostname: { env: A, file: B }`, /is neither a value nor/],
    ["a list of groups", `${N}.hostname: [{ a: 1 }]`, /is a list of more than words/],
    [
      "a message that is too long",
      `${N}.hostname: ${"a".repeat(9000)}`,
      /has 9000 bytes; the limit of a message is 8192/,
    ],
  ])("%s", (_name, text, wanted) => {
    const { errors } = check(needed + text);
    expect(errors.join("\n")).toMatch(wanted);
    for (const line of errors) expect(line).toMatch(/^v\.yaml:\d+: \S+: \S/);
  });

  it("a file without what is required, or that is a list", () => {
    expect(check("{}").errors).toEqual([
      "v.yaml:1: org.tbuild.grid.mode: is required",
      "v.yaml:1: com.oracle.linux.root-password: is required",
    ]);
    expect(check("- a\n").errors).toEqual(["v.yaml:1: : is not a list of KEY: VALUE"]);
  });

  it("an unknown key of an import is a warning, and is sent", () => {
    const file = readYaml(
      "v.yaml",
      "org.tbuild.grid.mode: none\ncom.oracle.linux.root-password: { env: R }\nx.y: 1\n",
    );
    const { errors, warnings, values } = checkValues(contract, file, false);
    expect(errors).toEqual([]);
    expect(warnings.map(({ path, text }) => `${path} ${text}`)).toEqual([
      "x.y is not among the known parameters",
    ]);
    expect(values.map(({ key }) => key)).toContain("x.y");
  });

  it("a secret in plain text is a warning, and its text is nowhere", () => {
    const { warnings, errors } = check(
      "org.tbuild.grid.mode: none\ncom.oracle.linux.root-password: hunter2\n",
    );
    expect(errors).toEqual([]);
    expect(warnings.join()).toMatch(/v.yaml:2: com.oracle.linux.root-password: is a secret in plain text/);
    expect(warnings.join()).not.toContain("hunter2");
  });
});

describe("messages", () => {
  const answers = [
    { key: "com.oracle.linux.root-password", value: `it's "a/b" $HOME \\`, password: true },
    { key: "a.b", value: "x", password: false },
    { key: "a.key", value: "k".repeat(2000), password: false },
  ];

  it("to the Manager are logged only if allowed, the root password last", () => {
    const lines = messageForms.ovmcli.write(answers, `vm "1"`).trimEnd().split("\n");
    expect(lines[0]).toBe('sendVmMessage Vm name="vm /"1/"" key=a.b message="x" log=Yes');
    expect(lines[1]).toMatch(/log=No$/);
    expect(lines[2]).toMatch(
      /^sendVmMessage .* key=com.oracle.linux.root-password message="it's \/"a\/\/b\/" .* log=No$/,
    );
  });

  it("to ovmd reach it as they are through a shell, one -p a call", () => {
    const script = messageForms.ovmd.write(answers, "vm001").replaceAll("ovmd -p", "printf '%s\\n'");
    const { stdout } = spawnSync("/bin/sh", ["-c", script], { encoding: "utf8" });
    expect(stdout.split("\n")).toEqual([
      "a.b=x",
      `a.key=${"k".repeat(2000)}`,
      `com.oracle.linux.root-password=it's "a/b" $HOME \\`,
      "",
    ]);
  });

  it("as JSON and as lines of JSON end with the root password", () => {
    expect(Object.keys(JSON.parse(messageForms.json.write(answers, ""))).at(-1)).toBe(
      "com.oracle.linux.root-password",
    );
    const lines = messageForms.stdin
      .write(answers, "")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toEqual({ "com.oracle.linux.root-password": answers[0]?.value });
  });
});
