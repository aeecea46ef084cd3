import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PlaceAbilities } from "../../src/deploy/place.ts";
import type { TbuildError } from "../../src/errors.ts";
import { emptyWorld, memoryPlace } from "../fakes/memory-place.ts";
import { plan } from "./sample-deployment.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-refused-"));
});
afterEach(() => rm(folder, { recursive: true }));

const head = "name: d\ntemplate: ol6-grid\n";
const limits = { memoryMib: { least: 32, most: 2_000_000 }, mostDiskBytes: 1_000_000 * 2 ** 30 };
const password = "com.oracle.linux.root-password: { env: PW }";

async function planned(text: string, abilities: Partial<PlaceAbilities> = limits) {
  const place = memoryPlace(emptyWorld(), { abilities });
  return plan(place, text, { stateFile: join(folder, "d.json") });
}

async function faults(text: string): Promise<readonly string[]> {
  return planned(text).then(
    () => [],
    (error: TbuildError) => error.lines,
  );
}

describe("a deployment file is refused", () => {
  it.each([
    [
      "two disks that would have one name: a shared one, and a machine's",
      "name: db1\ntemplate: ol6-grid\nshared: [{ name: u01, size: 1G }]\nmachines: [{ name: db1, disks: [{ name: u01, size: 2G }] }]\n",
      ["sample.yaml:4:41: machines.0.disks.0.name: the disk would be called db1-u01, as that of shared.0"],
    ],
    [
      "two disks of two machines that would have one name",
      `${head}machines: [{ name: vm, disks: [{ name: a-b, size: 2G }] }, { name: vm-a, disks: [{ name: b, size: 1G }] }]\n`,
      [
        "sample.yaml:3:90: machines.1.disks.0.name: the disk would be called vm-a-b, as that of machines.0.disks.0",
      ],
    ],
    [
      "an unknown place for a machine's disk",
      `${head}machines: [{ name: vm, disks: [{ name: a, size: 2G, storage: nope }] }]\n`,
      [expect.stringMatching(/^sample\.yaml:3:62: machines\.0\.disks\.0\.storage: there is no storage nope/)],
    ],
    ...["gateway: 192.0.2.1", "dns: [192.0.2.1]", "search: [example.com]"].map((nic) => [
      `a vnic with ${nic}, and no address`,
      `${head}machines: [{ name: vm, nics: [{ network: public, ${nic} }] }]\n`,
      [expect.stringMatching(/machines\.0\.nics\.0\.\w+: has no effect without `address` or `dhcp: true`$/)],
    ]),
    [
      "a MAC of zeros",
      `${head}machines: [{ name: vm, nics: [{ network: public, mac: "00:00:00:00:00:00" }] }]\n`,
      [expect.stringContaining("machines.0.nics.0.mac: is not an address of a card")],
    ],
    [
      "a number for a machine without one",
      `${head}machines: [{ name: vm, values: { ${password} } }]\nvalues: { com.oracle.linux.network.hostname: "db{number}" }\n`,
      [
        "sample.yaml:4:46: values.com.oracle.linux.network.hostname: {number} stands for nothing in the machine vm",
      ],
    ],
    [
      "a placeholder with a sum of a name, in the machine's own values",
      `${head}machines: [{ name: vm1, values: { org.tbuild.grid.mode: "{name+1}", ${password} } }]\n`,
      [
        "sample.yaml:3:57: machines.0.values.org.tbuild.grid.mode: {name+1} stands for nothing in the machine vm1",
      ],
    ],
    [
      "a machine to keep apart from itself",
      `${head}machines: [{ name: "vm[1-2]" }]\napart: [["vm[1-2]", vm1]]\n`,
      ["sample.yaml:4:9: apart.0: vm1 is listed twice in it"],
    ],
    [
      "a group of one machine",
      `${head}machines: [{ name: "vm[1-2]" }]\napart: [["vm[1-1]"]]\n`,
      ["sample.yaml:4:9: apart.0: needs at least two machines"],
    ],
    [
      "a name that ends with a dash",
      `${head}machines: [{ name: vm- }]\n`,
      [expect.stringContaining("it does not end with -")],
    ],
    ...["a[1-2]b[1-2]", "a[2-1]", "a[001-10]", "a[1-2000]"].map((name) => [
      `the range ${name}`,
      `${head}machines: [{ name: "${name}" }]\n`,
      [
        expect.stringMatching(
          /machines\.0\.name: is not a range: a name has one, .* and it has 1 to 1000 machines$/,
        ),
      ],
    ]),
    ...["1M", "9T"].map((memory) => [
      `${memory} of memory`,
      `${head}machines: [{ name: vm, memory: ${memory} }]\n`,
      ["sample.yaml:3:32: machines.0.memory: here a machine has 32 to 2000000 MiB of memory"],
    ]),
    [
      "a disk that is too large",
      `${head}machines: [{ name: vm, disks: [{ name: a, size: 9999T }] }]\n`,
      ["sample.yaml:3:49: machines.0.disks.0.size: here a disk has at most 1000000 GiB"],
    ],
  ] as [string, string, unknown[]][])("for %s", async (_, text, lines) => {
    expect(await faults(text)).toEqual(lines);
  });
});

it("keeps a range of machines apart, as one item", async () => {
  const { plan: made } = await planned(`${head}machines: [{ name: "vm[1-2]" }]\napart: [["vm[1-2]"]]\n`);
  expect(made.groups).toMatchObject([{ name: "d-apart-1" }]);
});

it("says that storage has no effect where a place has one", async () => {
  const place = memoryPlace(emptyWorld());
  const text = `${head}storage: fast\nmachines: [{ name: vm }]\n`;
  const everywhere = {
    ...place,
    surroundings: async () => ({ ...(await place.surroundings()), storage: undefined }),
  };
  const { warnings } = await plan(everywhere, text, { stateFile: join(folder, "d.json") });
  expect(warnings).toEqual(["sample.yaml:3:10: storage: has no effect: this place keeps all disks together"]);
});

it("warns of a secret in plain text, even if a template's parameters are unknown", async () => {
  const place = memoryPlace(emptyWorld(), { abilities: { messages: ["oracle"] } });
  const text = `name: d
template: place:OVM_OL6
machines: [{ name: vm }]
values: { com.oracle.linux.root-password: hunter2, com.oracle.linux.ssh.private-key-type.0: rsa }
`;
  const size = { systemSlots: [0], memoryMib: 512, vcpus: 1, networks: [] };
  const findTemplate = async () => ({ id: "1", isThere: true, name: "OVM_OL6", ...size });
  const { warnings } = await plan({ ...place, findTemplate }, text, { stateFile: join(folder, "d.json") });
  expect(warnings).toEqual([
    "sample.yaml:4:43: com.oracle.linux.root-password: is a secret in plain text; write {env: NAME}, {file: PATH} or {prompt: true}",
  ]);
});
