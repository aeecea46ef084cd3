import { access, constants, readFile, stat } from "node:fs/promises";
import { z } from "zod";
import type { Runner } from "../../host/host.ts";
import { replaceFile } from "../../host/partial-file.ts";

export interface Accelerator {
  readonly accelerator: "kvm" | "tcg";
  /** One sentence for the log. */
  readonly why: string;
}

/**
 * Chooses the accelerator. That /dev/kvm opens proves nothing: on some nested hosts, a Linux kernel hangs right
 * after the boot sector. So a real kernel is started with a deadline, once per boot of this host. KVM is used
 * only if that kernel gets as far as failing to find its root file system.
 */
export async function chooseAccelerator(
  host: Runner,
  options: {
    readonly cacheFile: string;
    readonly kernel?: string;
    readonly deadlineMs?: number;
    /** Default: /dev/kvm. */
    readonly device?: string;
  },
): Promise<Accelerator> {
  const usable = await access(options.device ?? "/dev/kvm", constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!usable) return { accelerator: "tcg", why: "/dev/kvm does not exist, or this user may not open it" };
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const known = await remembered(options.cacheFile, boot);
  if (known) return known;
  if (options.kernel === undefined)
    return { accelerator: "tcg", why: "/dev/kvm was not tested: no kernel to test it with" };
  const works = await boots(host, options.kernel, options.deadlineMs ?? 8_000);
  const choice: Accelerator = works
    ? { accelerator: "kvm", why: "a kernel started under /dev/kvm" }
    : { accelerator: "tcg", why: "/dev/kvm exists, but a kernel does not start under it" };
  // If it cannot be remembered, the next command tests again.
  await replaceFile(options.cacheFile, JSON.stringify({ boot, ...choice })).catch(() => {});
  return choice;
}

// Without an initrd and a root, every kernel ends in this panic, within 3 s if KVM works.
async function boots(host: Runner, kernel: string, deadlineMs: number): Promise<boolean> {
  if (!(await stat(kernel).catch(() => undefined))) return false;
  let panicked = false;
  const argv = [
    "qemu-system-x86_64",
    "-machine",
    "pc",
    "-accel",
    "kvm",
    "-cpu",
    "host",
    "-m",
    "512",
    "-nodefaults",
    "-no-user-config",
  ];
  const output = [
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
    "-kernel",
    kernel,
    "-append",
    "console=ttyS0 panic=-1",
  ];
  const onLine = (line: string) => {
    panicked ||= /VFS: (Unable to mount root|Cannot open root)|Kernel panic - not syncing/.test(line);
  };
  await host.run([...argv, ...output], { timeoutMs: deadlineMs, onLine }).catch(() => undefined);
  return panicked;
}

const Remembered = z.object({ boot: z.string(), accelerator: z.enum(["kvm", "tcg"]), why: z.string() });

async function remembered(file: string, boot: string): Promise<Accelerator | undefined> {
  const text = await readFile(file, "utf8").catch(() => "{}");
  try {
    const { boot: at, ...known } = Remembered.parse(JSON.parse(text));
    return at === boot ? known : undefined;
  } catch {
    return undefined; // incomplete because the host crashed: repeat the test
  }
}
