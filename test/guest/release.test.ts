import { describe, expect, it } from "vitest";
import { declareRelease, parseMajor, readRelease } from "../../src/guest/release.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const osRelease = (id: string, version: string, name = id) =>
  `NAME="${name}"\nVERSION_ID="${version}"\nID="${id}"\nPRETTY_NAME="${name} ${version}"\n`;

describe("a guest's release", () => {
  it.each([
    ["/etc/oracle-release", "Oracle Linux Server release 6.10", 6, 10],
    ["/etc/oracle-release", "Oracle Linux Server release 7.9\r\n", 7, 9],
    ["/etc/enterprise-release", "Enterprise Linux Enterprise Linux Server release 5.5 (Carthage)", 5, 5],
    ["/etc/redhat-release", "Red Hat Enterprise Linux Server release 5.11 (Tikanga)", 5, 11],
    ["/etc/redhat-release", "Red Hat Enterprise Linux release 8.3 (Ootpa)", 8, 3],
    ["/etc/redhat-release", "Red Hat Enterprise Linux Workstation release 6.9 (Santiago)", 6, 9],
    ["/etc/redhat-release", "CentOS release 6.10 (Final)", 6, 10],
    ["/etc/centos-release", "CentOS Linux release 7.9.2009 (Core)", 7, 9],
    ["/etc/redhat-release", "CentOS Stream release 9", 9, 0],
    ["/etc/redhat-release", "Scientific Linux release 6.10 (Carbon)", 6, 10],
    ["/etc/redhat-release", "Scientific Linux CERN SLC release 6.9 (Carbon)", 6, 9],
    ["/etc/redhat-release", "Rocky Linux release 8.5 (Green Obsidian)", 8, 5],
    ["/etc/redhat-release", "AlmaLinux release 9.2 (Turquoise Kodkod)", 9, 2],
  ])("is read from %s: %s", async (file, text, major, update) => {
    expect(await readRelease(memoryTree({ [file]: text }))).toEqual({ name: text.trim(), major, update });
  });

  it("is that of a variant that is not an appliance", async () => {
    const text = `${osRelease("ol", "8.10", "Oracle Linux Server")}VARIANT="Server"\nVARIANT_ID="server"\n`;
    expect(await readRelease(memoryTree({ "/etc/os-release": text }))).toMatchObject({ major: 8 });
  });

  it("of an appliance is the one that --as gives", async () => {
    const tree = memoryTree({ "/etc/os-release": `${osRelease("rhel", "4.4")}VARIANT_ID=ovirt-node\n` });
    declareRelease(tree, 8);
    expect(await readRelease(tree)).toMatchObject({ name: "rhel 4.4, treated as Oracle Linux 8", major: 8 });
  });

  it.each([
    ["ol", 7],
    ["rhel", 8],
    ["centos", 7],
    ["rocky", 9],
    ["almalinux", 9],
    ["scientific", 7],
  ])("is read from os-release alone: %s", async (id, major) => {
    const release = await readRelease(memoryTree({ "/usr/lib/os-release": osRelease(id, `${major}.4`) }));
    expect(release).toMatchObject({ major, update: 4 });
  });

  it.each([
    ["Fedora", { "/etc/redhat-release": "Fedora release 8 (Werewolf)" }],
    ["XenServer", { "/etc/redhat-release": "XenServer release 7.6.0 (xenenterprise)" }],
    ["Mageia", { "/etc/mageia-release": "Mageia release 8 (Official) for x86_64" }],
    ["Red Hat Linux", { "/etc/redhat-release": "Red Hat Linux release 9 (Shrike)" }],
    ["Oracle VM server", { "/etc/redhat-release": "Oracle VM server release 5.0" }],
    ["CloudLinux", { "/etc/redhat-release": "CloudLinux release 7.9 (Boris Yegorov)" }],
    ["Amazon Linux", { "/etc/system-release": "Amazon Linux release 7" }],
    ["openEuler", { "/etc/os-release": osRelease("openEuler", "9.0", "openEuler") }],
    ["Debian", { "/etc/os-release": osRelease("debian", "9", "Debian GNU/Linux") }],
    [
      "Red Hat Virtualization Host",
      {
        "/etc/redhat-release": "Red Hat Enterprise Linux release 8.3 (Ootpa)",
        "/etc/os-release": `${osRelease("rhel", "4.4", "Red Hat Virtualization Host")}VARIANT_ID="ovirt-node"\n`,
      },
    ],
    [
      "oVirt Node",
      {
        "/etc/centos-release": "CentOS Stream release 8",
        "/etc/os-release": `${osRelease("centos", "8", "oVirt Node")}VARIANT_ID=ovirt-node\n`,
      },
    ],
    [
      "Red Hat Enterprise Linux Atomic Host",
      {
        "/etc/os-release": `${osRelease("rhel", "7.9", "Red Hat Enterprise Linux Atomic Host")}VARIANT_ID=atomic.host\n`,
      },
    ],
    ["Anolis OS", { "/etc/redhat-release": "Anolis OS release 8.8" }],
    ["release 10", { "/etc/oracle-release": "Oracle Linux Server release 10.0" }],
    ["release 4", { "/etc/redhat-release": "Red Hat Enterprise Linux AS release 4 (Nahant)" }],
    // An editor made it look like Red Hat for an installer; os-release and fedora-release still know.
    [
      "Fedora",
      {
        "/etc/redhat-release": "Red Hat Enterprise Linux Server release 7.9",
        "/etc/os-release": osRelease("fedora", "28", "Fedora"),
      },
    ],
    [
      "Fedora",
      {
        "/etc/redhat-release": "Red Hat Enterprise Linux Server release 5",
        "/etc/fedora-release": "Fedora release 8 (Werewolf)",
      },
    ],
  ])("%s is not supported, and is named", async (name, files) => {
    await expect(readRelease(memoryTree(files as unknown as Record<string, string>))).rejects.toMatchObject({
      fault: "guest",
      message: expect.stringContaining(name),
      hint: expect.stringContaining("--as ol7"),
    });
  });

  it("is not guessed if two files contradict each other", async () => {
    const tree = memoryTree({
      "/etc/redhat-release": "CentOS release 6.10 (Final)",
      "/etc/os-release": osRelease("centos", "7"),
    });
    await expect(readRelease(tree)).rejects.toThrow(
      /CentOS release 6\.10.* but centos 7 according to \/etc\/os-release/,
    );
  });

  it("is Oracle's own, even if redhat-release was changed for an installer", async () => {
    const tree = memoryTree({
      "/etc/oracle-release": "Oracle Linux Server release 7.9",
      "/etc/redhat-release": "Red Hat Enterprise Linux Server release 5",
      "/etc/os-release": osRelease("ol", "7.9"),
    });
    expect(await readRelease(tree)).toMatchObject({ major: 7, update: 9 });
  });

  it("shows no control characters of the guest's", async () => {
    const tree = memoryTree({ "/etc/redhat-release": "Evil\u001b[2J release 7" });
    await expect(readRelease(tree)).rejects.toThrow("is Evil [2J release 7;");
  });

  it("may be given for an unknown guest, and only for such a guest", async () => {
    const fedora = memoryTree({ "/etc/redhat-release": "Fedora release 8 (Werewolf)" });
    declareRelease(fedora, parseMajor("ol7"));
    expect(await readRelease(fedora)).toEqual({
      name: "Fedora release 8 (Werewolf), treated as Oracle Linux 7",
      major: 7,
      update: 0,
    });
    const nameless = memoryTree({});
    declareRelease(nameless, 6);
    expect(await readRelease(nameless)).toMatchObject({ major: 6 });
    const six = memoryTree({ "/etc/oracle-release": "Oracle Linux Server release 6.10\n" });
    declareRelease(six, 7);
    await expect(readRelease(six)).rejects.toThrow("is Oracle Linux Server release 6.10, but --as says ol7");
    expect(() => parseMajor("fedora")).toThrow("--as fedora");
  });
});
