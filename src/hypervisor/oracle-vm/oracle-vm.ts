import { modeOf } from "../../choices.ts";
import type { Host } from "../../host/host.ts";
import type { Hypervisor, HypervisorKind, HypervisorPlaces } from "../hypervisor.ts";
import { following, foundAddress } from "../xen/address.ts";
import { imagesIn, xenPaths } from "../xen/machine.ts";
import { benchOn } from "./bench.ts";
import { consoles } from "./consoles.ts";
import { defineMachine } from "./define.ts";
import { checkMode, checkOracleVm, examineOracleVm } from "./examine.ts";
import { messaging } from "./messages.ts";
import { OracleVmOptions } from "./options.ts";
import { power } from "./power.ts";
import { removeDevices, removeMachine } from "./removal.ts";
import { domainScript } from "./servers.ts";
import { siteOf } from "./site.ts";
import { removeHalf, templates } from "./templates.ts";

export const oracleVmKind = {
  summary: "Oracle VM, through the Manager that the site's `manager` names, and its servers over ssh",
  options: OracleVmOptions,
  open: oracleVm,
} satisfies HypervisorKind<typeof OracleVmOptions>;

/** Machines that Oracle VM Manager makes and runs. Their disks and consoles are read on a server. */
function oracleVm(here: Host, options: OracleVmOptions, places: HypervisorPlaces): Hypervisor {
  const site = siteOf(here, options, places);
  const { access, servers, records, there, known, state, place } = site;
  const messages = messaging(site);

  async function destroy(vm: string): Promise<void> {
    const record = await records.read(vm);
    if (!record) return;
    const { api, repository } = await there();
    // A clone that is still being made locks the machine, so it is there once the machine is gone.
    await removeMachine(api, vm);
    const known = new Set(record.disks.flatMap(({ id, isOwn }) => (isOwn ? id : [])));
    await removeDevices(api, vm, { known, spared: await removeHalf(site, record) });
    const scratch = site.scratchOf(repository);
    const on = record.server === undefined ? servers.first : servers.named(record.server);
    await on.run(["sh", "-c", removeScript, xenPaths(scratch, vm).folder, scratch, imagesIn(scratch)]);
    messages.forget(vm);
    await records.remove(vm);
  }

  return {
    name: `Oracle VM Manager ${access.options.host}`,
    domainTypes: Object.values(modeOf),
    patience: options.patience,
    joinsMachines: true,
    disksOn: servers.firstAddress,
    continuesReboots: true,
    readOnlyDisks: false,
    buildAddresses: {
      address: (number) => following(options.addresses.first, number),
      netmask: options.addresses.netmask,
      gateway: options.addresses.gateway,
      nameServer: options.addresses.nameServer,
      ...(options.addresses.loopback !== undefined && { loopback: options.addresses.loopback }),
    },
    check: () => checkOracleVm(access, options, servers),
    checkMode: (mode) => checkMode(access, mode),
    async describe() {
      const { version, via } = await (await access.open()).about();
      return `Oracle VM Manager ${version} over ${via}`;
    },
    examine: () => examineOracleVm(access, options, servers),
    define: (spec) => defineMachine(site, spec),
    state,
    ...power(site, messages.onStart),

    async address(vm) {
      if ((await state(vm)) !== "running") return undefined;
      const { on, id, nics } = await place(vm);
      const [nic] = nics;
      const address = nic?.address ?? (await leased(on, id, nic?.mac ?? ""));
      if (address === undefined) return undefined;
      // The networks of machines are rarely reachable from elsewhere, but the server is.
      return {
        host: address,
        port: 22,
        through: ["ssh", ...on.sshOptions, "-W", "%h:%p", "--", on.name],
      };
    },

    ...consoles(site),
    ...(messages.channel && { messages: messages.channel }),

    async fetchDisk(vm, slot, to) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const disk = (await known(vm)).disks.find((one) => one.slot === slot);
      if (disk === undefined) throw new Error(`${vm} has no disk in slot ${slot}`);
      const { grownFrom, isOwn } = disk;
      const file = { slot, mode: "write" as const, file: site.fileOf(disk), isOwn };
      await site
        .filesIn(disk.repository)
        .fetch({ ...file, ...(grownFrom !== undefined && { grownFrom }) }, to);
    },

    destroy,
    list: () => records.list(),
    imageAt: (disk) => ({
      address: servers.firstAddress,
      path: site.fileOf(disk),
      ...(options.sshConfig !== undefined && { config: options.sshConfig }),
    }),
    ...(options.convertOn === "server" && { bench: benchOn(site) }),
    ...(options.templates && { templates: templates(site, destroy) }),
  };
}

async function leased(on: Host, id: string, mac: string): Promise<string | undefined> {
  const { stdout } = await on.run(["sh", "-c", domainScript, id]);
  const domain = Number(stdout.trim().split("\n").at(-1) || Number.NaN);
  return Number.isInteger(domain) ? foundAddress(on, domain, mac) : undefined;
}

// The images that machines were made from are removed with the last machine.
const removeScript = `
pid=$(cat "$0/watcher" 2>/dev/null)
[ -z "$pid" ] || timeout 10 tail --pid="$pid" -s 0.1 -f /dev/null
rm -rf -- "$0"
if rmdir -- "$1/machines" 2>/dev/null || ! [ -e "$1/machines" ]; then rm -rf -- "$2"; rmdir -- "$1" 2>/dev/null; fi
true`;
