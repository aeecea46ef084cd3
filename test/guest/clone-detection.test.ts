import { describe, expect, it } from "vitest";
import { firstBoot } from "../../src/firstboot/arming.ts";
import { cloneDetection } from "../../src/firstboot/clone-detection.ts";
import { clonePending, cloneRecord } from "../../src/firstboot/clone-files.ts";
import { standardParameters } from "../../src/firstboot/standard-modules.ts";
import { applyAll } from "../../src/guest/operation.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const guests = {
  5: {
    "/etc/enterprise-release": "Enterprise Linux Enterprise Linux Server release 5.11 (Carthage)\n",
    "/usr/bin/python": "",
    "/usr/lib64/python2.4/site-packages/simplejson/__init__.py": "",
  },
  6: { "/etc/oracle-release": "Oracle Linux Server release 6.10\n", "/usr/bin/python": "" },
  7: { "/etc/oracle-release": "Oracle Linux Server release 7.9\n", "/usr/bin/python": "" },
  8: { "/etc/oracle-release": "Oracle Linux Server release 8.10\n", "/usr/libexec/platform-python": "" },
  9: { "/etc/oracle-release": "Oracle Linux Server release 9.4\n", "/usr/bin/python3": "" },
} as const;
const majors = [5, 6, 7, 8, 9] as const;
const guestOf = (major: keyof typeof guests, more: Record<string, string> = {}) =>
  memoryTree({ ...guests[major], "/etc/rc.d/rc.sysinit": "", ...more });

describe("clone detection", () => {
  it.each(majors)("is installed and armed by a seal in a guest of OL%i without additions", async (major) => {
    const tree = guestOf(major);
    await applyAll(tree, sealOperations({ detect: "mac" }));
    expect(await tree.text(cloneRecord)).toBe("template\n");
    const links = [
      ...(await tree.glob("/etc/rc.d/rc3.d/*")),
      ...(await tree.glob("/etc/systemd/system/multi-user.target.wants/*")),
    ];
    expect(links.map((path) => path.replace(/.*\//, ""))).toEqual(
      major <= 6
        ? ["S02tbuild-clone-detect", "S11tbuild-clone"]
        : ["tbuild-clone-detect.service", "tbuild-clone.service"],
    );
    expect(await tree.glob("/etc/template.d/configure/*")).toHaveLength(8);
    const python = { 5: "/usr/bin/python", 6: "/usr/bin/python", 7: "/usr/bin/python" } as Record<
      number,
      string
    >;
    const wanted = python[major] ?? (major === 8 ? "/usr/libexec/platform-python" : "/usr/bin/python3");
    for (const path of ["/usr/libexec/tbuild-clone", "/etc/template.d/scripts/network"])
      expect((await tree.text(path))?.split("\n")[0], path).toBe(`#!${wanted}`);
    const once = tree.snapshot();
    await applyAll(tree, sealOperations({ detect: "mac" }));
    expect(tree.snapshot()).toEqual(once);
  });

  it("starts before kudzu and the network, and configures before sshd", async () => {
    const tree = guestOf(6);
    await applyAll(tree, [cloneDetection]);
    const order = async (name: string) =>
      Number(/chkconfig: 2345 (\d+)/.exec((await tree.text(`/etc/rc.d/init.d/${name}`)) ?? "")?.[1]);
    expect(await order("tbuild-clone-detect")).toBeLessThan(5);
    expect(await order("tbuild-clone")).toBeGreaterThan(10);
    expect(await order("tbuild-clone")).toBeLessThan(55);
  });

  it("configures before sshd and each console, after the network; a console's login waits for no common target", async () => {
    const tree = guestOf(8);
    await applyAll(tree, [cloneDetection]);
    const unit = (await tree.text("/usr/lib/systemd/system/tbuild-clone.service")) ?? "";
    const words = (key: string) =>
      [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].flatMap(([, all = ""]) => all.split(" "));
    expect(words("Before")).toEqual(
      expect.arrayContaining(["sshd.service", "getty@tty1.service", "serial-getty@ttyS0.service"]),
    );
    expect(words("After")).toEqual(expect.arrayContaining(["network.service", "NetworkManager.service"]));
  });

  it("forgets the addresses of a machine that ran, and a configuration that was pending", async () => {
    const tree = guestOf(6, { [cloneRecord]: "00:21:f6:00:00:01\n", [clonePending]: "00:21:f6:00:00:02\n" });
    await applyAll(tree, [cloneDetection]);
    expect(await firstBoot.pending(tree)).toEqual(expect.arrayContaining([cloneRecord, clonePending]));
    await applyAll(tree, [firstBoot]);
    expect(await tree.text(cloneRecord)).toBe("template\n");
    expect(await tree.stat(clonePending)).toBeUndefined();
  });

  it("keeps the guest's own module, and its hooks", async () => {
    const own =
      "#!/usr/bin/python\n### BEGIN PLUGIN INFO\n# name: network\n# configure: 50\n### END PLUGIN INFO\n";
    const tree = guestOf(6, {
      "/etc/template.d/scripts/network": own,
      "/etc/tbuild/clone.d/10-own": "#!/bin/sh\n",
    });
    await applyAll(tree, [cloneDetection]);
    expect(await tree.text("/etc/template.d/scripts/network")).toBe(own);
    expect(await tree.glob("/etc/template.d/configure/*network")).toEqual([]);
    expect(await tree.text("/etc/tbuild/clone.d/10-own")).toBe("#!/bin/sh\n");
  });

  it("is not installed if the guest has no Python for it", async () => {
    const bare = memoryTree({ "/etc/oracle-release": "Oracle Linux Server release 9.4\n" });
    await expect(applyAll(bare, [cloneDetection])).rejects.toThrow("the guest has no Python");
    const { "/usr/lib64/python2.4/site-packages/simplejson/__init__.py": _, ...old } = guests[5];
    await expect(applyAll(memoryTree(old), [cloneDetection])).rejects.toThrow("has no simplejson");
  });

  it("adds the parameters of the standard modules to a template", async () => {
    const names = (await standardParameters()).map(({ name }) => name);
    expect(names).toEqual([
      "selinux",
      "firewall",
      "datetime",
      "network",
      "system",
      "user",
      "ssh",
      "authentication",
    ]);
    const keys = (await standardParameters()).flatMap(({ parameters }) => parameters.map(({ key }) => key));
    expect(keys).toEqual(
      expect.arrayContaining(["com.oracle.linux.network.ipaddr.0", "com.oracle.linux.root-password"]),
    );
  });
});
