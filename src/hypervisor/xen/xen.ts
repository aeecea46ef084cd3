import { join } from "node:path";
import { modeOf } from "../../choices.ts";
import type { Host } from "../../host/host.ts";
import { farHost } from "../../host/ssh.ts";
import type { Hypervisor, HypervisorKind } from "../hypervisor.ts";
import { following, foundAddress } from "./address.ts";
import { lines } from "./console.ts";
import { farDisks } from "./disks.ts";
import { checkXen, describeXen, examineXen } from "./examine.ts";
import { imagesIn, machinesIn } from "./machine.ts";
import { xenMachines } from "./machines.ts";
import { openMessages } from "./messages.ts";
import { XenOptions } from "./options.ts";
import { takePicture } from "./picture.ts";
import { power } from "./power.ts";
import { followScript, joinScript } from "./scripts.ts";
import { shaping } from "./shaping.ts";

export const xenKind = {
  summary: "a Xen host with xl: this machine, or another over ssh",
  options: XenOptions,
  open: xen,
} satisfies HypervisorKind<typeof XenOptions>;

/**
 * Machines on a Xen host, managed with xl. They outlive tbuild, which finds them again by their folder on the
 * host.
 */
function xen(here: Host, options: XenOptions): Hypervisor {
  const far =
    options.host === undefined ? undefined : farHost(options.host, options.sshConfig, options.patience);
  const host = far ?? here;
  const place = options.host === undefined ? "" : `${options.host}:`;
  const { folder, bridges } = options;
  const disks = farDisks(here, host, folder);
  const machines = xenMachines(host, folder);
  const { paths, definitionOf, domainOf, running, state } = machines;

  return {
    name: options.host === undefined ? "xen" : `xen on ${options.host}`,
    domainTypes: Object.values(modeOf),
    joinsMachines: true,
    ...(options.host !== undefined && { disksOn: options.host }),
    patience: options.patience,
    buildAddresses: {
      address: (number) => following(options.addresses.first, number),
      netmask: options.addresses.netmask,
      gateway: options.addresses.gateway,
      nameServer: options.addresses.nameServer,
    },
    state,
    check: () => checkXen(host, bridges),
    describe: () => describeXen(host),
    examine: () => examineXen(host, bridges),
    apart: { host, folder: join(folder, "disks") },

    ...shaping(machines, disks),
    ...power(machines, options),

    async address(vm) {
      const domain = await domainOf(vm);
      if (!domain) return undefined;
      const { nics } = await definitionOf(vm);
      const [first] = nics;
      const found = first?.address ?? (await foundAddress(host, domain.id, first?.mac ?? ""));
      if (found === undefined) return undefined;
      return {
        host: found,
        port: 22,
        // The bridges of a Xen host are rarely reachable from elsewhere, but the host is.
        ...(far && { through: ["ssh", ...far.sshOptions, "-W", "%h:%p", "--", far.name] }),
      };
    },

    console: (vm, signal) => lines(host, ["sh", "-c", followScript, paths(vm).folder], signal),
    async joinConsole(vm) {
      await running(vm);
      return host.join(["sh", "-c", joinScript, paths(vm).folder]);
    },
    consoleText: async (vm) =>
      new TextDecoder().decode((await host.readFile(paths(vm).consoleLog)) ?? new Uint8Array()),
    consolePlace: (vm) => `${place}${paths(vm).consoleLog}`,

    async picture(vm) {
      const domain = await running(vm);
      // A paravirtual guest has a console and no screen.
      if ((await definitionOf(vm)).domainType === "pvm") return undefined;
      return takePicture(host, domain.id);
    },

    messages: {
      // How Oracle's additions use xenstore is not documented.
      reaches: ["tbuild"],
      open: async (vm) => openMessages(host, (await running(vm)).id),
    },

    async fetchDisk(vm, slot, to) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const disk = (await definitionOf(vm)).disks.find((one) => one.slot === slot);
      if (disk === undefined) throw new Error(`${vm} has no disk in slot ${slot}`);
      await disks.fetch(disk, to);
    },

    async destroy(vm) {
      await machines.destroyDomain(vm);
      await machines.script(removeScript, paths(vm).folder, machinesIn(folder), imagesIn(folder));
    },

    async list() {
      const names = await machines.script('ls -1 -- "$0" 2>/dev/null || true', machinesIn(folder));
      return names
        .split("\n")
        .filter((name) => name !== "")
        .sort();
    },
  };
}

// The images that machines were made from are removed with the last machine.
const removeScript = `
rm -rf -- "$0"
if rmdir -- "$1" 2>/dev/null; then rm -rf -- "$2"; fi`;
