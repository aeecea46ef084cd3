import { TbuildError } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";

const host = localHost();

export const disks = {
  ide: ["-drive", "if=ide,format=raw,cache=unsafe,file="],
  virtio: ["-drive", "if=virtio,format=raw,cache=unsafe,file="],
  "virtio-scsi": [
    ...["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=d"],
    ...["-drive", "if=none,id=d,format=raw,cache=unsafe,file="],
  ],
} as const;

const machine = ["-machine", "pc", "-accel", "tcg", "-cpu", "qemu64", "-smp", "1", "-m", "384"];
const quiet = [
  "-display",
  "none",
  "-nodefaults",
  "-no-reboot",
  "-serial",
  "stdio",
  "-snapshot",
  "-nic",
  "none",
];

/**
 * Starts the disk in qemu with SeaBIOS, in which nothing is written, and gives what the guest says on its serial line. A guest
 * that stands still is started once more: on a busy machine, about one in fifty does. A disk that does not boot never does.
 */
export async function bootInQemu(image: string, disk: keyof typeof disks): Promise<string> {
  const words = disks[disk];
  const argv = ["qemu-system-x86_64", ...machine, ...quiet, ...words.slice(0, -1), `${words.at(-1)}${image}`];
  const said: string[] = [];
  for (const timeoutMs of [120_000, 240_000]) {
    const lines: string[] = [];
    try {
      const { stdout } = await host.run(argv, {
        timeoutMs,
        allow: [0, 1],
        onLine: (line) => lines.push(line),
      });
      return stdout;
    } catch (error) {
      if (!(error instanceof TbuildError) || error.code !== "timed-out") throw error;
      said.push(lines.slice(-20).join("\n"));
    }
  }
  throw new Error(`${image} does not boot off ${disk}; it said:\n${said.join("\n-- once more --\n")}`);
}
