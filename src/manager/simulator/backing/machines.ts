import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Interrupted } from "../../../errors.ts";
import type { Host } from "../../../host/host.ts";
import { temporaryFolder } from "../../../host/temporary.ts";
import { buildNetwork, type Hypervisor, type Messages } from "../../../hypervisor/hypervisor.ts";
import { makeFolders } from "../../../io/folders.ts";
import type { ManagerObject } from "../manager-object.ts";
import { Refusal } from "../refusal.ts";
import type { BackedMachine, Backing, FetchedTemplate } from "./backing.ts";
import { fetched } from "./fetch.ts";

/** A template archive, unpacked. */
export interface UnpackedTemplate {
  readonly domainType?: string | undefined;
  readonly memoryMib?: number | undefined;
  readonly vcpus?: number | undefined;
  /** Raw images, in the order of their slots. */
  readonly disks: readonly { readonly name: string; readonly file: string }[];
}

export interface MachinesOptions {
  readonly host: Host;
  readonly hypervisor: Hypervisor;
  /** For disks and discs. */
  readonly folder: string;
  /** Unpacks one archive, or a folder with the parts of one, below `work`. */
  readonly unpack: (file: string, work: string) => Promise<UnpackedTemplate>;
  /** Called when a machine was started or has stopped. */
  readonly onChange?: (text: string) => void;
}

interface Running {
  readonly ending: AbortController;
  /** Resolves when the machine has stopped and is removed. */
  watching: Promise<void>;
  messages: Messages | undefined;
  /** The messages received before the last reboot. */
  earlier: { readonly key: string; readonly value: string }[];
}

const neverMs = 2 ** 31 - 1;

/** Backs the simulated machines with real ones. Their disks are raw images in `folder`; machines are defined at each start. */
export async function machinesBehind(options: MachinesOptions): Promise<Backing> {
  const { host, hypervisor, folder, onChange = () => {} } = options;
  await clear(options);
  const running = new Map<string, Running>();
  const fileOf = (disk: ManagerObject) => join(folder, "disks", disk.id);
  // Like the names of Oracle VM's domains.
  const nameOf = (vm: ManagerObject) => vm.id.replace(/[^a-z0-9]/g, "");

  async function listen(one: Running, name: string): Promise<void> {
    one.earlier.push(...(one.messages?.received() ?? []));
    await one.messages?.[Symbol.asyncDispose]();
    one.messages = await hypervisor.messages?.open(name);
  }

  async function watch(vm: ManagerObject, one: Running): Promise<void> {
    const name = nameOf(vm);
    try {
      for (;;) {
        const how = await hypervisor.waitStopped(name, { timeoutMs: neverMs, signal: one.ending.signal });
        if (how !== "guest-reset") break;
        // Like `on_reboot = 'restart'` in a vm.cfg.
        await hypervisor.start(name);
        await listen(one, name);
        onChange(`${vm.name} reboots${await loginOf(name)}`);
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) onChange(`${vm.name}: ${(error as Error).message}`);
    }
    await one.messages?.[Symbol.asyncDispose]();
    await hypervisor.destroy(name);
  }

  async function loginOf(name: string): Promise<string> {
    const address = await hypervisor.address(name);
    return address ? `: ssh -p ${address.port} root@${address.host}` : "";
  }

  return {
    async makeDisk(disk) {
      const file = await open(fileOf(disk), "wx", 0o600);
      await file.truncate(Number(disk.is.bytes));
      await file.close();
    },
    copyDisk: (from, to) => copied(host, fileOf(from), fileOf(to)),
    removeDisk: (disk) => rm(fileOf(disk), { force: true }),

    fetchTemplate: (urls) => fetchedTemplate(options, fileOf, urls),
    fetchDisc: (url, disc) => fetched(url, fileOf(disc)),

    async start(machine, stopped) {
      const { vm } = machine;
      const name = nameOf(vm);
      await hypervisor.destroy(name);
      await hypervisor.define(specOf(machine, name, fileOf));
      await hypervisor.start(name);
      const one: Running = {
        ending: new AbortController(),
        messages: undefined,
        earlier: [],
        watching: Promise.resolve(),
      };
      await listen(one, name);
      running.set(vm.id, one);
      one.watching = watch(vm, one).finally(() => {
        if (running.get(vm.id) === one) running.delete(vm.id);
        onChange(`${vm.name} has stopped`);
        stopped();
      });
      onChange(`${vm.name} runs${await loginOf(name)}`);
    },
    async shutDown(vm, graceMs) {
      const one = running.get(vm.id);
      if (!one) return;
      // At the deadline, it continues to run, like a guest that ignores the request.
      await hypervisor.stop(nameOf(vm), { force: false, graceMs }).then(
        () => one.watching,
        () => {},
      );
    },
    async cutPower(vm) {
      const one = running.get(vm.id);
      one?.ending.abort();
      await one?.watching;
    },
    isHeard: (vm) => receivedBy(running.get(vm.id)).length > 0,
    async send(vm, key, value) {
      await running.get(vm.id)?.messages?.send(key, value);
    },
    received: (vm) => receivedBy(running.get(vm.id)),

    async [Symbol.asyncDispose]() {
      for (const one of running.values()) one.ending.abort();
      await Promise.all([...running.values()].map(({ watching }) => watching));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

// Remains of a killed simulator.
async function clear({ hypervisor, folder }: MachinesOptions): Promise<void> {
  await makeFolders(folder, 0o700);
  for (const name of await hypervisor.list()) await hypervisor.destroy(name);
  for (const name of ["disks", "work"]) {
    await rm(join(folder, name), { recursive: true, force: true });
    await mkdir(join(folder, name), { mode: 0o700 });
  }
}

async function fetchedTemplate(
  { host, unpack }: MachinesOptions,
  fileOf: (disk: ManagerObject) => string,
  urls: readonly string[],
): Promise<FetchedTemplate> {
  const work = await temporaryFolder("simulator");
  try {
    const parts = join(work.path, "parts");
    await mkdir(parts);
    for (const [number, url] of urls.entries())
      await fetched(url, join(parts, `${number + 1}of${urls.length}.tgz`));
    const unpacked = await unpack(urls.length === 1 ? join(parts, "1of1.tgz") : parts, work.path).catch(
      (error) => {
        throw new Refusal(`OVMAPI_9999E ${urls[0]}: ${(error as Error).message}`);
      },
    );
    const disks = await Promise.all(
      unpacked.disks.map(async ({ name, file }) => ({
        name,
        bytes: (await stat(file)).size,
        keepAs: (disk: ManagerObject) => moved(host, file, fileOf(disk)),
      })),
    );
    return { ...unpacked, disks, [Symbol.asyncDispose]: () => work[Symbol.asyncDispose]() };
  } catch (error) {
    await work[Symbol.asyncDispose]();
    throw error;
  }
}

function receivedBy(one: Running | undefined) {
  return [...(one?.earlier ?? []), ...(one?.messages?.received() ?? [])];
}

function specOf(
  { vm, disks, discs, nics }: BackedMachine,
  name: string,
  fileOf: (disk: ManagerObject) => string,
) {
  const [, release] = /Linux (\d)/.exec(String(vm.is.osType ?? "")) ?? [];
  return {
    name,
    domainType: "hvm" as const,
    vcpus: Number(vm.is.vcpus),
    memoryMib: Number(vm.is.memoryMib),
    disks: disks.map(({ slot, disk, isShared }) => ({
      slot,
      mode: isShared ? ("shared" as const) : ("write" as const),
      content: { existing: fileOf(disk) },
    })),
    cdroms: discs.map(fileOf),
    // The first one reaches this machine, so that logins to the guest work.
    nics: nics.map(({ network, mac }, at) => ({ mac, network: at === 0 ? buildNetwork : network })),
    ...(String(vm.is.bootOrder).startsWith("CDROM") && { discFirst: true as const }),
    guest: { release: release === undefined ? 6 : Number(release) },
  };
}

async function copied(host: Host, from: string, to: string): Promise<void> {
  await host.run(["cp", "--sparse=always", "--reflink=auto", from, to]);
}

async function moved(host: Host, from: string, to: string): Promise<void> {
  await rename(from, to).catch(() => copied(host, from, to));
}
