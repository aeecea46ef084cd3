import type { Manifest } from "../../model/manifest.ts";

/** The configuration of an Oracle VM guest: Python literals, one assignment a line, as the Manager writes them. */
export function vmCfg(manifest: Manifest): string {
  const pvm = manifest.domainType === "XEN_PVM";
  const pvhvm = manifest.domainType === "XEN_HVM_PV_DRIVERS";
  const disks = manifest.disks.map((disk, index) => `file:${disk.name}.img,${diskName(index)},w`);
  // Without an address: the Manager gives each vnic one of its range when it makes a machine of the template.
  const vif = manifest.machine.nics.map(() => (pvhvm ? "type=netfront" : ""));
  const lines: [string, string | number | boolean | readonly string[]][] = [
    ["name", `${manifest.name}-${manifest.version}`],
    ["OVM_simple_name", `${manifest.name}-${manifest.version}`],
    [
      "OVM_description",
      `${manifest.summary} (${manifest.name} ${manifest.version}, tbuild ${manifest.tbuild})`,
    ],
    ["OVM_os_type", `Oracle Linux ${manifest.release.major}`],
    // How the Manager writes PVHVM here is not known, so it is left to say it itself.
    ...(pvhvm ? [] : [["OVM_domain_type", pvm ? "xen_pvm" : "xen_hvm"] as [string, string]]),
    ["guest_os_type", "linux"],
    ["vcpus", manifest.machine.vcpus],
    ["maxvcpus", manifest.machine.vcpus],
    ["memory", manifest.machine.memoryMib],
    ["maxmem", manifest.machine.memoryMib],
    ["disk", disks],
    ["vif", vif],
    ...(pvm ? pvmLines : hvmLines),
    ["keymap", "en-us"],
    ["on_poweroff", "destroy"],
    ["on_reboot", "restart"],
    ["on_crash", "restart"],
    ["OVM_high_availability", false],
  ];
  const head = [
    `# ${manifest.name} ${manifest.version}: ${manifest.summary}`,
    `# made ${manifest.made} by tbuild ${manifest.tbuild}; ${manifest.release.name}, kernel ${manifest.kernel}`,
    ...(manifest.rehearsal
      ? ["# A REHEARSAL: made of Debian's binaries on a stand-in medium. It is not Oracle Linux."]
      : []),
    "# Sealed: it configures itself at first boot, when it gets its messages, com.oracle.linux.root-password last.",
  ];
  return `${head.map((line) => line.replaceAll("\n", " ")).join("\n")}\n${lines.map(([key, value]) => `${key} = ${literal(value)}`).join("\n")}\n`;
}

const pvmLines: [string, string | number | boolean | readonly string[]][] = [
  ["bootloader", "/usr/bin/pygrub"],
  ["vfb", ["type=vnc,vncunused=1,vnclisten=127.0.0.1,keymap=en-us"]],
];

const hvmLines: typeof pvmLines = [
  ["builder", "hvm"],
  ["kernel", "/usr/lib/xen/boot/hvmloader"],
  ["device_model", "/usr/lib/xen/bin/qemu-dm"],
  ["boot", "c"],
  ["acpi", 1],
  ["apic", 1],
  ["pae", 1],
  ["timer_mode", 2],
  ["serial", "pty"],
  ["vnc", 1],
  ["vnclisten", "127.0.0.1"],
  ["vncunused", 1],
];

/** `xvda` for the first disk, `xvdb` for the next. */
export function diskName(index: number): string {
  return `xvd${String.fromCharCode(97 + index)}`;
}

function literal(value: string | number | boolean | readonly string[]): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string")
    return `'${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", "\\n")}'`;
  return `[${value.map(literal).join(", ")}]`;
}
