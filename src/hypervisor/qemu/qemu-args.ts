import { buildNetwork, type DirectBoot } from "../hypervisor.ts";
import type { QemuDisk } from "./disks.ts";
import type { Kept, QemuPaths } from "./machine.ts";
import { uefi } from "./uefi.ts";

/** Name of the virtio-serial port for first-boot messages. tbuild's additions open it by this name. */
export const messagePort = "org.tbuild.ovmapi.0";

export interface QemuChoice {
  readonly accelerator: "kvm" | "tcg";
  /** Port on 127.0.0.1 that is forwarded to port 22 of the first `build` nic. */
  readonly sshPort: number;
}

/** The complete qemu command of a machine. Pure. */
export function qemuArgs(spec: Kept, paths: QemuPaths, choice: QemuChoice, boot?: DirectBoot): string[] {
  return [
    "qemu-system-x86_64",
    ...["-name", spec.name],
    // An IDE CD drive, which EL5's and EL6's installers can find. q35 has only AHCI.
    ...["-machine", "pc"],
    ...(spec.firmware === "uefi"
      ? [`${uefi.code},readonly=on`, escaped(paths.variables)].flatMap((file) => [
          "-drive",
          `if=pflash,format=raw,file=${file}`,
        ])
      : []),
    ...["-accel", choice.accelerator],
    ...["-cpu", choice.accelerator === "kvm" ? "host" : tcgCpu(spec)],
    ...["-smp", String(choice.accelerator === "kvm" ? spec.vcpus : 1)],
    ...["-m", String(spec.memoryMib)],
    ...["-display", "none", "-vga", "std", "-no-user-config", "-nodefaults"],
    ...["-daemonize", "-pidfile", paths.pidfile],
    ...["-qmp", `unix:${paths.qmp},server=on,wait=off`],
    ...[
      "-chardev",
      `socket,id=serial,path=${paths.serialSocket},server=on,wait=off,logfile=${paths.serialLog},logappend=off`,
    ],
    ...["-serial", "chardev:serial"],
    ...[
      "-device",
      "virtio-serial-pci",
      "-chardev",
      `socket,id=messages,path=${paths.messages},server=on,wait=off`,
    ],
    ...["-device", `virtserialport,chardev=messages,name=${messagePort}`],
    // A clone generates host keys at first boot. Without entropy, that takes minutes.
    ...["-device", "virtio-rng-pci"],
    ...paths.disks.flatMap(diskArgs),
    ...spec.cdroms.flatMap((iso, index) => [
      "-drive",
      `file=${escaped(iso)},format=raw,if=ide,index=${index + 2},media=cdrom,readonly=on`,
    ]),
    ...spec.nics.flatMap((nic, index) => {
      const address = nic.address ?? "10.0.2.15";
      const first = index === spec.nics.findIndex((one) => one.network === buildNetwork);
      const net =
        nic.network === buildNetwork
          ? `user,id=net${index}${first ? `,hostfwd=tcp:127.0.0.1:${choice.sshPort}-${address}:22` : ""}`
          : `user,id=net${index},restrict=on,net=10.0.${index + 2}.0/24`;
      return ["-netdev", net, "-device", `virtio-net-pci,netdev=net${index},mac=${nic.mac},romfile=`];
    }),
    // A guest that reboots is stopped and started again: after a warm reset, TCG reads the kernel from the
    // disk 20 times slower than after a cold start (measured: 21 s instead of 1).
    ...(spec.restarts ? [] : ["-no-reboot"]),
    ...(boot
      ? ["-kernel", boot.kernel, "-initrd", boot.initrd, "-append", boot.append]
      : ["-boot", spec.discFirst ? "order=dc" : "order=cd"]),
  ];
}

function diskArgs(
  { slot, mode, file, format }: QemuDisk,
  _index: number,
  all: readonly QemuDisk[],
): string[] {
  const drive = `file=${escaped(file)},format=${format},cache=unsafe,discard=unmap,detect-zeroes=unmap,werror=stop,rerror=report${mode === "read-only" ? ",readonly=on" : ""}`;
  // qemu places `if=virtio` drives after all `-device`s. So a single shared disk would come before the system
  // disk: the guest would name it vda, and the BIOS would boot it.
  if (!all.some((disk) => disk.mode === "shared")) return ["-drive", `${drive},if=virtio`];
  const id = `disk${slot}`;
  // Two processes on one host see each other's writes, through the page cache. `share-rw` lifts qemu's lock.
  const sharing = mode === "shared" ? ",share-rw=on" : "";
  return ["-drive", `${drive},if=none,id=${id}`, "-device", `virtio-blk-pci,drive=${id}${sharing}`];
}

// Measured under TCG: qemu64 takes 2/3 of the time of `max`, and a second vcpu costs time on a machine of two cores.
// EL9 is compiled for x86-64-v2, which qemu64 is not.
function tcgCpu(spec: Kept): string {
  return spec.guest.release >= 9 ? "Nehalem" : "qemu64";
}

// In an option of qemu, a comma ends the value. Two commas mean a literal comma.
function escaped(path: string): string {
  return path.replaceAll(",", ",,");
}
