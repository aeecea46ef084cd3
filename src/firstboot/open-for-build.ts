import { TbuildError } from "../errors.ts";
import type { GuestTree } from "../image/tree.ts";
import { disarm } from "./arming.ts";
import { cloneProgram } from "./clone-files.ts";

const keys = "/root/.ssh/authorized_keys";
const interfaceFile = "/etc/sysconfig/network-scripts/ifcfg-eth0";

/** The access of a build to a guest until it is sealed again. */
export interface WayIn {
  readonly publicKey: string;
  readonly passwordHash: string;
}

/**
 * Makes a sealed template boot like a freshly installed guest: it configures nothing, has an address, and
 * accepts the build's login.
 */
export async function openForBuild(tree: GuestTree, { publicKey, passwordHash }: WayIn): Promise<void> {
  if ((await tree.stat(cloneProgram))?.kind === "file")
    throw new TbuildError(
      "guest",
      "detects clones by their MAC addresses; a build cannot start from such a template",
      {
        subject: "the base",
        hint: "Start from a template with guest additions (firstBoot.detect: flag), or install.",
      },
    );
  await disarm(tree);
  await tree.write(keys, `${(await tree.text(keys)) ?? ""}${publicKey}\n`, { mode: 0o600, uid: 0, gid: 0 });
  await tree.edit("/etc/shadow", (text) => text.replace(/^root:[^:]*/m, () => `root:${passwordHash}`));
  if ((await tree.stat("/etc/sysconfig/network-scripts"))?.kind === "dir")
    await tree.write(interfaceFile, "DEVICE=eth0\nTYPE=Ethernet\nONBOOT=yes\nBOOTPROTO=dhcp\n");
}
