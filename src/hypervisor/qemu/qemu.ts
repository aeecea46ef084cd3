import { randomUUID } from "node:crypto";
import { readdir, readFile, rm, stat, statfs } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { waitFor } from "../../host/wait-for.ts";
import type {
  BuildAddresses,
  DirectBoot,
  Hypervisor,
  HypervisorKind,
  HypervisorPlaces,
  Stopped,
} from "../hypervisor.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { tail } from "./console.ts";
import { cloneDisk, giveDisk, makeDisk, type QemuDisk } from "./disks.ts";
import { examineQemu } from "./examine.ts";
import { type Definition, keptOf, type MachineFiles, machineFiles } from "./machine.ts";
import { openMessages } from "./message-port.ts";
import { QemuOptions } from "./options.ts";
import { freePort, isFree } from "./ports.ts";
import { kill, pidOf } from "./process.ts";
import { qemuArgs } from "./qemu-args.ts";
import { openQmp, type Qmp } from "./qmp.ts";
import { giveVariables, proveUefi } from "./uefi.ts";

export const qemuKind = {
  summary: "qemu on this machine, with KVM where it works",
  options: QemuOptions,
  open: qemu,
} satisfies HypervisorKind<typeof QemuOptions>;

/** qemu machines on this host. They outlive the process that started them, and are found by name. */
function qemu(host: Runner, options: QemuOptions, { folder, memory }: HypervisorPlaces): Hypervisor {
  const sessions = new Map<string, Qmp>();
  const files = (vm: string) => machineFiles(folder, vm);
  const accelerator = (kernel: string | undefined) => accelerated(host, options, memory, kernel);
  const describe = async (kernel?: string) => {
    const { stdout } = await host.run(["qemu-system-x86_64", "--version"]);
    return `qemu ${/version ([\d.]+)/.exec(stdout)?.[1] ?? ""}, ${await accelerator(kernel)}`;
  };

  async function session(vm: string): Promise<Qmp> {
    const known = sessions.get(vm);
    if (known) return known;
    const opened = await openQmp((await files(vm).paths()).qmp);
    sessions.set(vm, opened);
    return opened;
  }
  function endSession(vm: string): void {
    sessions.get(vm)?.[Symbol.dispose]();
    sessions.delete(vm);
  }
  async function state(vm: string) {
    if (!(await stat(files(vm).folder).catch(() => undefined))) return "absent";
    return (await pidOf(files(vm).folder)) === undefined ? "stopped" : "running";
  }
  async function make(vm: string, definition: () => Promise<Definition>): Promise<void> {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(vm)) throw new Error(`bad machine name ${vm}`);
    if ((await state(vm)) !== "absent")
      throw new TbuildError("environment", "a machine of this name exists", {
        subject: vm,
        hint: "Remove it with: tbuild clean",
      });
    await files(vm).make();
    await files(vm).write(await definition());
  }
  async function waitStopped(vm: string, wait: Parameters<Hypervisor["waitStopped"]>[1]): Promise<Stopped> {
    const stopped = await stillness(vm, files(vm).folder, await session(vm).catch(() => undefined), wait);
    if (stopped === "full") throw await hostIsFull(vm, folder);
    return stopped;
  }

  return {
    name: "qemu",
    domainTypes: ["hvm"],
    buildAddresses,
    state,
    waitStopped,

    async check() {
      await host.run(["qemu-system-x86_64", "--version"]);
      await host.run(["qemu-img", "--version"]);
    },

    describe: () => describe(),
    examine: () => examineQemu(options, describe),

    async define(spec) {
      if (spec.firmware === "uefi") await proveUefi();
      await make(spec.name, async () => {
        const disks = [];
        for (const disk of spec.disks.toSorted((one, other) => one.slot - other.slot))
          disks.push(await makeDisk(host, disk, files(spec.name).diskStem(disk.slot)));
        if (spec.firmware === "uefi") await giveVariables((await files(spec.name).paths()).variables);
        return { spec: keptOf(spec), disks };
      });
    },

    async clone(vm, as) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const { spec, disks } = await files(vm).read();
      await make(as.name, async () => {
        const copies = [];
        for (const disk of disks)
          copies.push(await cloneDisk(host, disk, files(as.name).diskStem(disk.slot)));
        if (spec.firmware === "uefi")
          await giveVariables((await files(as.name).paths()).variables, (await files(vm).paths()).variables);
        return { spec: { ...spec, ...as }, disks: copies };
      });
    },

    shapes: {
      async of(vm) {
        const { spec, disks } = await files(vm).read();
        return {
          ...{ vcpus: spec.vcpus, memoryMib: spec.memoryMib, nics: spec.nics },
          disks: disks.map(({ slot, mode, file, isOwn }) => ({ slot, mode, ...(!isOwn && { file }) })),
        };
      },
      async change(vm, { apart, ...spec }) {
        if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
        const known = await files(vm).read();
        const own = known.disks.filter(({ isOwn }) => isOwn);
        const others = apart?.map((disk): QemuDisk => ({ ...disk, format: "raw", isOwn: false }));
        const disks = others ? [...own, ...others].sort((a, b) => a.slot - b.slot) : known.disks;
        await files(vm).write({ ...known, spec: { ...known.spec, ...spec }, disks });
      },
    },

    async start(vm, boot) {
      await launch(host, files(vm), options.sshPort, await accelerator(boot?.kernel), boot);
      // Messages of the last run are of no use for this one.
      endSession(vm);
      await session(vm);
    },

    async stop(vm, how) {
      if ((await state(vm)) !== "running") return;
      if (how?.force) return kill(files(vm).folder);
      await (await session(vm)).run("system_powerdown");
      await waitStopped(vm, { timeoutMs: how?.graceMs ?? 60_000 });
    },

    async address(vm) {
      const { sshPort } = await files(vm).read();
      return sshPort === undefined ? undefined : { host: "127.0.0.1", port: sshPort };
    },

    console: (vm, signal) => tail(files(vm).consoleLog, async () => (await state(vm)) === "running", signal),
    joinConsole: (vm) => connected(files(vm).consoleSocket),
    consoleText: (vm) => readFile(files(vm).consoleLog, "utf8").catch(() => ""),
    consolePlace: (vm) => files(vm).consoleLog,

    async picture(vm) {
      // Two phases of an installation may request a picture at the same moment.
      const file = join(files(vm).folder, `screen-${randomUUID()}.png`);
      try {
        await (await session(vm)).run("screendump", { filename: file, format: "png" });
        return await readFile(file);
      } finally {
        await rm(file, { force: true });
      }
    },

    messages: {
      // tbuild's additions open the port. Oracle's use Xen's store, which qemu does not have.
      reaches: ["tbuild"],
      open: async (vm) => openMessages((await files(vm).paths()).messages),
    },

    async fetchDisk(vm, slot, to) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const disk = (await files(vm).read()).disks.find((one) => one.slot === slot);
      if (disk === undefined) throw new Error(`${vm} has no disk in slot ${slot}`);
      await giveDisk(host, disk, to);
    },

    async destroy(vm) {
      await kill(files(vm).folder);
      endSession(vm);
      await files(vm).remove();
    },

    list: async () => (await readdir(folder).catch((): string[] => [])).sort(),
  };
}

/** Addresses of qemu's user network (`-netdev user`), whose DHCP range starts at .15. */
const buildAddresses: BuildAddresses = {
  address: (number) => `10.0.2.${31 + number}`,
  netmask: "255.255.255.0",
  gateway: "10.0.2.2",
  loopback: "10.0.2.2",
  nameServer: "10.0.2.3",
};

/** Starts qemu in the background. ssh uses the site's `fixedPort`, or a free port. */
async function launch(
  host: Runner,
  files: MachineFiles,
  fixedPort: number | undefined,
  accelerator: "kvm" | "tcg",
  boot: DirectBoot | undefined,
): Promise<void> {
  const known = await files.read();
  const paths = { ...(await files.paths()), disks: known.disks };
  for (let attempt = 1; ; attempt++) {
    const sshPort = fixedPort ?? (await freePort());
    await files.write({ ...known, sshPort });
    await rm(paths.serialLog, { force: true });
    try {
      await host.run(qemuArgs(known.spec, paths, { accelerator, sshPort }, boot), { timeoutMs: 60_000 });
      return;
    } catch (error) {
      if (!(error instanceof TbuildError) || (await isFree(sshPort))) throw error;
      if (fixedPort !== undefined)
        throw new TbuildError("environment", `port ${fixedPort} on 127.0.0.1 is in use`, {
          hint: "Free it, or remove hypervisor.sshPort from the site file; tbuild then chooses a free port.",
          cause: error,
        });
      // Another process took the port after tbuild had checked it.
      if (attempt === 5) throw error;
    }
  }
}

function stillness(
  vm: string,
  folder: string,
  monitor: Qmp | undefined,
  { timeoutMs, signal }: Parameters<Hypervisor["waitStopped"]>[1],
): Promise<Stopped | "full"> {
  const isFull = () =>
    monitor?.events.some(({ event, data }) => event === "BLOCK_IO_ERROR" && data.nospace === true) === true;
  return waitFor<Stopped | "full">(
    `${vm}: power-off`,
    async () => {
      if (isFull()) return "full";
      return (await pidOf(folder)) === undefined ? howItStopped(monitor) : undefined;
    },
    { timeoutMs, everyMs: 100, ...(signal && { signal }) },
  );
}

async function hostIsFull(vm: string, machines: string): Promise<TbuildError> {
  const { bavail, bsize } = await statfs(machines);
  const free = Math.floor((bavail * bsize) / 2 ** 20);
  return new TbuildError("environment", `the host's disk is full: ${free} MiB are free in ${machines}`, {
    subject: vm,
    code: "disk-full",
    hint: "Free some space (`tbuild clean --checkpoints` removes checkpoints), and start again; finished steps are cached.",
  });
}

function howItStopped(monitor: Qmp | undefined): Stopped {
  const event = monitor?.events.findLast((one) => one.event === "SHUTDOWN");
  if (event?.data.guest !== true) return "killed";
  return event.data.reason === "guest-reset" ? "guest-reset" : "guest-shutdown";
}

async function accelerated(
  host: Runner,
  options: QemuOptions,
  memory: string,
  kernel: string | undefined,
): Promise<"kvm" | "tcg"> {
  if (options.accelerator !== "auto") return options.accelerator;
  const choice = await chooseAccelerator(host, {
    cacheFile: join(memory, "accelerator.json"),
    ...(kernel !== undefined && { kernel }),
  });
  return choice.accelerator;
}

function connected(socket: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const line = connect(socket);
    line.once("connect", () => resolve(line));
    line.once("error", (error) =>
      reject(new TbuildError("environment", error.message, { subject: socket, cause: error })),
    );
  });
}
