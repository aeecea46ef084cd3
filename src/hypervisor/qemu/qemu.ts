import { createHash } from "node:crypto";
import {
  access,
  chmod,
  copyFile,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  writeFile,
} from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join, relative } from "node:path";
import { Interrupted, TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { sleep, waitFor } from "../../host/wait-for.ts";
import type { DirectBoot, Hypervisor, Messages, Stopped, VmDisk, VmSpec } from "../hypervisor.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { type QemuPaths, qemuArgs, uefi } from "./qemu-args.ts";
import { openQmp, type Qmp } from "./qmp.ts";

export interface QemuOptions {
  /** A folder per machine. */
  readonly folder: string;
  /** Where it is remembered which accelerator works. */
  readonly memory: string;
  readonly accelerator: "auto" | "kvm" | "tcg";
  readonly sshPort?: number | undefined;
}

/** What is kept of a machine beside its disks. */
interface Definition {
  readonly spec: VmSpec;
  readonly disks: readonly { readonly file: string; readonly format: "raw" | "qcow2" }[];
  readonly sshPort?: number;
}

/** Machines of qemu on this host. They outlive the process that started them, and are found again by name. */
export function qemu(host: Host, options: QemuOptions): Hypervisor {
  const sessions = new Map<string, Qmp>();
  const folderOf = (vm: string) => join(options.folder, vm);
  const file = (vm: string, name: string) => join(folderOf(vm), name);

  async function definition(vm: string): Promise<Definition> {
    const text = await readFile(file(vm, "machine.json"), "utf8").catch(() => undefined);
    if (text === undefined) throw new TbuildError("environment", "no such machine", { subject: vm });
    return JSON.parse(text) as Definition;
  }
  async function paths(vm: string, disks: Definition["disks"]): Promise<QemuPaths> {
    const run = await runFolder(folderOf(vm));
    return {
      disks,
      pidfile: file(vm, "pid"),
      qmp: join(run, "qmp"),
      serialLog: file(vm, "console.log"),
      serialSocket: join(run, "console"),
      messages: join(run, "messages"),
      variables: file(vm, "uefi-variables.fd"),
    };
  }
  async function session(vm: string): Promise<Qmp> {
    const known = sessions.get(vm);
    if (known) return known;
    const opened = await openQmp(join(await runFolder(folderOf(vm)), "qmp"));
    sessions.set(vm, opened);
    return opened;
  }

  const self: Hypervisor = {
    name: "qemu",
    modes: ["hvm"],

    async check() {
      await host.run(["qemu-system-x86_64", "--version"]);
      await host.run(["qemu-img", "--version"]);
    },

    async describe(kernel) {
      const { stdout } = await host.run(["qemu-system-x86_64", "--version"]);
      return `qemu ${/version ([\d.]+)/.exec(stdout)?.[1] ?? ""}, ${await accelerated(host, options, kernel === undefined ? undefined : { kernel })}`;
    },

    async define(spec) {
      if (!/^[a-z0-9][a-z0-9-]*$/.test(spec.name)) throw new Error(`bad machine name ${spec.name}`);
      if ((await self.state(spec.name)) !== "absent")
        throw new TbuildError("environment", "a machine of this name exists", {
          subject: spec.name,
          hint: `Remove it with: tbuild clean`,
        });
      if (spec.firmware === "uefi") await proveUefi();
      // Its disks hold what the guest keeps to root.
      await mkdir(options.folder, { recursive: true });
      await chmod(options.folder, 0o700);
      await mkdir(folderOf(spec.name), { mode: 0o700 });
      const disks = [];
      for (const [index, disk] of spec.disks.entries())
        disks.push(await makeDisk(host, disk, file(spec.name, `disk${index}`)));
      if (spec.firmware === "uefi") await copyFile(uefi.variables, file(spec.name, "uefi-variables.fd"));
      await writeFile(file(spec.name, "machine.json"), JSON.stringify({ spec, disks } satisfies Definition));
    },

    async state(vm) {
      if (!(await stat(file(vm, "machine.json")).catch(() => undefined)))
        return (await stat(folderOf(vm)).catch(() => undefined)) ? "stopped" : "absent";
      return (await pidOf(folderOf(vm))) === undefined ? "stopped" : "running";
    },

    async start(vm, boot) {
      const known = await definition(vm);
      const accelerator = await accelerated(host, options, boot);
      const where = await paths(vm, known.disks);
      for (let attempt = 1; ; attempt++) {
        const sshPort = options.sshPort ?? (await freePort());
        await writeFile(file(vm, "machine.json"), JSON.stringify({ ...known, sshPort } satisfies Definition));
        await rm(where.serialLog, { force: true });
        try {
          await host.run(qemuArgs(known.spec, where, { accelerator, sshPort }, boot), { timeoutMs: 60_000 });
          break;
        } catch (error) {
          if (!(error instanceof TbuildError) || (await isFree(sshPort))) throw error;
          if (options.sshPort !== undefined)
            throw new TbuildError("environment", `port ${options.sshPort} on 127.0.0.1 is in use`, {
              hint: "Free it, or remove hypervisor.sshPort from the site file; tbuild then chooses a free port.",
              cause: error,
            });
          // Somebody took the port between our look and qemu's.
          if (attempt === 5) throw error;
        }
      }
      // What the last run told is of no use to this one.
      sessions.get(vm)?.[Symbol.dispose]();
      sessions.delete(vm);
      await session(vm);
    },

    async stop(vm, how = { force: false }) {
      if ((await self.state(vm)) !== "running") return;
      if (how.force) {
        await kill(folderOf(vm));
        return;
      }
      await (await session(vm)).run("system_powerdown");
      await self.waitStopped(vm, { timeoutMs: 60_000 });
    },

    async waitStopped(vm, { timeoutMs, signal }) {
      const monitor = await session(vm).catch(() => undefined);
      const stopped = await waitFor<Stopped | "full">(
        `${vm}: power-off`,
        async () => {
          if (
            monitor?.events.some((event) => event.event === "BLOCK_IO_ERROR" && event.data.nospace === true)
          )
            return "full";
          return (await pidOf(folderOf(vm))) === undefined ? howItStopped(monitor) : undefined;
        },
        { timeoutMs, everyMs: 100, ...(signal && { signal }) },
      );
      if (stopped !== "full") return stopped;
      const { bavail, bsize } = await statfs(folderOf(vm));
      throw new TbuildError(
        "environment",
        `the host's disk is full: ${Math.floor((bavail * bsize) / 2 ** 20)} MiB are free in ${options.folder}`,
        {
          subject: vm,
          hint: "Make room (`tbuild clean --checkpoints` gives back what checkpoints hold) and start again: what was done is kept.",
        },
      );
    },

    async address(vm) {
      const { sshPort } = await definition(vm);
      if (sshPort === undefined) throw new TbuildError("environment", "was never started", { subject: vm });
      return { host: "127.0.0.1", port: sshPort };
    },

    console: (vm, signal) =>
      tail(file(vm, "console.log"), async () => (await self.state(vm)) === "running", signal),
    consoleFiles: (vm) => ({ log: file(vm, "console.log"), socket: join(runPath(folderOf(vm)), "console") }),

    async picture(vm, to) {
      await (await session(vm)).run("screendump", { filename: to, format: "png" });
    },

    async messages(vm) {
      return openMessages(join(await runFolder(folderOf(vm)), "messages"));
    },

    async fetchDisk(vm, disk, to) {
      if ((await self.state(vm)) === "running") throw new Error(`${vm} is running`);
      const known = await definition(vm);
      const from = known.disks[disk]?.file;
      if (from === undefined) throw new Error(`${vm} has no disk ${disk}`);
      // The machine is thrown away next; moving its disk doubles no space.
      await rename(from, to).catch(() => host.run(["cp", "--sparse=always", from, to]));
      await keepNear(host, to);
    },

    async destroy(vm) {
      await kill(folderOf(vm));
      sessions.get(vm)?.[Symbol.dispose]();
      sessions.delete(vm);
      await rm(runPath(folderOf(vm)), { recursive: true, force: true });
      await rm(folderOf(vm), { recursive: true, force: true });
    },

    list: async () => (await readdir(options.folder).catch((): string[] => [])).sort(),
  };
  return self;
}

async function makeDisk(
  host: Host,
  disk: VmDisk,
  stem: string,
): Promise<{ file: string; format: "raw" | "qcow2" }> {
  if ("grownFrom" in disk) {
    const file = `${stem}.qcow2`;
    const info = await host.run(["qemu-img", "info", "--output=json", disk.grownFrom]);
    const { format } = JSON.parse(info.stdout) as { format: string };
    await host.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk.grownFrom, "-F", format, file]);
    return { file, format: "qcow2" };
  }
  const file = `${stem}.img`;
  if ("copyOf" in disk) await host.run(["cp", "--sparse=always", "--reflink=auto", disk.copyOf, file]);
  else {
    const handle = await open(file, "wx");
    await handle.truncate(disk.blank);
    await handle.close();
  }
  return { file, format: "raw" };
}

// What a disk has grown out of is named relative to it, so that the two may be moved or copied together.
async function keepNear(host: Host, file: string): Promise<void> {
  const info = await host.run(["qemu-img", "info", "--output=json", file]);
  const below = JSON.parse(info.stdout) as Record<"backing-filename" | "backing-filename-format", string>;
  const { "backing-filename": backing, "backing-filename-format": format } = below;
  if (backing === undefined || !isAbsolute(backing)) return;
  await host.run(["qemu-img", "rebase", "-u", "-b", relative(dirname(file), backing), "-F", format, file]);
}

function howItStopped(monitor: Qmp | undefined): Stopped {
  const event = monitor?.events.findLast((one) => one.event === "SHUTDOWN");
  if (event?.data.guest !== true) return "killed";
  return event.data.reason === "guest-reset" ? "guest-reset" : "guest-shutdown";
}

async function accelerated(
  host: Host,
  options: QemuOptions,
  boot?: Pick<DirectBoot, "kernel">,
): Promise<"kvm" | "tcg"> {
  if (options.accelerator !== "auto") return options.accelerator;
  const choice = await chooseAccelerator(host, {
    cacheFile: join(options.memory, "accelerator.json"),
    ...(boot && { kernel: boot.kernel }),
  });
  return choice.accelerator;
}

/** The pid of a machine's qemu, if it lives. A pid that is now another program's does not count. */
async function pidOf(folder: string): Promise<number | undefined> {
  const pid = await writtenPid(folder);
  if (pid === undefined) return undefined;
  return (await commandLine(pid)).includes(join(folder, "pid")) ? pid : undefined;
}

async function writtenPid(folder: string): Promise<number | undefined> {
  const pid = Number((await readFile(join(folder, "pid"), "utf8").catch(() => "")).trim());
  return pid > 0 ? pid : undefined;
}

async function commandLine(pid: number): Promise<string> {
  return readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
}

async function kill(folder: string): Promise<void> {
  const pid = await writtenPid(folder);
  if (pid === undefined) return;
  if ((await pidOf(folder)) !== undefined) process.kill(pid, "SIGKILL");
  else if (!(await isEnding(pid))) return;
  await waitFor(`qemu ${pid}: end`, async () => ((await hasEnded(pid)) ? true : undefined), {
    timeoutMs: 30_000,
    everyMs: 20,
  });
}

async function isEnding(pid: number): Promise<boolean> {
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
  return name.startsWith("qemu") && (await commandLine(pid)) === "";
}

// A process that ends loses its command line first and its open files last, and its first thread may be a zombie while
// others still hold them: only a zombie without other threads has let go of its disks.
async function hasEnded(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return true;
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  return /^.*\) [ZX]/s.test(stat) && threads.length <= 1;
}

// The path of a unix socket has at most 107 bytes, and a build's folder can be anywhere.
function runPath(folder: string): string {
  return join(
    tmpdir(),
    `tbuild-${process.getuid?.() ?? 0}`,
    createHash("sha256").update(folder).digest("hex").slice(0, 16),
  );
}

async function runFolder(folder: string): Promise<string> {
  const path = runPath(folder);
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}

async function freePort(wanted = 0): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) =>
    server.once("error", reject).listen(wanted, "127.0.0.1", resolve),
  );
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function isFree(port: number): Promise<boolean> {
  return freePort(port).then(
    () => true,
    () => false,
  );
}

/** The lines of a growing file, until `alive` says that its writer has ended. */
async function* tail(
  file: string,
  alive: () => Promise<boolean>,
  signal: AbortSignal | undefined,
): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let position = 0;
  let rest = "";
  for (;;) {
    if (signal?.aborted) throw new Interrupted();
    // Asked before reading: what is written until then is read below.
    const more = await alive();
    const handle = await open(file, "r").catch(() => undefined);
    if (handle) {
      const { size } = await handle.stat();
      const buffer = Buffer.alloc(Math.max(0, size - position));
      await handle.read(buffer, 0, buffer.length, position);
      await handle.close();
      position = Math.max(position, size);
      const lines = (rest + decoder.decode(buffer, { stream: true })).split(/\r*\n|\r+/);
      rest = lines.pop() ?? "";
      yield* lines;
    }
    if (!more) break;
    await sleep(100, signal);
  }
  if (rest !== "") yield rest;
}

/** The host's end of the message port. The guest may open its end later, close it, and open it again. */
async function openMessages(socket: string): Promise<Messages> {
  const received: { key: string; value: string }[] = [];
  const line = connect(socket);
  await new Promise<void>((resolve, reject) => line.once("connect", resolve).once("error", reject));
  line.on("error", () => line.destroy());
  line.setEncoding("utf8");
  let rest = "";
  line.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const one of lines) {
      const message = parsedMessage(one);
      if (message) received.push(message);
    }
  });
  return {
    received: () => received,
    send: (key, value) =>
      new Promise((resolve, reject) =>
        line.write(`${JSON.stringify({ key, value })}\n`, (error) => (error ? reject(error) : resolve())),
      ),
    async [Symbol.asyncDispose]() {
      line.destroy();
    },
  };
}

// The other end is a guest: what it says may be anything.
function parsedMessage(line: string): { key: string; value: string } | undefined {
  try {
    const { key, value } = JSON.parse(line) as { key?: unknown; value?: unknown };
    return typeof key === "string" && typeof value === "string" ? { key, value } : undefined;
  } catch {
    return undefined;
  }
}

async function proveUefi(): Promise<void> {
  for (const file of [uefi.code, uefi.variables])
    await access(file).catch((cause) => {
      throw new TbuildError("environment", `UEFI for qemu is missing: ${file}`, {
        cause,
        hint: "Install it: apt-get install ovmf",
      });
    });
}
