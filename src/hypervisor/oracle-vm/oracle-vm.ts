import { join } from "node:path";
import { type DomainType, domainTypes, modeOf } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { ManagerApi } from "../../manager/api.ts";
import { chosen, createSteadily, findOne } from "../../manager/steady.ts";
import { kernelDisc } from "../../media/kernel-disc.ts";
import {
  buildNetwork,
  type DirectBoot,
  type Hypervisor,
  type HypervisorKind,
  type HypervisorPlaces,
  type Stopped,
  type VmSpec,
} from "../hypervisor.ts";
import { following, foundAddress } from "../xen/address.ts";
import { lines } from "../xen/console.ts";
import { farDisks } from "../xen/disks.ts";
import { imagesIn, xenPaths } from "../xen/machine.ts";
import { followScript, joinScript } from "../xen/scripts.ts";
import { importedDisc } from "./discs.ts";
import { diskMade } from "./disks.ts";
import { checkOracleVm, examineOracleVm } from "./examine.ts";
import { discName, markOf, mayBeOf } from "./marks.ts";
import { messagesOf } from "./messages.ts";
import { OracleVmOptions } from "./options.ts";
import { type MachineRecord, recordsIn } from "./record.ts";
import { removeMachine } from "./removal.ts";
import {
  deviceScript,
  domainScript,
  drainedScript,
  followingScript,
  serversOf,
  watchScript,
} from "./servers.ts";

export const oracleVmKind = {
  summary: "Oracle VM, through the Manager that the site's `manager` names, and its servers over ssh",
  options: OracleVmOptions,
  open: oracleVm,
} satisfies HypervisorKind<typeof OracleVmOptions>;

/** Machines that Oracle VM Manager makes and runs. Their disks and consoles are read on a server. */
function oracleVm(here: Host, options: OracleVmOptions, places: HypervisorPlaces): Hypervisor {
  const { manager } = places;
  if (!manager)
    throw new TbuildError("usage", "needs an Oracle VM Manager", {
      subject: "hypervisor.kind: oracle-vm",
      hint: "Add manager: { host: …, password: { env: … } } to the site.",
    });
  const servers = serversOf(options);
  const records = recordsIn(here, places.folder);
  const { first: server } = servers;
  let opened: Promise<ManagerApi> | undefined;
  let found: Promise<Awaited<ReturnType<typeof look>>> | undefined;
  /** How many messages of a machine are from before its last start, or have been read. */
  const heard = new Map<string, number>();

  const access = { options: manager.options, open: () => (opened ??= manager.open()) };

  async function look(api: ManagerApi) {
    const pool = await chosen(api, "ServerPool", manager?.options.pool);
    const repository = await chosen(api, "Repository", manager?.options.repository);
    const names = new Map<string, string>();
    for (const name of new Set(Object.values(options.networks)))
      names.set(name, (await findOne(api, "Network", name)).id);
    const network = (of: string) => names.get(options.networks[of] ?? options.networks[buildNetwork] ?? "");
    return { pool: pool.id, repository: repository.id, network };
  }
  /** The Manager, and the objects there that the site names. */
  async function there() {
    const api = await access.open();
    found ??= look(api);
    return { api, ...(await found) };
  }
  /** A folder of tbuild's in the repository, for images that several machines begin with, and consoles. */
  const scratchOf = (repository: string) => join(options.repositories, repository, "tbuild");
  const fileOf = ({ id, repository }: { readonly id: string; readonly repository: string }) =>
    join(options.repositories, repository, "VirtualDisks", id);

  async function known(vm: string): Promise<MachineRecord & { readonly id: string }> {
    const record = await records.read(vm);
    if (record?.id !== undefined) return { ...record, id: record.id };
    throw new TbuildError("environment", "no such machine", { subject: vm });
  }
  async function state(vm: string): Promise<"absent" | "stopped" | "running"> {
    const record = await records.read(vm);
    if (!record) return "absent";
    // Its making was interrupted.
    if (record.id === undefined) return "stopped";
    const { api } = await there();
    const seen = await api.vm(record.id);
    return seen.state === "stopped" ? "stopped" : "running";
  }
  /** The server that a machine was last started on, and where its console is logged there. */
  async function place(vm: string) {
    const { id, server: name, nics } = await known(vm);
    const { repository } = await there();
    const on = name === undefined ? server : servers.named(name);
    return { on, paths: xenPaths(scratchOf(repository), vm), id, nics };
  }

  async function define(spec: VmSpec): Promise<void> {
    const { name: vm } = spec;
    refuse(spec);
    const exists = (hint: string) =>
      new TbuildError("environment", "a machine of this name exists", { subject: vm, hint });
    if (await records.read(vm)) throw exists("Remove it with: tbuild clean");
    const { api, pool, repository, network } = await there();
    if ((await api.list("Vm")).some(({ name }) => name === vm))
      throw exists(`tbuild did not make it here. Look into ${api.name}.`);
    const lastSlot = Math.max(-1, ...spec.disks.map(({ slot }) => slot));
    const isBlank = spec.disks.some(({ slot, content }) => slot === 0 && "blank" in content);
    let record: MachineRecord = {
      name: vm,
      nics: spec.nics,
      disks: [],
      bootSlot: lastSlot + 1,
    };
    const keep = async (more: Partial<MachineRecord>) => {
      record = { ...record, ...more };
      await records.write(record);
    };
    await keep({});
    const id = await createSteadily({
      what: `machine ${vm}`,
      name: vm,
      list: () => api.list("Vm"),
      create: async () =>
        api.createVm({
          name: vm,
          description: markOf(vm),
          pool,
          repository,
          memoryMib: spec.memoryMib,
          vcpus: spec.vcpus,
          domainType: domainTypeOf(spec),
          bootOrder: ["DISK", "CDROM"],
          ...osTypeOf(spec, (await api.about()).version),
        }),
      matches: async (one) => mayBeOf(vm, (await api.vm(one)).description),
      remove: (half) => api.deleteVm(half),
    });
    await keep({ id });
    for (const nic of spec.nics)
      await api
        .createVnic(id, { network: network(nic.network) ?? "", mac: nic.mac, description: markOf(vm) })
        .catch((error) => {
          if (!(error instanceof TbuildError) || error.code !== "failed") throw error;
          throw error.with({
            hint: `Is ${nic.mac} in use there? Builds all take the same MACs, so one Manager runs one build at a time.`,
          });
        });
    const files = farDisks(here, server, scratchOf(repository));
    for (const disk of spec.disks) {
      const made = await diskMade({ api, here, server, files, repository, fileOf }, vm, disk);
      await keep({ disks: [...record.disks, made] });
      const { slot, mode } = disk;
      await api.createMapping(id, slot, { virtualDisk: made.id, mode }, `${vm} slot ${slot}`);
    }
    // The BIOS starts the first drive, which is kept for a boot disc where a machine is to be installed.
    for (const [index, file] of spec.cdroms.entries())
      await insert(vm, id, {
        file,
        name: discName(vm, `cd${index}`),
        slot: record.bootSlot + (isBlank ? 1 : 0) + index,
      });
  }

  async function insert(
    vm: string,
    id: string,
    { file, name, slot }: { readonly file: string; readonly name: string; readonly slot: number },
  ): Promise<void> {
    const { api, repository } = await there();
    const wanted = { file, name, repository, server: access.options.server ?? servers.firstName };
    const virtualCdrom = await importedDisc(api, access.options, wanted);
    await api.createMapping(id, slot, { virtualCdrom }, `${vm} slot ${slot}`);
  }

  /** Takes the boot disc of an earlier start out. A disc is not swapped: its mapping goes. */
  async function eject(id: string, name: string): Promise<boolean> {
    const { api } = await there();
    const discs = new Set(
      (await api.list("VirtualCdrom")).flatMap((one) => (one.name === name ? one.id : [])),
    );
    if (discs.size === 0) return false;
    for (const mapping of (await api.vm(id)).mappings) {
      const { device } = await api.mapping(mapping.id);
      if (device.kind === "cdrom" && discs.has(device.id)) await api.deleteMapping(mapping.id);
    }
    for (const disc of discs) await api.deleteDisc(disc);
    return true;
  }

  async function bootDisc(vm: string, id: string, slot: number, boot: DirectBoot): Promise<void> {
    const { loader, ...kernel } = boot;
    if (loader === undefined)
      throw new TbuildError(
        "environment",
        "starts a kernel from a disc only, and the medium has no isolinux",
        {
          subject: vm,
        },
      );
    await using scratch = await temporaryFolder("boot");
    const name = discName(vm, "boot");
    const file = join(scratch.path, name);
    await kernelDisc({ host: here, scratch: scratch.path }, { ...kernel, loader }, file);
    await insert(vm, id, { file, name, slot });
  }

  async function waitStopped(
    vm: string,
    { timeoutMs, signal }: Parameters<Hypervisor["waitStopped"]>[1],
  ): Promise<Stopped> {
    const stopped = await waitFor<Stopped>(
      `${vm}: power-off`,
      async () => ((await state(vm)) === "running" ? undefined : "guest-shutdown"),
      { timeoutMs, everyMs: 2000, ...(signal && { signal }) },
    );
    const { on, paths } = await place(vm);
    await on.run(["sh", "-c", drainedScript, paths.folder], signal && { signal });
    return stopped;
  }

  return {
    name: `Oracle VM Manager ${manager.options.host}`,
    domainTypes: Object.values(modeOf),
    patience: options.patience,
    joinsMachines: true,
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
    async describe() {
      const { version, via } = await (await access.open()).about();
      return `Oracle VM Manager ${version} over ${via}`;
    },
    examine: () => examineOracleVm(access, options, servers),
    define,
    state,
    waitStopped,

    async start(vm, boot) {
      const record = await known(vm);
      const { id, bootSlot } = record;
      const { api } = await there();
      const wasInserted = await eject(id, discName(vm, "boot"));
      if (boot) await bootDisc(vm, id, bootSlot, boot);
      if (boot || wasInserted)
        await api.editVm(id, { bootOrder: boot ? ["CDROM", "DISK"] : ["DISK", "CDROM"] });
      heard.set(vm, (await api.receivedMessages?.(id))?.length ?? 0);
      await api.start(id);
      const seen = await api.vm(id);
      await records.write({ ...record, server: seen.server?.name ?? servers.firstName });
      const { on, paths } = await place(vm);
      await on.run(["sh", "-c", watchScript, paths.folder, id, domainScript, deviceScript, followingScript]);
    },

    async stop(vm, how = { force: false }) {
      if ((await state(vm)) !== "running") return;
      const { id } = await known(vm);
      const { api } = await there();
      if (how.force) return api.kill(id);
      const until = Date.now() + (how.graceMs ?? 60_000);
      // What the Manager says of its job matters less than the guest.
      await api.stop(id, Math.max(1000, until - Date.now())).catch((error) => {
        if (!(error instanceof TbuildError)) throw error;
      });
      await waitStopped(vm, { timeoutMs: Math.max(1000, until - Date.now()) });
    },

    async address(vm) {
      if ((await state(vm)) !== "running") return undefined;
      const { on, id, nics } = await place(vm);
      const [nic] = nics;
      const address = nic?.address ?? (await leased(on, id, nic?.mac ?? ""));
      if (address === undefined) return undefined;
      // Networks of machines are seldom reached from elsewhere.
      return {
        host: address,
        port: 22,
        through: ["ssh", ...on.sshOptions, "-W", "%h:%p", "--", on.name],
      };
    },

    async *console(vm, signal) {
      const { on, paths } = await place(vm);
      yield* lines(on, ["sh", "-c", followScript, paths.folder], signal);
    },
    async joinConsole(vm) {
      const { on, paths } = await place(vm);
      if ((await state(vm)) !== "running")
        throw new TbuildError("environment", "is not running", { subject: vm });
      return on.join(["sh", "-c", joinScript, paths.folder]);
    },
    async consoleText(vm) {
      const { on, paths } = await place(vm);
      return new TextDecoder().decode((await on.readFile(paths.consoleLog)) ?? new Uint8Array());
    },
    consolePlace: (vm) => `${server.name}: ${options.repositories}/*/tbuild/machines/${vm}/console.log`,

    ...(options.additions.length > 0 && {
      messages: {
        reaches: options.additions,
        async open(vm) {
          const { id } = await known(vm);
          const { api } = await there();
          const { receivedMessages } = api;
          if (receivedMessages)
            return messagesOf({ ...api, receivedMessages }, id, heard.get(vm) ?? 0, (seen) => {
              heard.set(vm, seen);
            });
          throw new TbuildError("environment", "its release cannot be asked what a guest has reported", {
            subject: api.name,
            hint: "Set hypervisor.additions: [] in the site: then no template is tried.",
          });
        },
      },
    }),

    async fetchDisk(vm, slot, to) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const disk = (await known(vm)).disks.find((one) => one.slot === slot);
      if (disk === undefined) throw new Error(`${vm} has no disk in slot ${slot}`);
      const { grownFrom, isOwn } = disk;
      const file = { slot, mode: "write" as const, file: fileOf(disk), isOwn };
      await farDisks(here, server, scratchOf(disk.repository)).fetch(
        { ...file, ...(grownFrom !== undefined && { grownFrom }) },
        to,
      );
    },

    async destroy(vm) {
      const record = await records.read(vm);
      if (!record) return;
      const { api, repository } = await there();
      await removeMachine(api, vm);
      const scratch = scratchOf(repository);
      const on = record.server === undefined ? server : servers.named(record.server);
      await on.run(["sh", "-c", removeScript, xenPaths(scratch, vm).folder, scratch, imagesIn(scratch)]);
      heard.delete(vm);
      await records.remove(vm);
    },
    list: () => records.list(),
  };

  async function leased(on: Host, id: string, mac: string): Promise<string | undefined> {
    const { stdout } = await on.run(["sh", "-c", domainScript, id]);
    const domain = Number(stdout.trim().split("\n").at(-1) || Number.NaN);
    return Number.isInteger(domain) ? foundAddress(on, domain, mac) : undefined;
  }
}

function refuse({ name, disks, firmware }: VmSpec): void {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(name)) throw new Error(`bad machine name ${name}`);
  const why = disks.some(({ mode }) => mode === "read-only")
    ? "has no read-only disks"
    : firmware === "uefi" && "starts no machine by UEFI";
  if (why !== false) throw new TbuildError("usage", why, { subject: `Oracle VM, for ${name}` });
}

function domainTypeOf({ domainType }: VmSpec): DomainType {
  const found = domainTypes.find((one) => modeOf[one] === domainType);
  if (found) return found;
  throw new TbuildError("usage", `runs no ${domainType} machines`, { subject: "Oracle VM" });
}

// Names of 3.3 and later (python-ovmclient), which end with Oracle Linux 7; how 3.2 spells them is not known.
function osTypeOf({ guest: { release } }: VmSpec, version: string): { readonly osType?: string } {
  return release > 7 || version.startsWith("3.2") ? {} : { osType: `Oracle Linux ${release}` };
}

// Images that machines began with go with the last machine.
const removeScript = `
pid=$(cat "$0/watcher" 2>/dev/null)
[ -z "$pid" ] || timeout 10 tail --pid="$pid" -s 0.1 -f /dev/null
rm -rf -- "$0"
if rmdir -- "$1/machines" 2>/dev/null || ! [ -e "$1/machines" ]; then rm -rf -- "$2"; rmdir -- "$1" 2>/dev/null; fi
true`;
