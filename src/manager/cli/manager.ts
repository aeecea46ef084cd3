import { TbuildError } from "../../errors.ts";
import type { Device, ImportWanted, ManagerAbout, ManagerApi, Named, ObjectKind, VnicSeen } from "../api.ts";
import { listed, properties } from "./answer.ts";
import { antiAffinityGroups } from "./anti-affinity.ts";
import { type Command, command, instance, type Value } from "./command.ts";
import { type Dialect, dialectOf, type Release, releaseOf } from "./dialect.ts";
import type { Door } from "./door.ts";
import { diskSeen, mappingSeen, vmSeen, vnicSeen } from "./seen.ts";

export interface CliManagerOptions {
  /** The release whose syntax to use, whatever the Manager says it is. */
  readonly release?: Release | undefined;
  readonly commandMs: number;
  readonly copyMs: number;
}

/** Oracle VM Manager over its command line interface. */
export async function cliManager(door: Door, options: CliManagerOptions): Promise<ManagerApi> {
  const about = await aboutOf(door);
  const dialect = dialectOf(options.release ?? releaseOf(about.version));
  return managerOf(door, about, dialect, options);
}

async function aboutOf(door: Door): Promise<ManagerAbout> {
  const block = await door.read(command("showversion"));
  const text = block.data.join(" ") ?? "";
  const version = /\d+\.\d+(?:\.\d+)*/.exec(text)?.[0] ?? "";
  return { version, isSimulator: /simulator/i.test(text), via: "ssh" };
}

function managerOf(
  door: Door,
  about: ManagerAbout,
  dialect: Dialect,
  { commandMs, copyMs }: CliManagerOptions,
): ManagerApi {
  const order = (one: Command, ms = commandMs) =>
    door.order(one, ms).catch(async (error) => {
      throw await withJobs(error);
    });

  /** What was begun goes on: the last jobs are told, and how one is aborted. Which of them it is, nothing says. */
  async function withJobs(error: unknown): Promise<unknown> {
    if (!(error instanceof TbuildError) || error.code !== "outcome-unknown") return error;
    const block = await door.read(command(dialect.lastJobs, { amount: 5 })).catch(() => undefined);
    const jobs = block ? listed(block) : [];
    if (jobs.length === 0) return error;
    return error.with({
      lines: [...error.lines, "its last jobs:", ...jobs.map(({ id, name }) => `${id}  ${name}`)],
      hint: `${error.hint ?? ""} If it is still in progress, abort it there: abort Job id=ID`.trim(),
    });
  }
  const on = (words: string, type: string, id: string, ms = commandMs) =>
    order(command(`${words} ${instance({ type, id })}`), ms);

  async function created(type: string, one: Command, ms = commandMs): Promise<string> {
    const block = await order(one, ms);
    const [row] = listed(block);
    if (row) return row.id;
    throw new TbuildError("environment", `made a ${type}, but does not say its id: ${one.shown}`, {
      subject: door.name,
      code: "outcome-unknown",
    });
  }

  async function shown<T>(type: string, id: string, read: (row: Named, rows: Rows) => T): Promise<T> {
    return read({ id, name: "" }, await rows(type, id));
  }

  async function rows(type: string, id: string): Promise<Rows> {
    return properties(await door.read(command(`show ${instance({ type, id })}`)));
  }

  async function list(type: string): Promise<Named[]> {
    const block = await door.read(command(`list ${type}`));
    return listed(block);
  }

  async function looseVnics(): Promise<VnicSeen[]> {
    const all = await Promise.all(
      (await list("Vnic")).map(async (one) => ({ one, rows: await rows("Vnic", one.id) })),
    );
    return all
      .filter((vnic) => !vnic.rows.some(({ key }) => /^vm\b/i.test(key)))
      .map((vnic) => vnicSeen(vnic.one, vnic.rows));
  }

  const typeOf = (kind: ObjectKind) => (kind === "Assembly" ? dialect.assemblyType : kind);

  async function imported(words: readonly string[], wanted: ImportWanted): Promise<void> {
    // Several files are one list, separated by commas.
    const url = wanted.urls.join(",");
    const target = instance({ type: "Repository", id: wanted.repository });
    if (dialect.importsByServer && wanted.server === undefined)
      throw new TbuildError("usage", "its release wants the name of the server that fetches an import", {
        subject: door.name,
        hint: "Set manager.server in the site.",
      });
    const attributes = { ...(dialect.importsByServer && { server: wanted.server }), url };
    for (const [at, word] of words.entries())
      try {
        await order(command(`${word} ${target}`, attributes), copyMs);
        return;
      } catch (error) {
        if (at === words.length - 1 || !isRefusal(error)) throw error;
      }
  }

  const customizers: Pick<ManagerApi, "createCustomizer" | "deleteCustomizer" | "customizers"> = {
    async createCustomizer(vm, { name, storage, networks }) {
      const id = await created(
        "VmCloneCustomizer",
        command("create VmCloneCustomizer", { name }, `on ${instance({ type: "Vm", id: vm })}`),
      );
      const target = `on ${instance({ type: "VmCloneCustomizer", id })}`;
      for (const [at, { type, mapping, repository }] of storage.entries())
        await order(
          command(
            "create VmCloneStorageMapping",
            { cloneType: type, vmDiskMapping: mapping, repository, name: `${name}-disk${at}` },
            target,
          ),
        );
      for (const [at, { network, vnic }] of networks.entries())
        await order(
          command("create VmCloneNetworkMapping", { network, vnic, name: `${name}-nic${at}` }, target),
        );
      return id;
    },
    async deleteCustomizer(id) {
      await on("delete", "VmCloneCustomizer", id);
    },
    customizers: () => list("VmCloneCustomizer"),
  };

  return {
    name: door.name,
    about: async () => about,

    list: (kind) => list(typeOf(kind)),
    vm: (id) => shown("Vm", id, vmSeen),
    vnic: (id) => shown("Vnic", id, vnicSeen),
    mapping: (id) => shown("VmDiskMapping", id, mappingSeen),
    disk: (id) => shown("VirtualDisk", id, diskSeen),

    createVm: (wanted) =>
      created(
        "Vm",
        command(
          "create Vm",
          {
            ...sizes(wanted),
            osType: wanted.osType,
            domainType: wanted.domainType,
            bootOrder: wanted.bootOrder?.join(","),
            repository: wanted.repository,
            name: wanted.name,
            description: wanted.description,
          },
          `on ${instance({ type: "ServerPool", id: wanted.pool })}`,
        ),
      ),
    async editVm(id, changes) {
      const { name, description, domainType, bootOrder } = changes;
      const attributes = {
        ...sizes(changes),
        domainType,
        bootOrder: bootOrder?.join(","),
        name,
        description,
      };
      await order(command(`edit ${instance({ type: "Vm", id })}`, attributes));
    },
    renamesClones: false,
    async cloneVm({ from, name, pool, repository, asTemplate, customizer }) {
      const attributes = {
        destType: asTemplate ? "VmTemplate" : "Vm",
        destName: name,
        serverPool: pool,
        cloneCustomizer: customizer,
        targetRepository: repository,
      };
      return created("Vm", command(`clone ${instance({ type: "Vm", id: from })}`, attributes), copyMs);
    },
    async deleteVm(id) {
      await on("delete", "Vm", id);
    },
    async start(id) {
      await on("start", "Vm", id);
    },
    async stop(id, deadlineMs) {
      await on("stop", "Vm", id, deadlineMs);
    },
    async kill(id) {
      await on("kill", "Vm", id);
    },

    createDisk: ({ name, description, bytes, isShareable, isSparse, repository }) =>
      created(
        "VirtualDisk",
        command(
          "create VirtualDisk",
          {
            size: gibOf(bytes, dialect.wholeGib),
            shareable: isShareable,
            sparse: isSparse,
            name,
            description,
          },
          `on ${instance({ type: "Repository", id: repository })}`,
        ),
      ),
    async deleteDisk(id) {
      await on("delete", "VirtualDisk", id);
    },
    createMapping: (vm, slot, device, name) =>
      created(
        "VmDiskMapping",
        command(
          "create VmDiskMapping",
          { slot, ...sourceOf(device, dialect), name },
          `on ${instance({ type: "Vm", id: vm })}`,
        ),
      ),
    async deleteMapping(id) {
      await on("delete", "VmDiskMapping", id);
    },
    async createVnic(vm, { network, mac, description }) {
      const target = instance({ type: "Vm", id: vm });
      if (dialect.vnics === "on-vm")
        return created(
          "Vnic",
          command("create Vnic", { network, name: mac ?? "vnic", macAddress: mac }, `on ${target}`),
        );
      if (mac === undefined)
        throw new TbuildError("usage", "its release wants the MAC of a new vnic", { subject: door.name });
      // An interrupted call may have made it, and not added it.
      const loose = (await looseVnics()).find((one) => one.mac === mac);
      const id =
        loose?.id ?? (await created("Vnic", command("create Vnic", { network, name: mac, description })));
      await order(command(`add ${instance({ type: "Vnic", id })} to ${target}`));
      return id;
    },
    async deleteVnic(id, vm) {
      if (dialect.vnics === "added" && vm !== undefined)
        await order(
          command(`remove ${instance({ type: "Vnic", id })} from ${instance({ type: "Vm", id: vm })}`),
        );
      await on("delete", "Vnic", id);
    },

    ...(dialect.vnics === "added" && { looseVnics }),

    ...(dialect.customizers && customizers),
    antiAffinity: antiAffinityGroups({ list, rows, created, order }),

    importIso: (wanted) => imported(["importVirtualCdrom"], wanted),
    async deleteDisc(id) {
      await on("delete", "VirtualCdrom", id);
    },
    importTemplate: (wanted) => imported(["importTemplate"], wanted),
    importAssembly: (wanted) => imported(dialect.importAssembly, wanted),
    async templatesFromAssembly(assembly) {
      if (dialect.release === "3.2") {
        await order(command("createTemplatesFromAssembly", { assembly }), copyMs);
        return;
      }
      const type = dialect.assemblyType === "VirtualAppliance" ? "VirtualApplianceVm" : "AssemblyVm";
      const block = await door.read(
        command(`show ${instance({ type: dialect.assemblyType, id: assembly })}`),
      );
      const vms = properties(block).flatMap(({ key, value }) =>
        /^(?:AssemblyVm|VirtualApplianceVm|Vm) \d+$/i.test(key) ? [value.split(/\s/)[0] ?? ""] : [],
      );
      const words = dialect.templateFromAssembly;
      for (const id of vms)
        for (const [at, word] of words.entries())
          try {
            const kind = word === "createVmFromAssembly" ? "AssemblyVm" : type;
            await order(command(`${word} ${instance({ type: kind, id })}`), copyMs);
            break;
          } catch (error) {
            if (at === words.length - 1 || !isRefusal(error)) throw error;
          }
    },

    async sendMessages(vm, messages) {
      for (const { key, value, isSecret } of messages)
        await order(
          command(`sendVmMessage ${instance({ type: "Vm", id: vm })}`, {
            key,
            message: isSecret ? { secret: value } : value,
            log: !isSecret && Buffer.byteLength(value) <= mostLogged,
          }),
        );
    },
    ...(dialect.readsMessages && {
      async receivedMessages(vm: string) {
        const block = await door.read(command(`getVmReceivedMessages ${instance({ type: "Vm", id: vm })}`));
        return properties(block);
      },
    }),

    async [Symbol.asyncDispose]() {
      await door[Symbol.asyncDispose]();
    },
  };
}

type Rows = ReturnType<typeof properties>;

/** A message of more bytes is not logged, and refused with `log=Yes` (Concepts Guide 3.3, vmcon-vm-message). */
const mostLogged = 1024;

function sizes({ memoryMib, vcpus }: { readonly memoryMib?: number; readonly vcpus?: number }) {
  return {
    ...(memoryMib !== undefined && { memory: memoryMib, memoryLimit: memoryMib }),
    ...(vcpus !== undefined && { cpuCount: vcpus, cpuCountLimit: vcpus }),
  };
}

/** GiB; the reference of 3.3 takes integers only, from 1. */
function gibOf(bytes: number, whole: boolean): number {
  const gib = bytes / 2 ** 30;
  return whole ? Math.max(1, Math.ceil(gib)) : Math.ceil(gib * 100) / 100;
}

function sourceOf(device: Device, dialect: Dialect): Record<string, Value | undefined> {
  if (device === "empty-drive") return dialect.emptyDrive === "no-source" ? {} : { virtualCd: "EMPTY_CDROM" };
  const [kind, id] =
    "virtualDisk" in device
      ? ["virtualDisk", device.virtualDisk]
      : "physicalDisk" in device
        ? ["physicalDisk", device.physicalDisk]
        : ["virtualCd", device.virtualCdrom];
  return { [dialect.mappingSource === "storageDevice" ? "storageDevice" : kind]: id };
}

function isRefusal(error: unknown): boolean {
  return error instanceof TbuildError && error.code === "failed";
}
