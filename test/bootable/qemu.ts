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

export const ovmf = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const firmwares = {
  bios: [],
  // The variables of a new machine: they have no boot entries.
  uefi: [`${ovmf},readonly=on`, "/usr/share/OVMF/OVMF_VARS_4M.fd"].flatMap((file) => [
    ...["-drive", `if=pflash,format=raw,file=${file}`],
  ]),
} as const;

/** Starts the disk in qemu with SeaBIOS or OVMF, without writing to it, and returns the guest's serial output. */
export async function bootInQemu(
  image: string,
  disk: keyof typeof disks,
  firmware: keyof typeof firmwares = "bios",
): Promise<string> {
  const words = disks[disk];
  const argv = [
    ...["qemu-system-x86_64", ...machine, ...quiet, ...firmwares[firmware]],
    ...words.slice(0, -1),
    `${words.at(-1)}${image}`,
  ];
  const lines: string[] = [];
  const onLine = (line: string) => void lines.push(line);
  const { stdout } = await host.run(argv, { timeoutMs: 240_000, allow: [0, 1], onLine }).catch((cause) => {
    throw new Error(
      `${image} does not boot off ${disk} by ${firmware}; it said:\n${lines.slice(-30).join("\n")}`,
      {
        cause,
      },
    );
  });
  return stdout;
}
