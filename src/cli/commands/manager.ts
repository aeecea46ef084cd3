import type { Command } from "commander";
import { jsonText, printable } from "../../io/escape.ts";
import type { Named, VmSeen } from "../../manager/api.ts";
import { inventoryOf, type ManagerInventory } from "../../manager/inventory.ts";
import { openManager } from "../../manager/open.ts";
import { interruptible, stays } from "../interrupt.ts";
import { siteManager } from "../open-manager.ts";
import { table, tableRows } from "../table.ts";
import { type Colours, coloursFor } from "../words.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { json = false } = command.optsWithGlobals<{ json?: boolean }>();
  const { inventory, name } = await interruptible(stays.unchanged, async (signal) => {
    const { options, context } = await siteManager(command, signal);
    await using api = await openManager(options, context);
    return { inventory: await inventoryOf(api), name: api.name };
  });
  process.stdout.write(
    json ? `${jsonText(inventory, 2)}\n` : said(name, inventory, coloursFor(process.stdout)),
  );
}

function said(name: string, inventory: ManagerInventory, { bold, dim, yellow }: Colours): string {
  const { version, via, isSimulator } = inventory.about;
  const head = `${bold(name)}  ${version} over ${via}${isSimulator ? `\n${yellow("a SIMULATOR: nothing here is real")}` : ""}`;
  const names = (all: readonly Named[]) => printable(all.map((one) => one.name).join(", ")) || "none";
  const lists = table([
    ["server pools", names(inventory.pools)],
    ["servers", names(inventory.servers)],
    ["repositories", names(inventory.repositories)],
    ["networks", names(inventory.networks)],
  ]);
  if (inventory.vms.length === 0) return `${head}\n${lists}\n\nno templates and no VMs\n`;
  const rows = inventory.vms.map((vm) => [
    printable(vm.name),
    stateOf(vm),
    vm.domainType ?? "?",
    vm.vcpus === undefined ? "?" : String(vm.vcpus),
    vm.memoryMib === undefined ? "?" : `${vm.memoryMib} MiB`,
    String(vm.mappings.length),
    String(vm.vnics.length),
    printable(vm.server?.name ?? vm.repository?.name ?? ""),
  ]);
  const columns = ["NAME", "STATE", "DOMAIN TYPE", "VCPUS", "MEMORY", "DISKS", "VNICS", "WHERE"];
  const [first = "", ...rest] = tableRows([columns, ...rows]);
  return `${head}\n${lists}\n\n${[dim(first), ...rest].join("\n")}\n`;
}

function stateOf({ state, isTemplate }: VmSeen): string {
  if (isTemplate) return "template";
  // The CLI may not tell a template from a stopped machine.
  return isTemplate === undefined && state === "stopped" ? "stopped, or template" : state;
}
