import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Output, Talk } from "../src/host/host.ts";
import { localHost, shellQuoted, talkHere } from "../src/host/local.ts";
import { type FarHost, farHost } from "../src/host/ssh.ts";
import { waitFor } from "../src/host/wait-for.ts";
import { quickStart } from "../src/image/ways/uml-machine.ts";

/** The programs and files that a machine needs to run one. */
export const dom0Needs = [
  ...["linux.uml", "kpartx", "dmsetup", "losetup", "sshd", "ssh", "sshfs", "ip", "busybox", "root"],
  "/dev/net/tun",
];

/**
 * A server that looks to tbuild like an Oracle VM Server: root by ssh, images in its files, loop devices, device-mapper,
 * kpartx. It is a kernel in a process (User-mode Linux) with this machine's programs, in its own network.
 */
export interface Dom0 extends AsyncDisposable {
  readonly host: FarHost;
  /** For `--ssh-config`; the server is called `dom0` there. */
  readonly sshConfig: string;
  /** The only shared folder that both can write; it has the same path on both sides. */
  readonly folder: string;
  /** Runs a shell command as root there. */
  run(script: string): Promise<Output>;
}

const here = localHost();

export async function startDom0(): Promise<Dom0> {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-dom0-"));
  const network = basename(folder);
  const own = join(folder, "own");
  const sshConfig = join(own, "ssh_config");
  const host = farHost("dom0", sshConfig);
  let kernel: Talk | undefined;
  const close = async () => {
    kernel?.kill();
    await kernel?.ended;
    await here.run(["ip", "netns", "del", network], { allow: [1] });
    await rm(folder, { recursive: true });
  };
  try {
    await writeFiles(folder, own, network);
    await here.run(["ip", "netns", "add", network]);
    await here.run(["ip", "netns", "exec", network, "sh", "-c", networkScript]);
    const said: string[] = [];
    const argv = ["ip", "netns", "exec", network, "linux.uml", ...kernelArguments(own)];
    kernel = await talkHere(argv, { onLine: (line) => said.push(line) });
    const listens = async () => said.some((line) => line.includes("Server listening")) || undefined;
    await waitFor("dom0: its ssh server", listens, { timeoutMs: 120_000, everyMs: 100 });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    host,
    sshConfig,
    folder,
    run: (script) => host.run(["sh", "-c", `PATH=/usr/sbin:/usr/bin:/sbin:/bin\n${script}`]),
    [Symbol.asyncDispose]: close,
  };
}

async function writeFiles(folder: string, own: string, network: string): Promise<void> {
  await mkdir(own);
  for (const key of ["key", "host-key"])
    await here.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(own, key)]);
  await writeFile(join(own, "sshd_config"), sshdConfig(own));
  await writeFile(join(own, "ssh_config"), clientConfig(own, network));
  await writeFile(join(own, "init"), initScript(folder, own));
  await chmod(join(own, "init"), 0o755);
}

function kernelArguments(own: string): string[] {
  const root = ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", `init=${own}/init`];
  // Without a policy, SELinux would hide the labels on the disk.
  const console = ["con=null", "con0=fd:0,fd:1", ...quickStart, "lsm=yama"];
  return ["mem=768M", ...root, ...console, "eth0=tuntap,tap0", `uml_dir=${own}/`, "umid=dom0"];
}

const networkScript =
  "ip link set lo up; ip tuntap add tap0 mode tap; ip addr add 10.9.9.1/24 dev tap0; ip link set tap0 up";

function initScript(folder: string, own: string): string {
  const modules = ["block/loop", "md/dm-mod", "md/dm-bufio", "md/dm-snapshot", "../fs/fuse/fuse"];
  return [
    "#!/bin/sh",
    "export PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    "mount -t proc proc /proc",
    "mount -t sysfs sysfs /sys",
    "mkdir -p /dev/pts; mount -t devpts devpts /dev/pts",
    "mount -t tmpfs tmpfs /run && mkdir /run/sshd",
    "mount -t tmpfs tmpfs /tmp",
    // The start-up files of this machine's root must not run at every command.
    "mount -t tmpfs tmpfs /root",
    shellQuoted(["mkdir", folder]),
    shellQuoted(["mount", "-t", "hostfs", "-o", folder, "none", folder]),
    `for module in ${modules.join(" ")}; do insmod /usr/lib/uml/modules/$(uname -r)/kernel/drivers/$module.ko; done`,
    "ip link set lo up; ip addr add 10.9.9.2/24 dev eth0; ip link set eth0 up",
    `/usr/sbin/sshd -D -e -f ${shellQuoted([join(own, "sshd_config")])}`,
    "",
  ].join("\n");
}

// No udev runs there to make device nodes.
function sshdConfig(own: string): string {
  return [
    `HostKey ${own}/host-key`,
    `AuthorizedKeysFile ${own}/key.pub`,
    "PermitRootLogin yes",
    "StrictModes no",
    "UsePAM no",
    "PidFile none",
    "SetEnv DM_DISABLE_UDEV=1",
    "Subsystem sftp internal-sftp",
    "",
  ].join("\n");
}

function clientConfig(own: string, network: string): string {
  return [
    "Host dom0",
    "  User root",
    "  IdentitiesOnly yes",
    `  IdentityFile ${own}/key`,
    `  UserKnownHostsFile ${own}/known-hosts`,
    "  StrictHostKeyChecking accept-new",
    "  LogLevel ERROR",
    `  ProxyCommand ip netns exec ${network} busybox nc 10.9.9.2 22`,
    "",
  ].join("\n");
}
