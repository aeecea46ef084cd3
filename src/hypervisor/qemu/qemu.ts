import { randomUUID } from "node:crypto";
import { readFile, rm, stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { namesIn } from "../../io/durable.ts";
import type { BuildAddresses, Hypervisor, HypervisorKind, HypervisorPlaces } from "../hypervisor.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { tail } from "./console.ts";
import { giveDisk } from "./disks.ts";
import { examineQemu } from "./examine.ts";
import { launch } from "./launch.ts";
import { machineFiles } from "./machine.ts";
import { openMessages } from "./message-port.ts";
import { QemuOptions } from "./options.ts";
import { kill, pidOf } from "./process.ts";
import { Sessions } from "./sessions.ts";
import { shaping } from "./shaping.ts";
import { waitStopped } from "./stopped.ts";

export const qemuKind = {
  summary: "qemu on this machine, with KVM where it works",
  options: QemuOptions,
  open: qemu,
} satisfies HypervisorKind<typeof QemuOptions>;

// qemu executes a guest ten times as slowly without KVM, and a busy host more so.
const emulatedPatience = 3;

/** qemu machines on this host. They outlive the process that started them, and are found by name. */
function qemu(host: Runner, options: QemuOptions, { folder, memory }: HypervisorPlaces): Hypervisor {
  const files = (vm: string) => machineFiles(folder, vm);
  const sessions = new Sessions(async (vm) => (await files(vm).paths()).qmp);
  // Until the accelerator has been tried, the limits are those of emulation.
  let isEmulated = options.accelerator !== "kvm";
  const accelerator = async (kernel: string | undefined) => {
    const chosen = await accelerated(host, options, memory, kernel);
    isEmulated = chosen === "tcg";
    return chosen;
  };
  const describe = async (kernel?: string) => {
    const { stdout } = await host.run(["qemu-system-x86_64", "--version"]);
    return `qemu ${/version ([\d.]+)/.exec(stdout)?.[1] ?? ""}, ${await accelerator(kernel)}`;
  };

  async function state(vm: string) {
    if (!(await stat(files(vm).folder).catch(() => undefined))) return "absent";
    return (await pidOf(files(vm).folder)) === undefined ? "stopped" : "running";
  }

  const stopped: Hypervisor["waitStopped"] = async (vm, wait) =>
    waitStopped(vm, files(vm), await sessions.of(vm).catch(() => undefined), wait);

  return {
    name: "qemu",
    get patience() {
      return options.patience * (isEmulated ? emulatedPatience : 1);
    },
    domainTypes: ["hvm"],
    buildAddresses,
    state,
    waitStopped: stopped,

    async check() {
      await host.run(["qemu-system-x86_64", "--version"]);
      await host.run(["qemu-img", "--version"]);
    },

    describe: () => describe(),
    examine: () => examineQemu(options, describe),

    ...shaping(host, files, state),

    async start(vm, boot) {
      await launch(host, files(vm), options.sshPort, await accelerator(boot?.kernel), boot);
      // Messages of the last run must not reach this one.
      sessions.end(vm);
      await sessions.of(vm);
    },

    async stop(vm, how) {
      if ((await state(vm)) !== "running") return;
      if (how?.force) return kill(files(vm).folder);
      await (await sessions.of(vm)).run("system_powerdown");
      await stopped(vm, { timeoutMs: how?.graceMs ?? 60_000 });
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
        await (await sessions.of(vm)).run("screendump", { filename: file, format: "png" });
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
      sessions.end(vm);
      await files(vm).remove();
    },

    list: async () => await namesIn(folder),
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
