import { TbuildError } from "../errors.ts";
import type { GuestTree } from "../image/tree.ts";

export type Major = 5 | 6 | 7 | 8 | 9;

export interface Release {
  /** As the guest calls itself. */
  readonly name: string;
  readonly major: Major;
  readonly update: number;
}

/** What differs between OL5 … OL9. */
export const releases = {
  5: { init: "sysv", initrd: "mkinitrd", armingFile: "/etc/sysconfig/ovmd", grub: "legacy", console: "xvc0" },
  6: {
    init: "upstart",
    initrd: "dracut",
    armingFile: "/etc/sysconfig/ovmd",
    grub: "legacy",
    console: "hvc0",
  },
  7: { init: "systemd", initrd: "dracut", armingFile: newArmingFile(), grub: "grub2", console: "hvc0" },
  8: { init: "systemd", initrd: "dracut", armingFile: newArmingFile(), grub: "bls", console: "hvc0" },
  9: { init: "systemd", initrd: "dracut", armingFile: newArmingFile(), grub: "bls", console: "hvc0" },
} as const satisfies Record<Major, ReleaseTraits>;

export interface ReleaseTraits {
  readonly init: "sysv" | "upstart" | "systemd";
  readonly initrd: "mkinitrd" | "dracut";
  /** Where `INITIAL_CONFIG=yes` makes the next boot configure the guest. */
  readonly armingFile: string;
  readonly grub: "legacy" | "grub2" | "bls";
  /** The console of a paravirtual machine; of kernel-xen on OL5. */
  readonly console: "xvc0" | "hvc0";
}

/** Reads which release a guest is, from Oracle's own file first; throws when it is none that tbuild knows. */
export async function readRelease(tree: GuestTree): Promise<Release> {
  for (const file of releaseFiles) {
    const text = await tree.text(file);
    const found = text && parseRelease(text);
    if (found) return found;
  }
  throw new TbuildError("guest", "guest: not a release of Oracle Linux that tbuild knows", {
    hint: `None of ${releaseFiles.join(", ")} tells of a release from 5 to 9.`,
  });
}

/** "Oracle Linux Server release 6.10" and its relatives. */
export function parseRelease(text: string): Release | undefined {
  const line = text.trim().split("\n")[0] ?? "";
  const [, major, update] = /release (\d+)(?:\.(\d+))?/.exec(line) ?? [];
  if (major === undefined || !(major in releases)) return undefined;
  return { name: line, major: Number(major) as Major, update: Number(update ?? 0) };
}

// oracle-release first: on Oracle Linux, redhat-release says what it is compatible with.
const releaseFiles = [
  "/etc/oracle-release",
  "/etc/enterprise-release",
  "/etc/redhat-release",
  "/etc/system-release",
];

function newArmingFile() {
  return "/etc/sysconfig/ovm-template-initial-config" as const;
}
