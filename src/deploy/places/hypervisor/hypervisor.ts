import { join, resolve } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../../errors.ts";
import { lock } from "../../../host/lock.ts";
import { buildNetwork, type Hypervisor, type Nic } from "../../../hypervisor/hypervisor.ts";
import type { Inventory, Mark, NicWanted, Place, PlaceContext, PlaceKind, SeenMachine } from "../../place.ts";
import { recordsIn } from "../place-records.ts";
import { conversationWith, forgetReports } from "./reports.ts";
import { templatesIn } from "./templates.ts";

export const hypervisorPlace: PlaceKind = {
  summary: "the site's hypervisor",
  isOf: () => true,
  open: async (context) => hypervisorsPlace(context),
};

const MarkText = z.object({ id: z.string(), deployment: z.string() });

/** What is kept beside a machine: whose it is, and what its definition does not say. */
const MachineRecord = z.object({
  mark: MarkText,
  /** False while it is being made. */
  isMade: z.boolean(),
  /** The id of its template at this place. */
  template: z.string(),
  /** The networks of its nics as the deployment names them: on the hypervisor, the first one is connected to the host. */
  networks: z.record(z.string(), z.string()),
});
type MachineRecord = z.infer<typeof MachineRecord>;

const DiskRecord = z.object({ mark: MarkText, bytes: z.number(), isShared: z.boolean() });

/**
 * A hypervisor as a place. Beside each machine and each disk lies a record of whose it is, written before it is made:
 *
 *     machines/NAME.json   disks/NAME.json  disks/NAME.img   templates/NAME-VERSION-DIGEST/   reports/NAME.jsonl
 */
function hypervisorsPlace(context: PlaceContext): Place {
  const { hypervisor, folder } = context;
  const machines = recordsIn(join(folder, "machines"), MachineRecord);
  const disks = recordsIn(join(folder, "disks"), DiskRecord);
  const templates = templatesIn(context);
  const drawer = hypervisor.apart ?? { host: context.host, folder: resolve(folder, "disks") };
  const diskFile = (name: string) => join(drawer.folder, `${name}.img`);
  const isThere = async (file: string) =>
    (await drawer.host.run(["test", "-e", file], { allow: [1] })).exitCode === 0;
  const diskNamed = (file: string) => /([^/]+)\.img$/.exec(file)?.[1] ?? file;
  const shapes = () => shapesOf(hypervisor);

  async function seen(name: string, record: MachineRecord): Promise<SeenMachine | undefined> {
    const state = await hypervisor.state(name);
    if (!record.isMade)
      return { id: name, name, state: "unfinished", vcpus: 0, memoryMib: 0, nics: [], disks: [] };
    if (state === "absent") return undefined;
    const shape = await shapes().of(name);
    return {
      id: name,
      name,
      state,
      vcpus: shape.vcpus,
      memoryMib: shape.memoryMib,
      nics: shape.nics.map(
        ({ mac, network, address }): NicWanted => ({
          mac,
          network: record.networks[mac] ?? network,
          ...(address !== undefined && { address }),
        }),
      ),
      disks: shape.disks.flatMap(({ slot, mode, file }) =>
        file === undefined ? [] : [{ slot, mode, disk: diskNamed(file) }],
      ),
    };
  }

  async function changeNics(
    machine: string,
    change: (nics: readonly NicWanted[]) => readonly NicWanted[],
  ): Promise<void> {
    const record = await machines.read(machine);
    if (!record) throw gone(machine);
    const now = (await shapes().of(machine)).nics;
    const named = now.map((nic) => ({ ...nic, network: record.networks[nic.mac] ?? nic.network }));
    const then = change(named);
    await machines.write(machine, { ...record, networks: networksOf(then) });
    await shapes().change(machine, { nics: onHypervisor(then) });
  }

  async function apartOf(machine: string) {
    return (await shapes().of(machine)).disks.flatMap(({ slot, mode, file }) =>
      file === undefined ? [] : [{ slot, mode, file }],
    );
  }

  return {
    name: `${hypervisor.name} on ${context.host.name}`,
    identity: `${hypervisor.name} ${resolve(folder)}`,

    async check() {
      await hypervisor.check();
      shapes();
    },

    abilities: async () => ({
      clones: ["thin", "full"],
      sharedDisks: true,
      antiAffinity: { why: "this place has one server" },
      joinsMachines: hypervisor.joinsMachines ?? false,
      messages: hypervisor.messages?.reaches ?? [],
      mostSlots: 16,
      mostNics: 8,
      parallel: 4,
    }),

    surroundings: async () => ({ networks: undefined, storage: undefined, servers: undefined }),

    findTemplate: (wanted) => templates.find(wanted),
    bringTemplate: (wanted, options) => templates.bring(wanted, options),

    async look(mark, names): Promise<Inventory> {
      const [made, own] = [await machines.list(), await disks.list()];
      const found: SeenMachine[] = [];
      for (const [name, record] of made) {
        const machine = record.mark.id === mark.id ? await seen(name, record) : undefined;
        if (machine) found.push(machine);
      }
      const taken: Inventory["taken"][number][] = [];
      const owner = (kind: "machine" | "disk", name: string, of: Mark | undefined) => {
        if (of && of.id !== mark.id) taken.push({ kind, name, by: `deployment ${of.deployment}` });
      };
      for (const name of names.machines) {
        const record = made.get(name);
        owner("machine", name, record?.mark);
        if (!record && (await hypervisor.state(name)) !== "absent") taken.push({ kind: "machine", name });
      }
      for (const name of names.disks) {
        owner("disk", name, own.get(name)?.mark);
        if (!own.has(name) && (await isThere(diskFile(name)))) taken.push({ kind: "disk", name });
      }
      const ours = [...own].filter(([, { mark: of }]) => of.id === mark.id);
      const complete = [];
      // A record without its file is a disk that was not made yet, or that somebody removed.
      for (const [name, { bytes, isShared }] of ours)
        if (await isThere(diskFile(name))) complete.push({ id: name, name, bytes, isShared });
      return { machines: found, disks: complete, groups: [], taken };
    },

    async makeDisk({ name, bytes, isShared }, mark) {
      await disks.claim(name, { mark, bytes, isShared });
      // What a guest keeps to root is on them. Growing one to its size changes nothing where it has that size.
      const script = 'umask 077; mkdir -p -- "$0" && truncate -s "$2" -- "$1"';
      await drawer.host.run(["sh", "-c", script, drawer.folder, diskFile(name), String(bytes)]);
      return name;
    },

    async makeMachine(machine, mark) {
      const { name, template, way, vcpus, memoryMib, nics } = machine;
      const known = await machines.read(name);
      if (!known && (await hypervisor.state(name)) !== "absent") throw foreign("machine", name);
      const record = { mark, isMade: false, template: template.id, networks: networksOf(nics) };
      if (known?.isMade && known.mark.id === mark.id && (await hypervisor.state(name)) !== "absent")
        return name;
      await machines.claim(name, record);
      // What an interrupted call left has never run.
      await hypervisor.destroy(name);
      const from = await templates.read(template.id);
      await hypervisor.define({
        name,
        vcpus,
        memoryMib,
        cdroms: [],
        nics: onHypervisor(nics),
        restarts: true,
        domainType: hypervisor.domainTypes.includes(from.mode) ? from.mode : "hvm",
        disks: from.disks.map((file, index) => ({
          slot: template.systemSlots[index] ?? index,
          mode: "write",
          content: way === "thin" ? { grownFrom: file } : { copyOf: file },
        })),
        ...(from.firmware && { firmware: from.firmware }),
        guest: { release: from.release },
      });
      await machines.write(name, { ...record, isMade: true });
      return name;
    },

    resize: (machine, size) => shapes().change(machine, size),
    addNic: (machine, nic) =>
      changeNics(machine, (nics) => [...nics.filter(({ mac }) => mac !== nic.mac), nic]),
    removeNic: (machine, mac) => changeNics(machine, (nics) => nics.filter((nic) => nic.mac !== mac)),

    async mapDisk(machine, { slot, disk, mode }) {
      const apart = await apartOf(machine);
      const there = apart.find((one) => one.slot === slot);
      const file = diskFile(disk);
      if (there && there.file !== file)
        throw new TbuildError("environment", `slot ${slot} holds another disk`, { subject: machine });
      await shapes().change(machine, {
        apart: [...apart.filter((one) => one.slot !== slot), { slot, mode, file }],
      });
    },

    async unmapDisk(machine, slot) {
      await shapes().change(machine, { apart: (await apartOf(machine)).filter((one) => one.slot !== slot) });
    },

    isRunning: async (machine) => (await hypervisor.state(machine)) === "running",

    async start(machine) {
      if ((await hypervisor.state(machine)) === "running") return;
      await forgetReports(folder, machine);
      await hypervisor.start(machine);
    },

    async stop(machine, { graceMs, signal }) {
      if ((await hypervisor.state(machine)) !== "running") return;
      await hypervisor.stop(machine, { force: false, graceMs }).catch((error) => {
        if (!(error instanceof TbuildError) || signal?.aborted) throw error;
        return hypervisor.stop(machine, { force: true });
      });
    },

    async talk(machine) {
      if (!hypervisor.messages) throw new Error(`${hypervisor.name} has no channel for messages`);
      return await conversationWith(await hypervisor.messages.open(machine), folder, machine);
    },

    consolePlace: (machine) => hypervisor.consolePlace(machine),
    address: (machine) => hypervisor.address(machine),

    async destroyMachine(machine, mark) {
      const record = await machines.read(machine);
      if (!record) return;
      if (record.mark.id !== mark.id) throw foreign("machine", machine);
      await hypervisor.destroy(machine);
      await forgetReports(folder, machine);
      await machines.remove(machine);
    },

    async destroyDisk(disk, mark) {
      const record = await disks.read(disk);
      if (!record) return;
      if (record.mark.id !== mark.id) throw foreign("disk", disk);
      await drawer.host.run(["rm", "-f", "--", diskFile(disk)]);
      await disks.remove(disk);
    },

    async tidy() {
      await using _lock = await lock(join(folder, "templates.lock"));
      const used = new Set([...(await machines.list()).values()].map(({ template }) => template));
      await templates.removeAllBut(used);
    },

    async [Symbol.asyncDispose]() {},
  };
}

// On the hypervisor, the first nic is connected to the host, for logins to the guest.
function onHypervisor(nics: readonly NicWanted[]): Nic[] {
  return nics.map(({ network, mac, address }, index) => ({
    network: index === 0 ? buildNetwork : network,
    mac,
    ...(address !== undefined && { address }),
  }));
}

function networksOf(nics: readonly NicWanted[]): Record<string, string> {
  return Object.fromEntries(nics.map(({ mac, network }) => [mac, network]));
}

function shapesOf({ name, shapes }: Hypervisor): NonNullable<Hypervisor["shapes"]> {
  if (shapes) return shapes;
  throw new TbuildError("environment", "machines cannot be changed here, so nothing can be deployed", {
    subject: name,
  });
}

function gone(machine: string): TbuildError {
  return new TbuildError("environment", "is gone: somebody else removed it", {
    subject: machine,
    hint: "Run it again; it plans anew.",
  });
}

function foreign(kind: "machine" | "disk", name: string): TbuildError {
  return new TbuildError("environment", "is there, and was not made by this deployment", {
    subject: `${kind} ${name}`,
  });
}
