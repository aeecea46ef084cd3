import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { modeOf } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { farHost } from "../../host/ssh.ts";
import { waitFor } from "../../host/wait-for.ts";
import type { Hypervisor, HypervisorKind, Stopped } from "../hypervisor.ts";
import { following, foundAddress } from "./address.ts";
import { xenConfig } from "./config.ts";
import { lines } from "./console.ts";
import { farDisks } from "./disks.ts";
import { type Domain, readDomains, shutdownReasons } from "./domains.ts";
import { checkXen, describeXen, examineXen } from "./examine.ts";
import { type Definition, imagesIn, machinesIn, readDefinition, type XenDisk, xenPaths } from "./machine.ts";
import { openMessages } from "./messages.ts";
import { XenOptions } from "./options.ts";
import { takePicture } from "./picture.ts";
import * as scripts from "./scripts.ts";
import { brought, startDomain } from "./start.ts";

export const xenKind = {
  summary: "a Xen host with xl, this machine or one over ssh",
  options: XenOptions,
  open: xen,
} satisfies HypervisorKind<typeof XenOptions>;

/** Machines of xl on a Xen host. They outlive tbuild, and are found again by the folder on the host. */
function xen(here: Host, options: XenOptions): Hypervisor {
  const far = options.host === undefined ? undefined : farHost(options.host, options.sshConfig);
  const host = far ?? here;
  const place = options.host === undefined ? "" : `${options.host}:`;
  const { folder, bridges } = options;
  const disks = farDisks(here, host, folder);
  const paths = (vm: string) => xenPaths(folder, vm);
  const definitionOf = (vm: string) => readDefinition(host, paths(vm), vm);
  const script = (text: string, ...words: string[]) => host.run(["sh", "-c", text, ...words]);
  const says = async (text: string, vm: string) =>
    (await host.run(["sh", "-c", text, paths(vm).folder], { allow: [1] })).exitCode === 0;

  /** The machine's domain, running or not yet gone. A foreign domain of the same name does not count. */
  async function domainOf(vm: string): Promise<Domain | undefined> {
    const text = await host.readFile(paths(vm).definition);
    if (text === undefined) return undefined;
    const { uuid } = await definitionOf(vm);
    return (await domains(host)).find((one) => one.name === vm && one.uuid === uuid);
  }
  async function state(vm: string) {
    const { exitCode } = await host.run(["test", "-d", paths(vm).folder], { allow: [1] });
    if (exitCode !== 0) return "absent";
    const domain = await domainOf(vm);
    if (domain === undefined) return (await says(scripts.restartingScript, vm)) ? "running" : "stopped";
    if (domain.reason === undefined) return "running";
    const { restarts } = await definitionOf(vm);
    if (restarts && domain.reason === shutdownReasons.reboot && (await says(scripts.watchedScript, vm)))
      return "running";
    // Its watcher is about to do this, or was killed.
    await host.writeFile(paths(vm).reason, Buffer.from(`${domain.reason}\n`));
    await script(scripts.destroyScript, paths(vm).folder, String(domain.id));
    return "stopped";
  }
  async function make(vm: string, definition: () => Promise<Definition>): Promise<void> {
    if (!/^[a-z0-9][a-z0-9-]*$/.test(vm)) throw new Error(`bad machine name ${vm}`);
    const exists = (hint: string) =>
      new TbuildError("environment", "a machine of this name exists", { subject: vm, hint });
    if ((await state(vm)) !== "absent") throw exists("Remove it with: tbuild clean");
    if ((await domains(host)).some(({ name }) => name === vm))
      throw exists(`It is a domain on ${host.name} that tbuild did not make: xl list ${vm}`);
    // Its disks hold what the guest keeps to root.
    await script('umask 077; mkdir -p -- "$1" && mkdir -- "$0"', paths(vm).folder, machinesIn(folder));
    await writeDefinition(vm, await definition());
  }
  function writeDefinition(vm: string, definition: Definition): Promise<void> {
    return host.writeFile(paths(vm).definition, Buffer.from(JSON.stringify(definition)), 0o600);
  }
  async function destroyDomain(vm: string): Promise<void> {
    const domain = await domainOf(vm);
    await script(scripts.destroyScript, paths(vm).folder, domain ? String(domain.id) : "");
  }
  async function running(vm: string): Promise<Domain> {
    const domain = await domainOf(vm);
    if (domain) return domain;
    throw new TbuildError("environment", "is not running", { subject: vm });
  }
  async function waitStopped(
    vm: string,
    { timeoutMs, signal }: Parameters<Hypervisor["waitStopped"]>[1],
  ): Promise<Stopped> {
    return waitFor<Stopped>(
      `${vm}: power-off`,
      async (last) => {
        const seconds = last ? 1 : Math.max(1, Math.min(15, Math.ceil(timeoutMs / 1000)));
        const argv = ["sh", "-c", scripts.waitScript, paths(vm).folder, String(seconds)];
        const { stdout } = await host.run(argv, signal && { signal });
        if (Number(stdout.trim().split(/\s+/)[3]) < leastFreeKib) throw hostIsFull(vm, host, folder);
        if ((await state(vm)) === "running") return undefined;
        const reason = await host.readFile(paths(vm).reason);
        return stoppedBy(reason && new TextDecoder().decode(reason));
      },
      { timeoutMs, everyMs: 300, ...(signal && { signal }) },
    );
  }

  return {
    name: options.host === undefined ? "xen" : `xen on ${options.host}`,
    domainTypes: Object.values(modeOf),
    joinsMachines: true,
    patience: options.patience,
    buildAddresses: {
      address: (number) => following(options.addresses.first, number),
      netmask: options.addresses.netmask,
      gateway: options.addresses.gateway,
      nameServer: options.addresses.nameServer,
    },
    state,
    waitStopped,
    check: () => checkXen(host, bridges),
    describe: () => describeXen(host),
    examine: () => examineXen(host, bridges),

    define: (spec) =>
      make(spec.name, async () => {
        const made = [];
        for (const disk of spec.disks.toSorted((one, other) => one.slot - other.slot))
          made.push(await disks.make(disk, paths(spec.name).disk(disk.slot)));
        const cdroms = [];
        for (const disc of spec.cdroms) cdroms.push(await disks.disc(disc));
        const { name, domainType, vcpus, memoryMib, nics, firmware, restarts } = spec;
        return {
          name,
          domainType,
          vcpus,
          memoryMib,
          nics,
          cdroms,
          uuid: randomUUID(),
          disks: made,
          ...(firmware && { firmware }),
          ...(restarts && { restarts }),
        };
      }),

    async clone(vm, as) {
      if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
      const definition = await definitionOf(vm);
      await make(as.name, async () => {
        const copies = [];
        for (const disk of definition.disks)
          copies.push(await disks.clone(disk, paths(as.name).disk(disk.slot)));
        return { ...definition, ...as, uuid: randomUUID(), disks: copies };
      });
    },

    apart: { host, folder: join(folder, "disks") },
    shapes: {
      async of(vm) {
        const { vcpus, memoryMib, nics, disks: all } = await definitionOf(vm);
        return {
          vcpus,
          memoryMib,
          nics,
          disks: all.map(({ slot, mode, file, isOwn }) => ({ slot, mode, ...(!isOwn && { file }) })),
        };
      },
      async change(vm, { apart, ...change }) {
        if ((await state(vm)) === "running") throw new Error(`${vm} is running`);
        const known = await definitionOf(vm);
        const own = known.disks.filter(({ isOwn }) => isOwn);
        const others = apart?.map((disk): XenDisk => ({ ...disk, isOwn: false }));
        const all = others ? [...own, ...others].sort((a, b) => a.slot - b.slot) : known.disks;
        await writeDefinition(vm, { ...known, ...change, disks: all });
      },
    },

    async start(vm, boot) {
      const definition = await definitionOf(vm);
      const given = boot && (await brought(host, boot, paths(vm).folder));
      await host.writeFile(paths(vm).config, xenConfig(definition, bridges, given), 0o600);
      const console = definition.domainType === "pvm" ? "console/tty" : "serial/0/tty";
      const restarts = definition.restarts === true;
      await startDomain(host, paths(vm).folder, { vm, console, restarts });
    },

    async stop(vm, how = { force: false }) {
      if ((await state(vm)) !== "running") return;
      if (how.force) return destroyDomain(vm);
      // One without Xen's drivers gets the ACPI event instead.
      await host.run(["xl", "shutdown", "-F", vm]);
      await waitStopped(vm, { timeoutMs: how.graceMs ?? 60_000 });
    },

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
        // Bridges of a Xen host are seldom reached from elsewhere.
        ...(far && { through: ["ssh", ...far.sshOptions, "-W", "%h:%p", "--", far.name] }),
      };
    },

    console: (vm, signal) => lines(host, ["sh", "-c", scripts.followScript, paths(vm).folder], signal),
    async joinConsole(vm) {
      await running(vm);
      return host.join(["sh", "-c", scripts.joinScript, paths(vm).folder]);
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
      await destroyDomain(vm);
      await script(removeScript, paths(vm).folder, machinesIn(folder), imagesIn(folder));
    },

    async list() {
      const { stdout } = await script('ls -1 -- "$0" 2>/dev/null || true', machinesIn(folder));
      return stdout
        .split("\n")
        .filter((name) => name !== "")
        .sort();
    },
  };
}

const leastFreeKib = 2048;

async function domains(host: Host): Promise<Domain[]> {
  const { stdout } = await host.run(["xl", "list", "-v"]);
  return readDomains(stdout);
}

function stoppedBy(reason: string | undefined): Stopped {
  if (reason === undefined || reason.trim() === "") return "killed";
  if (Number(reason) === shutdownReasons.poweroff) return "guest-shutdown";
  return Number(reason) === shutdownReasons.reboot ? "guest-reset" : "killed";
}

function hostIsFull(vm: string, host: Host, folder: string): TbuildError {
  return new TbuildError("environment", `the disk of ${host.name} is full: ${folder}`, {
    subject: vm,
    code: "disk-full",
    hint: "Free some space there, and start again; finished steps are cached.",
  });
}

// Images that machines began with go with the last machine.
const removeScript = `
rm -rf -- "$0"
if rmdir -- "$1" 2>/dev/null; then rm -rf -- "$2"; fi`;
