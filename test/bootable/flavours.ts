/** The differences between releases in a bootable guest: the boot menu, and how the initramfs finds drivers. */
export const flavours = {
  el5: {
    major: 5,
    release: "Enterprise Linux Enterprise Linux Server release 5.11 (Carthage)",
    // The name decides the domain type of a release 5 kernel: the plain one has no PV.
    version: () => "2.6.39-400.215.10.el5uek",
    initramfs: (version: string) => `initrd-${version}.img`,
    packed: "gzip",
    modules: "",
    lvmWord: "",
  },
  el6: {
    major: 6,
    release: "Oracle Linux Server release 6.9",
    version: (own: string) => own,
    initramfs: (version: string) => `initramfs-${version}.img`,
    packed: "gzip",
    modules: "",
    lvmWord: " rd_NO_LUKS rd_LVM_LV=vg0/root rd_NO_MD",
  },
  el7: {
    major: 7,
    release: "Oracle Linux Server release 7.9",
    version: (own: string) => own,
    initramfs: (version: string) => `initramfs-${version}.img`,
    packed: "gzip",
    modules: "",
    lvmWord: " rd.lvm.lv=vg0/root",
  },
  el8: {
    major: 8,
    release: "Oracle Linux Server release 8.10",
    version: (own: string) => own,
    initramfs: (version: string) => `initramfs-${version}.img`,
    packed: "gzip",
    modules: ".xz",
    lvmWord: " rd.lvm.lv=vg0/root",
  },
  el9: {
    major: 9,
    release: "Oracle Linux Server release 9.4",
    version: (own: string) => own,
    initramfs: (version: string) => `initramfs-${version}.img`,
    packed: "zstd",
    modules: ".zst",
    lvmWord: " rd.lvm.lv=vg0/root",
  },
} as const satisfies Record<string, FlavourTraits>;

export type Flavour = keyof typeof flavours;

export interface FlavourTraits {
  readonly major: number;
  readonly release: string;
  /** The guest's name for this machine's kernel. */
  version(own: string): string;
  initramfs(version: string): string;
  /** The compression of the initramfs, and the suffix of modules after `.ko`. */
  readonly packed: "gzip" | "zstd";
  readonly modules: "" | ".xz" | ".zst";
  /** dracut's arguments for a root on LVM. */
  readonly lvmWord: string;
}

/** The folder of the UEFI boot loader. */
export const efiFolder = "boot/efi/EFI/redhat";

export interface Menu {
  /** The kernel's path as the boot loader sees it. */
  readonly below: string;
  readonly version: string;
  readonly words: string;
  readonly bootUuid: string;
  /** The menu is where installers put it for UEFI systems. */
  readonly isUefi: boolean;
}

/** The files of the boot menu, and links. */
export function menuFiles(
  flavour: Flavour,
  { below, version, words, bootUuid, isUefi }: Menu,
): { readonly files: Readonly<Record<string, string>>; readonly links: Readonly<Record<string, string>> } {
  const { initramfs, major } = flavours[flavour];
  const [kernel, initrd] = [`${below}/vmlinuz-${version}`, `${below}/${initramfs(version)}`];
  if (major < 7)
    return {
      files: {
        [isUefi ? `${efiFolder}/grub.conf` : "boot/grub/grub.conf"]:
          `default=0\ntimeout=0\ntitle one\n\troot (hd0,${isUefi ? 1 : 0})\n\tkernel ${kernel} ${words}\n\tinitrd ${initrd}\n`,
        "boot/grub/device.map": "(hd0) /dev/sda\n",
      },
      links: isUefi
        ? { "etc/grub.conf": `../${efiFolder}/grub.conf` }
        : { "boot/grub/menu.lst": "./grub.conf" },
    };
  const defaults = { "etc/default/grub": 'GRUB_CMDLINE_LINUX="console=ttyS0"\n' };
  const end = isUefi ? "efi" : "16";
  if (major === 7)
    return {
      files: {
        ...defaults,
        [isUefi ? `${efiFolder}/grub.cfg` : "boot/grub2/grub.cfg"]:
          `set timeout=0\nmenuentry 'one' --class os {\n\tsearch --no-floppy --fs-uuid --set=root ${bootUuid}\n\tlinux${end} ${kernel} ${words}\n\tinitrd${end} ${initrd}\n}\n`,
      },
      links: {},
    };
  // Release 8 keeps the kernel arguments in GRUB's environment, release 9 in the entry.
  const id = "5a1ec0de5a1ec0de5a1ec0de5a1ec0de";
  const entry = (options: string) =>
    `title Oracle Linux Server\nversion ${version}\nlinux ${kernel}\ninitrd ${initrd}${major === 8 ? " $tuned_initrd" : ""}\noptions ${options}\ngrub_users $grub_users\ngrub_arg --unrestricted\ngrub_class kernel\n`;
  const environment = `# GRUB Environment Block\nsaved_entry=${id}-${version}\n${major === 8 ? `kernelopts=${words} \n` : ""}`;
  return {
    files: {
      ...defaults,
      ...(isUefi && {
        [`${efiFolder}/grub.cfg`]: `search --no-floppy --fs-uuid --set=dev ${bootUuid}\nset prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n`,
      }),
      "boot/grub2/grub.cfg": `set timeout=0\nload_env\nsearch --no-floppy --fs-uuid --set=root ${bootUuid}\ninsmod blscfg\nblscfg\n`,
      "boot/grub2/grubenv": environment.padEnd(1024, "#"),
      [`boot/loader/entries/${id}-${version}.conf`]: entry(major === 8 ? "$kernelopts $tuned_params" : words),
    },
    links: {},
  };
}
