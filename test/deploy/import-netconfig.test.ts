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
  it("makes a deployment file with each node, its networks and the lines of /etc/hosts", () => {
    const { text } = importNetconfig(
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

  it("runs nothing, lists what it did not convert with its line, and shows no password", () => {
    const { text, notes } = importNetconfig(
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

  it("asks for a netmask that no file has", () => {
    const without = { name: "netconfig.ini", text: netconfig.replaceAll(/^\w*MASK=.*$/gm, "") };
    try {
      importNetconfig(without, undefined, options);
      expect.unreachable();
    } catch (error) {
      expect((error as TbuildError).lines).toEqual([
        "the netmask is missing; use --netmask 255.255.255.0",
        "the netmask is missing; use --private-netmask 255.255.255.0",
      ]);
    }
    expect(
      importNetconfig(without, undefined, {
        ...options,
        netmask: "255.255.0.0",
        privateNetmask: "255.255.255.0",
      }).text,
    ).toContain("192.0.2.11/16");
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
      "A=\r\nB=2\r\n",
      [
        ["A", ""],
        ["B", "2"],
      ],
    ],
    ["A='#no comment'", [["A", "#no comment"]]],
  ])("reads %j as a shell does", (text, wanted) => {
    const { settings, notRead } = readSettings(text);
    expect(notRead).toEqual([]);
    expect(settings.map(({ name, value }) => [name, value])).toEqual(wanted);
  });

  it.each(["A=`id`", 'A="$HOME"', "A=*.img", "rm -rf /", "A='open", "if true; then A=1; fi", "A=1 && B=2"])(
    "imports nothing from %j",
    (text) => {
      const { settings, notRead } = readSettings(text);
      expect(settings).toEqual([]);
      expect(notRead.length).toBeGreaterThan(0);
    },
  );
});
