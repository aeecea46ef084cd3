import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import type { Output, Talk } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { type FarHost, farHost } from "../../src/host/ssh.ts";
import { temporaryFolder } from "../../src/host/temporary.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { openQmp, type Qmp } from "../../src/hypervisor/qemu/qmp.ts";

/** A real Xen host in qemu, without KVM: Debian's Xen and a Debian dom0. It is called `dom0` in `sshConfig`. */
export interface XenHost extends AsyncDisposable {
  readonly sshConfig: string;
  readonly host: FarHost;
  /** Runs a shell command as root there. */
  run(script: string): Promise<Output>;
}

/** The keys of a site that uses it. */
export const xenSite = (host: Pick<XenHost, "sshConfig">) => ({
  kind: "xen",
  host: "dom0",
  sshConfig: host.sshConfig,
  // Without KVM, and on runners of CI.
  patience: 10,
  bridges: { build: "xenbr0", storage: "xenbr1" },
  addresses: {
    first: "192.168.77.31",
    netmask: "255.255.255.0",
    gateway: "192.168.77.1",
    nameServer: "192.168.77.1",
  },
});

const here = localHost();
const cache = resolve(import.meta.dirname, "../../.tbuild/xen");
const builder = resolve(import.meta.dirname, "build-host.sh");

/** Starts one as it was when it had just booted. The first time this takes some minutes: it is built and booted. */
export async function startXenHost(): Promise<XenHost> {
  const built = await builtHost();
  const ready = await readyDisk(built);
  const { path: folder } = await temporaryFolder("xen");
  // A snapshot is in the disk itself, and what is written would be, too.
  await here.run(["cp", "--reflink=auto", "--sparse=always", ready, join(folder, "dom0.qcow2")]);
  const machine = await started(built, folder, ["-loadvm", "ready"]);
  return { ...machine, run: (script) => machine.host.run(["sh", "-c", script]) };
}

/** The folder that `build-host.sh` fills, kept for as long as the script stays as it is. */
async function builtHost(): Promise<string> {
  const place = join(cache, `host-${digest(await readFile(builder))}`);
  if (await exists(place)) return place;
  const part = `${place}.part`;
  await rm(part, { recursive: true, force: true });
  await here.run(["bash", builder, part]);
  await rename(part, place);
  return place;
}

/** Its disk with a snapshot of the booted host, which only the same qemu with the same arguments can load. */
async function readyDisk(built: string): Promise<string> {
  const version = (await here.run(["qemu-system-x86_64", "--version"])).stdout;
  const place = join(built, `ready-${digest(`${version} ${qemuArgv("", "", 0).join(" ")}`)}.qcow2`);
  if (await exists(place)) return place;
  const { path: folder } = await temporaryFolder("xen");
  await copyFile(join(built, "dom0.qcow2"), join(folder, "dom0.qcow2"));
  {
    await using machine = await started(built, folder, []);
    await machine.monitor("savevm ready");
    await machine.quit();
    await here.run(["mv", join(folder, "dom0.qcow2"), `${place}.part`]);
    await rename(`${place}.part`, place);
  }
  return place;
}

function qemuArgv(built: string, folder: string, port: number): string[] {
  return [
    "qemu-system-x86_64",
    ...[
      "-machine",
      "pc",
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      "qemu64,+svm,+npt",
      "-smp",
      "1",
      "-m",
      "3072",
    ],
    ...["-display", "none", "-no-reboot", "-serial", `file:${folder}/serial.log`],
    ...["-qmp", `unix:${folder}/qmp,server=on,wait=off`],
    ...["-kernel", `${built}/xen`],
    "-append",
    "xen console=com1 com1=115200,8n1 bootscrub=0 dom0_mem=512M,max:512M dom0_max_vcpus=1",
    "-initrd",
    `${built}/vmlinuz root=/dev/vda rw console=hvc0 net.ifnames=0 mitigations=off panic=5,${built}/initrd.gz`,
    ...["-drive", `file=${folder}/dom0.qcow2,if=virtio,format=qcow2,cache=unsafe,discard=unmap`],
    ...["-netdev", `user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`],
    ...["-device", "virtio-net-pci,netdev=n0,romfile="],
  ];
}

async function started(built: string, folder: string, more: readonly string[]) {
  const port = await freePort();
  const sshConfig = join(folder, "ssh_config");
  const host = farHost("dom0", sshConfig);
  let talk: Talk | undefined;
  let monitor: Qmp | undefined;
  const close = async () => {
    monitor?.[Symbol.dispose]();
    talk?.kill();
    await talk?.ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await mkdir(folder, { recursive: true });
    await copyFile(join(built, "id"), join(folder, "id"));
    await writeFile(sshConfig, clientConfig(folder, port));
    const said: string[] = [];
    // It ends with us and takes its folder along, also when we are killed.
    const script = '"$@" & pid=$!; cat; kill $pid; wait $pid; rm -rf -- "$0"';
    const argv = ["sh", "-c", script, folder, ...qemuArgv(built, folder, port), ...more];
    talk = await here.talk(argv, { onLine: (line) => said.push(line) });
    monitor = await waitFor(
      "qemu's monitor",
      async () => openQmp(join(folder, "qmp"), 120_000).catch(() => undefined),
      {
        timeoutMs: 120_000,
      },
    );
    await waitFor(
      "the Xen host's ssh server",
      async (last) => {
        const serial = await readFile(join(folder, "serial.log"), "utf8").catch(() => "");
        if (last || /DOM0-FAILED|Kernel panic|Panic on CPU/.test(serial))
          throw new Error(`the Xen host did not start:\n${said.join("\n")}\n${serial.slice(-2000)}`);
        if (more.length === 0 && !serial.includes("DOM0-READY")) return undefined;
        return host.run(["true"], { timeoutMs: 60_000 }).catch(() => undefined);
      },
      { timeoutMs: 900_000, everyMs: 1000 },
    );
  } catch (error) {
    await close();
    throw error;
  }
  const line = async (command: string) => {
    const said = await monitor?.run("human-monitor-command", { "command-line": command });
    if (typeof said === "string" && /error|could not|failed/i.test(said))
      throw new Error(`${command}: ${said}`);
  };
  return {
    sshConfig,
    host,
    monitor: line,
    async quit() {
      await monitor?.run("quit").catch(() => {});
      await monitor?.closed;
    },
    [Symbol.asyncDispose]: close,
  };
}

function clientConfig(folder: string, port: number): string {
  return [
    "Host dom0",
    "  HostName 127.0.0.1",
    `  Port ${port}`,
    "  User root",
    "  IdentitiesOnly yes",
    `  IdentityFile ${folder}/id`,
    "  UserKnownHostsFile /dev/null",
    "  StrictHostKeyChecking no",
    "  LogLevel ERROR",
    "",
  ].join("\n");
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const server = createServer();
    server.once("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address ? address.port : 0));
    });
  });
}

function digest(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
