import { access, constants, readdir } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Examined } from "../hypervisor.ts";
import type { QemuOptions } from "./options.ts";

/** Reports the version of qemu, whether KVM works (tested with this machine's kernel), and the port for ssh. */
export async function examineQemu(
  { accelerator, sshPort }: QemuOptions,
  describe: (kernel: string | undefined) => Promise<string>,
): Promise<Examined[]> {
  return (await Promise.all([machinesExamined(accelerator, describe), portExamined(sshPort)])).flat();
}

async function machinesExamined(
  accelerator: QemuOptions["accelerator"],
  describe: (kernel: string | undefined) => Promise<string>,
): Promise<Examined[]> {
  try {
    const kernel = await readableKernel();
    const text = await describe(kernel);
    if (!text.endsWith("tcg") || accelerator === "tcg") return [{ what: "machines", ok: true, text }];
    const isUsable = await isAccessible("/dev/kvm", constants.R_OK | constants.W_OK);
    const why = !isUsable
      ? "this user cannot open /dev/kvm"
      : kernel === undefined
        ? "/dev/kvm was not tested, because no kernel in /boot is readable; a build tests it"
        : "a kernel does not start under /dev/kvm";
    return [{ what: "machines", ok: true, text: `${text}: slower than kvm; ${why}` }];
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    // The check of packages reports a missing qemu.
    if (error.code === "not-installed") return [];
    const { message, hint } = error;
    return [{ what: "machines", ok: false, text: message, ...(hint !== undefined && { mend: hint }) }];
  }
}

async function readableKernel(): Promise<string | undefined> {
  const names = (await readdir("/boot").catch(() => [])).filter((name) => name.startsWith("vmlinuz")).sort();
  for (const name of names.reverse()) {
    const file = join("/boot", name);
    if (await isAccessible(file, constants.R_OK)) return file;
  }
  return undefined;
}

function isAccessible(file: string, mode: number): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}

/** The loopback port for ssh to the built machine: the site's, or any free port. */
async function portExamined(port: number | undefined): Promise<Examined> {
  const code = await new Promise<string | undefined>((done) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? "error"));
    server.listen(port ?? 0, "127.0.0.1", () => server.close(() => done(undefined)));
  });
  const named = port === undefined ? "127.0.0.1" : `127.0.0.1:${port}`;
  if (code === undefined) return { what: "port", ok: true, text: `${named} is free` };
  return {
    what: "port",
    ok: false,
    text: `${named}: ${code === "EADDRINUSE" ? "is in use" : code}`,
    mend:
      port === undefined ? "ip link set lo up" : "free it, or remove hypervisor.sshPort from the site file",
  };
}
