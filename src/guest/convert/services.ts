import { type OvmdChoice, ovmdChoices } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import type { Operation } from "../operation.ts";

/** Switches off release 5's kudzu, which asks on the console about every removed device and waits for an answer. */
export const kudzu: Operation = {
  name: "kudzu",
  summary: "Switch off kudzu, which stops the boot to ask about changed hardware",
  needs: "files",
  pending: (tree) => startLinks(tree, ["kudzu"]),
  apply: (tree) => switchOff(tree, ["kudzu"]),
};

/**
 * How Oracle VM's first-boot configuration is treated. For a place without Oracle VM's messages, `disable`
 * switches ovmd off, and `cloud-init` lets cloud-init configure the guest instead; it must be installed.
 */
export function ovmd(choice: OvmdChoice): Operation[] {
  if (choice === ovmdChoices[0]) return [];
  const off: Operation = {
    name: "ovmd",
    summary: "Switch off ovmd and Oracle VM's first-boot configuration",
    needs: "files",
    pending: async (tree) => [
      ...(await startLinks(tree, ovmdServices)),
      ...(await wantsOf(tree, ovmdServices)),
    ],
    apply: (tree) => switchOff(tree, ovmdServices),
  };
  return choice === "disable" ? [off] : [off, cloudInit];
}

const ovmdServices = ["ovmd", "ovm-template-initial-config"];
const cloudServices = ["cloud-init-local", "cloud-init", "cloud-config", "cloud-final"];
const unitFolders = ["/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"];

const cloudInit: Operation = {
  name: "cloud-init",
  summary: "Let cloud-init configure the first boot",
  needs: "files",
  async pending(tree) {
    const missing = await cloudLinks(tree);
    const marker = await tree.glob("/etc/cloud/cloud-init.disabled");
    return [...missing.map(({ path }) => path), ...marker];
  },
  async apply(tree) {
    for (const { path, target } of await cloudLinks(tree)) await tree.link(path, target);
    await tree.remove("/etc/cloud/cloud-init.disabled");
  },
};

interface Link {
  readonly path: string;
  readonly target: string;
}

async function cloudLinks(tree: GuestTree): Promise<Link[]> {
  const links: Link[] = [];
  for (const name of cloudServices) {
    for (const folder of unitFolders.slice(0, 2)) {
      const unit = `${folder}/${name}.service`;
      if (!(await tree.stat(unit))) continue;
      // cloud-init's generator starts its target, if there is one. Otherwise the services belong to the machine's own target.
      const wants = (await tree.stat(`${folder}/cloud-init.target`))
        ? "cloud-init.target"
        : "multi-user.target";
      links.push({ path: `/etc/systemd/system/${wants}.wants/${name}.service`, target: unit });
      break;
    }
    const script = `/etc/rc.d/init.d/${name}`;
    if (links.some(({ path }) => path.endsWith(`/${name}.service`)) || !(await tree.stat(script))) continue;
    const [, levels = "2345", order = "50"] =
      /^#\s*chkconfig:\s*(\d+)\s+(\d+)/m.exec((await tree.text(script)) ?? "") ?? [];
    for (const level of levels)
      links.push({
        path: `/etc/rc.d/rc${level}.d/S${order.padStart(2, "0")}${name}`,
        target: `../init.d/${name}`,
      });
  }
  if (links.length === 0)
    throw new TbuildError("guest", "cloud-init is not installed", {
      subject: "guest",
      hint: "Install it in the guest first, or convert with --ovmd disable.",
    });
  const missing: Link[] = [];
  for (const link of links) if (!(await tree.stat(link.path))) missing.push(link);
  return missing;
}

async function startLinks(tree: GuestTree, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) found.push(...(await tree.glob(`/etc/rc.d/rc?.d/S??${name}`)));
  return found;
}

async function wantsOf(tree: GuestTree, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) found.push(...(await tree.glob(`/etc/systemd/system/*.wants/${name}.service`)));
  return found;
}

// As chkconfig does: a start link becomes a stop link, so the service counts as switched off, not as new.
async function switchOff(tree: GuestTree, names: readonly string[]): Promise<void> {
  for (const path of await startLinks(tree, names)) {
    const [, folder = "", name = ""] = /^(.*)\/S\d\d(.+)$/.exec(path) ?? [];
    await tree.remove(path);
    const stops = await tree.glob(`${folder}/K??${name}`);
    if (stops.length === 0) await tree.link(`${folder}/K95${name}`, `../init.d/${name}`);
  }
  for (const path of await wantsOf(tree, names)) await tree.remove(path);
}
