import { describe, expect, it } from "vitest";
import { firstBoot, isArmed } from "../../src/firstboot/arming.ts";
import { openForBuild } from "../../src/firstboot/open-for-build.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const wayIn = { publicKey: "ssh-rsa AAAA build", passwordHash: "$6$x$y" };

const sealed = (more: Readonly<Record<string, string>> = {}) =>
  memoryTree(
    {
      "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
      "/etc/sysconfig/ovmd": "# first boot\nINITIAL_CONFIG=yes\nOVMD_ARGS=\n",
      "/etc/rc.d/init.d/ovmd": { data: "#!/bin/sh\n# chkconfig: 3 08 92\n", mode: 0o755 },
      "/etc/shadow": { data: "root:!!:17000:0:99999:7:::\nbin:*:17000::::::\n", mode: 0 },
      "/etc/sysconfig/network-scripts/ifcfg-eth0": "DEVICE=eth0\nONBOOT=no\nBOOTPROTO=none\n",
      ...more,
    },
    { links: { "/etc/rc.d/rc3.d/S08ovmd": "../init.d/ovmd" } },
  );

describe("a sealed template that a build starts from", () => {
  it("configures nothing at its next boot, has an address and lets the build in, and can be armed again", async () => {
    const tree = sealed();
    expect(await isArmed(tree)).toBe(true);
    await openForBuild(tree, wayIn);
    expect(await isArmed(tree)).toBe(false);
    expect(await tree.text("/etc/sysconfig/ovmd")).toBe("# first boot\nINITIAL_CONFIG=no\nOVMD_ARGS=\n");
    expect(await tree.text("/root/.ssh/authorized_keys")).toBe("ssh-rsa AAAA build\n");
    expect((await tree.stat("/root/.ssh/authorized_keys"))?.mode).toBe(0o600);
    expect(await tree.text("/etc/shadow")).toBe("root:$6$x$y:17000:0:99999:7:::\nbin:*:17000::::::\n");
    expect(await tree.text("/etc/sysconfig/network-scripts/ifcfg-eth0")).toContain("BOOTPROTO=dhcp");
    await firstBoot.apply(tree);
    expect(await isArmed(tree)).toBe(true);
  });

  it("keeps its keys", async () => {
    const tree = sealed({ "/root/.ssh/authorized_keys": "ssh-rsa BBBB admin\n" });
    await openForBuild(tree, wayIn);
    expect(await tree.text("/root/.ssh/authorized_keys")).toBe("ssh-rsa BBBB admin\nssh-rsa AAAA build\n");
  });

  it("is refused if it notices clones by their MAC addresses", async () => {
    const { cloneProgram } = await import("../../src/firstboot/clone-files.ts");
    await expect(openForBuild(sealed({ [cloneProgram]: "" }), wayIn)).rejects.toThrow("MAC addresses");
  });
});
