import { describe, expect, it } from "vitest";
import { importNetconfig } from "../../src/deploy/import-netconfig.ts";
import { readDeployment } from "../../src/deploy/load.ts";
import { readSettings } from "../../src/deploy/shell-settings.ts";
import type { TbuildError } from "../../src/errors.ts";

const netconfig = `# Two nodes
NODE1=rac1   # the first
NODE1IP='192.0.2.11'
NODE1PRIV=rac1-priv
NODE1PRIVIP=198.51.100.11
NODE1VIP=rac1-vip
NODE1VIPIP=192.0.2.13
export NODE2="rac2" NODE2IP=192.0.2.12
NODE2PRIV=rac2-priv; NODE2PRIVIP=198.51.100.12
PUBMASK=255.255.255.0
PRIVMASK=255.255.255.128
PUBGW=192.0.2.1
DOMAINNAME=example.com
SCANNAME=rac-scan
SCANIP=192.0.2.15
CLONE_SINGLEINSTANCE_HA=yes
touch /tmp/run-by-netconfig
EXTRA=$(id)
`;
const params = `RACPASSWORD='it'\\''s secret'\nGRIDPASSWORD=other\nRACCLUSTERNAME=Prod_RAC\n`;
const options = { template: "ol6-grid@stable" };

describe("the import of deploycluster's files", () => {
  it("makes a deployment file with each node, its networks and the lines of /etc/hosts", async () => {
    const { text } = await importNetconfig(
      { name: "netconfig.ini", text: netconfig },
      { name: "params.ini", text: params },
      options,
    );
    const { deployment, machines } = readDeployment("rac.yaml", text);
    expect(deployment).toMatchObject({ name: "prod-rac", template: "ol6-grid@stable" });
    expect(
      machines.map(({ name, entry }) => [name, ...(entry.nics ?? []).map(({ address }) => address)]),
    ).toEqual([
      ["rac1", "192.0.2.11/24", "198.51.100.11/25"],
      ["rac2", "192.0.2.12/24", "198.51.100.12/25"],
    ]);
    expect(Object.values(deployment.values).slice(0, -1)).toEqual([
      "192.0.2.11 rac1.example.com rac1",
      "198.51.100.11 rac1-priv.example.com rac1-priv",
      "192.0.2.13 rac1-vip.example.com rac1-vip",
      "192.0.2.12 rac2.example.com rac2",
      "198.51.100.12 rac2-priv.example.com rac2-priv",
      "192.0.2.15 rac-scan.example.com rac-scan",
    ]);
  });

  it("runs nothing, lists what it did not convert with its line, and shows no password", async () => {
    const { text, notes } = await importNetconfig(
      { name: "netconfig.ini", text: netconfig },
      { name: "params.ini", text: params },
      options,
    );
    expect(notes).toEqual([
      "netconfig.ini:17: not read: is a command, not a setting",
      "netconfig.ini:18: not read: EXTRA: a shell would compute its value",
      "netconfig.ini:16: CLONE_SINGLEINSTANCE_HA was not converted",
      "params.ini:1: RACPASSWORD was not converted: it is a secret; use a reference such as { env: RACPASSWORD }",
      "params.ini:2: GRIDPASSWORD was not converted: it is a secret; use a reference such as { env: GRIDPASSWORD }",
      "shared disks are not in these files: add them under `shared`, and to each machine's `shared`",
    ]);
    expect(text).not.toMatch(/s secret|other\b/);
  });

  it("asks for a netmask that no file has", async () => {
    const without = { name: "netconfig.ini", text: netconfig.replaceAll(/^\w*MASK=.*$/gm, "") };
    try {
      await importNetconfig(without, undefined, options);
      expect.unreachable();
    } catch (error) {
      expect((error as TbuildError).lines).toEqual([
        "the netmask is missing; use --netmask 255.255.255.0",
        "the netmask is missing; use --private-netmask 255.255.255.0",
      ]);
    }
    const flags = { netmask: "255.255.0.0", privateNetmask: "255.255.255.0" };
    expect((await importNetconfig(without, undefined, { ...options, ...flags })).text).toContain(
      "192.0.2.11/16",
    );
  });

  it.each([
    ['A=\'a b\'"c\\"d"e\\ f', [["A", 'a bc"de f']]],
    [
      "A=1 B=2;C=3 # D=4",
      [
        ["A", "1"],
        ["B", "2"],
        ["C", "3"],
      ],
    ],
    ["A=one\\\ntwo", [["A", "onetwo"]]],
    [
      "A=one\\\ntwo\\\nthree\nB=2",
      [
        ["A", "onetwothree"],
        ["B", "2"],
      ],
    ],
    [
      "A=\r\nB=2\r\n",
      [
        ["A", ""],
        ["B", "2"],
      ],
    ],
    ["A='#no comment'", [["A", "#no comment"]]],
    [
      "# C:\\\nA=1 # D:\\\nB=2",
      [
        ["A", "1"],
        ["B", "2"],
      ],
    ],
    ["A='x\\\ny'", [["A", "x\\\ny"]]],
    [
      'A="x\nB=2\n"\nC=3',
      [
        ["A", "x\nB=2\n"],
        ["C", "3"],
      ],
    ],
    ['A="x\\\ny\\$z"', [["A", "xy$z"]]],
    [
      "readonly A=1\ndeclare -rx B=2\nexport A",
      [
        ["A", "1"],
        ["B", "2"],
      ],
    ],
  ])("reads %j as a shell does", async (text, wanted) => {
    const { settings, notRead } = await readSettings(text);
    expect(notRead).toEqual([]);
    expect(settings.map(({ name, value }) => [name, value])).toEqual(wanted);
  });

  it.each([
    "A=`id`",
    'A="$HOME"',
    'A="$(echo "x")"',
    "A=$((1+1))",
    "A=$'x'",
    "A=*.img",
    "A=(1 2)",
    "A=(\nB=2\n)",
    "A[1]=x",
    "A+=x",
    "A=1 &",
    "A=1 | cat",
    "A=1 program",
    "A = 1",
    "declare -i A=1+1",
    "rm -rf /",
    "A='open\nB=2",
    "if true; then A=1; fi",
    "if false; then\nA=1\nfi",
    "for a in b; do\nA=1\ndone",
    "f() {\nA=1\n}",
    "(\nA=1\n)",
    "A=1 && B=2",
    "cat <<EOF\nA=1\nEOF",
    "cat <<'EOF'\nA=1\nEOF",
    ")\nA=1",
  ])("imports nothing from %j", async (text) => {
    const { settings, notRead } = await readSettings(text);
    expect(settings).toEqual([]);
    expect(notRead.length).toBeGreaterThan(0);
  });

  it("names what a command may set, and stops where a shell does", async () => {
    const text = "A=1\nif [ -e /x ]; then\nB=2; C=3\nfi\nD=4\nE=5 <\nF=6\n";
    expect(await readSettings(text)).toEqual({
      settings: [
        { name: "A", value: "1", line: 1 },
        { name: "D", value: "4", line: 5 },
      ],
      notRead: [
        { line: 2, why: "is a command, not a setting; it may set B, C" },
        { line: 6, why: expect.stringContaining("nothing from here on was read") },
      ],
    });
  });

  const one = "NODE1=db1\nNODE1IP=192.0.2.11\nPUBMASK=255.255.255.0\n";
  const notesOf = async (text: string) =>
    (await importNetconfig({ name: "n.ini", text }, undefined, options)).notes.slice(0, -1);

  it.each([
    [`${one}NODE2=db2\n`, [/^n\.ini: node 2 was left out: it has no NODE2IP$/]],
    [`${one}SCANIP=192.0.2.30\n`, [/^n\.ini:4: SCANIP was not converted, because there is no SCANNAME$/]],
    [`${one}PUBADAP=eth0\nPRIVADAP=eth1\n`, []],
    [`${one}PUBADAP=eth1\n`, [/^n\.ini:4: PUBADAP is eth1, but the file below makes it eth0/]],
    [one.replace("db1", "db_1"), [/^to correct: machines\.0\.name: "db_1" is not a name/]],
    [
      one.replace(".11", ".300"),
      [/^to correct: machines\.0\.nics\.0\.address: 192\.0\.2\.300\/24 is not an address/],
    ],
    [
      `${one}NODE2=DB1\nNODE2IP=192.0.2.12\n`,
      [/machines\.1\.name: db1 is also in machines\.0$/, /apart\.0: db1 is listed twice/],
    ],
    [`${one}PUBGW=gw\n`, [/^to correct: machines\.0\.nics\.0\.gateway: "gw" is not an IPv4 address$/]],
    [`${one}DNSIP=1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4\n`, [/nics\.0\.dns: has too many items/]],
    [`${one}RACCLUSTERNAME=${"c".repeat(80)}\n`, [/^to correct: name: /]],
  ] as [string, RegExp[]][])("says of %j what is left to do", async (text, wanted) => {
    const notes = await notesOf(text);
    expect(notes).toHaveLength(wanted.length);
    for (const words of wanted) expect(notes.join("\n")).toMatch(new RegExp(words.source, "m"));
  });

  it("says why it found no node", async () => {
    await expect(notesOf("if true; then NODE1=a; fi\n")).rejects.toMatchObject({
      message: expect.stringContaining("has no node"),
      lines: ["n.ini:1: not read: is a command, not a setting; it may set NODE1"],
    });
  });
});
