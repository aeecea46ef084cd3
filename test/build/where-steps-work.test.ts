import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { plan } from "../../src/build/build.ts";
import { openSite } from "../../src/cli/open-site.ts";
import { makeProgram } from "../../src/cli/program.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-where-"));
});
afterEach(() => rm(folder, { recursive: true }));

const repository = resolve(import.meta.dirname, "../..");
const addresses = "{ first: 10.0.7.200, gateway: 10.0.7.1, nameServer: 10.0.7.1 }";
const oracleVm = `
manager: { host: ovmm.example.com, password: { env: OVMM_PASSWORD } }
hypervisor:
  kind: oracle-vm
  servers: { ovs1: root@ovs1.example.com, ovs2: root@ovs2.example.com }
  networks: { build: public }
  addresses: ${addresses}
`;
const xen = (where: string) =>
  `hypervisor: { kind: xen, ${where} bridges: { build: xenbr0 }, addresses: ${addresses} }\n`;

/** The lines of a plan that say where steps work. */
async function notes(site: string, recipe: string): Promise<string[]> {
  await writeFile(join(folder, "site.yaml"), site);
  await writeFile(join(folder, "mine.yaml"), recipe);
  const program = makeProgram();
  program.setOptionValue("home", join(folder, "home"));
  program.setOptionValue("recipes", join(repository, "recipes"));
  program.setOptionValue("site", join(folder, "site.yaml"));
  const request = { name: join(folder, "mine.yaml"), rehearse: true, fresh: false };
  const planned = await plan(await openSite(program), request);
  return planned.notes.filter((note) => note.includes("this machine"));
}

const mine = "extends: ol6-base\nname: mine\nmachine: { disk: 20G }\ndisks: [{ size: 4G }]\n";
const rest =
  "so the disk is copied there and back (up to 24 GiB, without its holes); all other steps, such as the conversion, work on this machine";

it("a plan says in one line which steps work on a server of Oracle VM, and how large the disk is", async () => {
  expect(await notes(oracleVm, mine)).toEqual([
    `install-guest, provision-guest, place-template: on root@ovs1.example.com, ${rest}`,
  ]);
});

it("a plan names a boot trial there, and an online seal", async () => {
  const reached = oracleVm.replace("  kind", "  additions: [tbuild]\n  kind");
  expect(await notes(reached, `${mine}seal: { how: online }\n`)).toEqual([
    `install-guest, provision-guest, seal-image, boot-trial, place-template: on root@ovs1.example.com, ${rest}`,
  ]);
});

it("a plan names the steps that convert and seal on a server, if the site says so", async () => {
  const onServer = oracleVm.replace("  kind", "  convertOn: server\n  kind");
  expect(await notes(onServer, mine)).toEqual([
    "convert-image, seal-image: by kpartx on root@ovs1.example.com; each copies the system disk there and back; all other steps work on this machine",
  ]);
});

it("so does a plan for a Xen host, unless that is this machine", async () => {
  const [far = ""] = await notes(xen("host: root@xen1,"), mine);
  expect(far).toMatch(/^install-guest, provision-guest, boot-trial: on root@xen1, /);
  expect(await notes(xen(""), mine)).toEqual([]);
});
