import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import { loadRecipe, recipeNames } from "../../src/recipe/load.ts";
import { assignment } from "../../src/recipe/merge.ts";
import { resolvedText, resolvedValues } from "../../src/recipe/resolved.ts";
import { rules } from "../../src/recipe/rules.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-recipe-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const whole = `name: small
version: 1.0.0
summary: a small one
release: ol6
update: 10
iso: { file: a.iso, volumeId: OL6, sha256: ${"a".repeat(64)} }
kickstart: ol6
layout:
  - { mount: /boot, fs: ext3, size: 500M }
  - { mount: /, fs: ext4, size: 3G, grow: true }
repositories:
  - { id: ol6_addons, name: addons, url: "https://yum.oracle.com/x/" }
additions: { repository: ol6_addons, packages: [ovmd] }
domainType: XEN_PVM
`;

async function load(text: string, name = "small") {
  await writeFile(join(folder, `${name}.yaml`), text);
  return loadRecipe(folder, name, rules);
}

const set = (text: string, from = `--set ${text.replace(/\+?=.*/, "")}`) =>
  assignment(text, from) ?? expect.fail(`${text} is not an assignment`);

const faults = (text: string) => faultsOf(text, "small");

async function faultsOf(text: string, name: string): Promise<TbuildError> {
  return load(text, name).then(
    () => expect.fail("the recipe was accepted"),
    (error) => error,
  );
}

describe("a recipe", () => {
  it("that is not UTF-8 is refused, and not read with other letters", async () => {
    await writeFile(join(folder, "latin.yaml"), Buffer.from(`${whole}# caf\xe9\n`, "latin1"));
    await expect(loadRecipe(folder, "latin", rules)).rejects.toThrow(/latin\.yaml: is not UTF-8/);
  });

  it("is read with sizes in MiB and defaults filled in", async () => {
    const { recipe } = await load(whole);
    expect(recipe.layout[1]).toEqual({ mount: "/", fs: "ext4", size: 3072, grow: true });
    expect(recipe.machine).toEqual({ vcpus: 1, memory: 1024, disk: 12288, firmware: "bios" });
    expect(recipe.seal.how).toBe("offline");
  });

  it("grows the lists of what it extends, and replaces a layout as a whole", async () => {
    await load(whole);
    const { recipe } = await load(
      `extends: small
name: grown
additions: { packages: [ovm-template-config] }
layout: [{ mount: /boot, fs: ext3, size: 200M }, { mount: /, fs: ext4, size: 2G }]
`,
      "grown",
    );
    expect(recipe.additions?.packages).toEqual(["ovmd", "ovm-template-config"]);
    expect(recipe.layout.map((part) => part.size)).toEqual([200, 2048]);
  });

  it("with six faults names all six, of shape and of meaning, each with its line", async () => {
    const error = await faults(
      whole
        .replace("version: 1.0.0", "version: one")
        .replace("kickstart: ol6", "kickstart: ol6\nkickstrat: ol7")
        .replace("fs: ext3, size: 500M", "fs: ext3, size: half")
        .replace("repository: ol6_addons", "repository: ol6_addon")
        .replace("domainType: XEN_PVM", "domainType: XEN_PV\nseal: { skip: [machine_id] }\nmodules: [gird]"),
    );
    expect(error).toBeInstanceOf(TbuildError);
    expect(error.fault).toBe("usage");
    const text = error.lines.map((line) => line.replace(/^.*small\.yaml/, "small.yaml"));
    expect(text).toHaveLength(7);
    expect(text).toEqual([
      'small.yaml:2:10: version: "one" is not three numbers, such as 1.0.0',
      'small.yaml:8:12: kickstrat: no such key; did you mean "kickstart"?',
      'small.yaml:10:37: layout.0.size: "half" is not a size such as 500M, 12G or 2T',
      'small.yaml:14:26: additions.repository: there is no repository "ol6_addon"; did you mean "ol6_addons"?',
      'small.yaml:15:13: domainType: "XEN_PV" is not an allowed value; did you mean "XEN_PVM"?',
      'small.yaml:16:16: seal.skip.0: no operation is named "machine_id"; did you mean "machine-id"?',
      "small.yaml:17:11: modules.0: no folder modules/gird",
    ]);
  });

  it.each([
    [
      "a number for a size",
      "machine: { memory: 4 }",
      "1:20: machine.memory: 4 is not a size such as 500M, 12G or 2T",
    ],
    [
      "a size in TiB",
      "machine: { disk: 2TiB }",
      '"2TiB" is not a size such as 500M, 12G or 2T; did you mean "2T"?',
    ],
    ["a size in small letters", "machine: { disk: 12g }", 'did you mean "12G"?'],
    ["a decimal size", "machine: { memory: 2.5G }", 'did you mean "2560M"?'],
    ["a size without a unit", "machine: { memory: 2048 }", 'did you mean "2048M"?'],
    ["a negative size", "machine: { memory: -2G }", '"-2G" is not a size such as 500M, 12G or 2T'],
    ["no size at all", "machine: { memory: 0G }", '"0G" is not a size such as 500M, 12G or 2T'],
    ["an update as text", "update: '9'", '1:9: update: should be a whole number, but "9" is text'],
    ["a boolean for a list", "ports: yes", "1:8: ports: should be a list, such as [yes]"],
    ["a boolean for keys", "packages: yes", "1:11: packages: should be a group of keys"],
    ["a port that is none", 'ports: ["0:tcp"]', "1:9: ports.0: 0:tcp is not a port; ports are 1 to 65535"],
    ["a port that is too large", 'ports: ["70000:tcp"]', "ports.0: 70000:tcp is not a port"],
    ["ports that end before they begin", 'ports: ["90-80:tcp"]', "ports.0: 90-80:tcp ends before it begins"],
    ["an alias without its anchor", "ntp: [*a]", "*a names an anchor that is not above it"],
    ["a tab before a key", "packages:\n\tinstall: [vim]", "Tabs are not allowed as indentation"],
    ["a colon that is missing", "packages:\n  install\n   - vim", "2:3: packages: should be a group of keys"],
    [
      "a key that is outdented",
      "machine:\n  memory: 2G\n disk: 20G",
      "is not in the same column as its sibling keys",
    ],
    ["a key on the line of another", "machine: memory: 2G", 'a value that contains ": " must be in quotes'],
    ["a bracket that is open", "packages: { install: [vim }", "the [ above is not closed"],
    ["a quote that is open", 'lang: "de', 'a " is not closed'],
    [
      "a mode without quotes",
      "folders: [{ path: /x, mode: 0755 }]",
      '1:29: folders.0.mode: 755 is not a mode such as "0775", in quotes',
    ],
    [
      "a port without its protocol",
      "ports: [1521]",
      "1:9: ports.0: 1521 is not a port such as 1521:tcp, or several as 7000-7010:tcp",
    ],
    ["a text for a list", "ntp: pool.ntp.org", "1:6: ntp: should be a list, such as [pool.ntp.org]"],
    ["a list for a text", "timezone: [UTC]", "1:1: timezone: should be a time zone such as Europe/Zurich"],
    ["no value", "lang:", "1:6: lang: should be a locale such as en_US.UTF-8"],
    [
      "a time zone that is none",
      "timezone: Europe/Zurch",
      '1:11: timezone: there is no time zone "Europe/Zurch"; did you mean "Europe/Zurich"?',
    ],
    [
      "a time zone in another spelling",
      "timezone: utc",
      '1:11: timezone: there is no time zone "utc"; did you mean "UTC"?',
    ],
    [
      "a key of a list's item",
      "disks: [{ size: 5G, filesystem: ext4 }]",
      "1:33: disks.0.filesystem: no such key",
    ],
    ["a key twice", "selinux: disabled\nselinux: enforcing", "2:1: selinux: is set twice"],
    ["a colon in a text", "summary: Oracle: all of it", '1:10: a value that contains ": " must be in quotes'],
    [
      "an item in another column",
      "packages:\n  install:\n   - vim\n  - nano",
      "4:1: its - is not in the same column as the list items above it",
    ],
    [
      "a key in another column",
      "machine:\n  disk: 20G\n memory: 2G",
      "3:1: is not in the same column as its sibling keys",
    ],
    [
      "keys behind a value",
      "machine: 1G\n  disk: 20G",
      "1:10: it already has a value, but the next line is indented as a part of it",
    ],
    ["an open list", "packages: { base: [ksh, zsh }", "the [ above is not closed"],
    ["an open quote", "summary: 'abc", "is not closed"],
    [
      "a name that begins with @",
      "packages: { base: [@base] }",
      "1:20: a value that begins with @ must be in quotes",
    ],
    [
      "yes",
      "firewall: yes",
      '1:11: firewall: should be true or false; "yes" is a text in YAML 1.2, so write true',
    ],
    ["a word for a switch", "firewall: open", "1:11: firewall: should be true or false"],
    ["an empty list", "nics: []", "1:1: nics: is empty; it needs at least one item"],
    ["too many", "machine: { vcpus: 4096 }", "1:19: machine.vcpus: 4096 is too large; the maximum is 128"],
    ["too few", "machine: { vcpus: 0 }", "1:19: machine.vcpus: 0 is too small; the minimum is 1"],
    [
      "a keyboard that is none",
      "keyboard: sg-latin",
      '1:11: keyboard: ol6 has no keyboard "sg-latin"; did you mean "sg-latin1"?',
    ],
    [
      "a language that is none",
      "lang: de_CX.UTF-8",
      '1:7: lang: there is no language "de_CX"; did you mean "de_',
    ],
    [
      "a character set that is none",
      "lang: de_CH.UFT-8",
      '1:7: lang: there is no character set "UFT-8"; did you mean "UTF-8"?',
    ],
    [
      "ports that end before they begin",
      'ports: ["90-80:tcp"]',
      "1:9: ports.0: 90-80:tcp ends before it begins",
    ],
    [
      "a disk that OL6 cannot start from",
      "machine: { disk: 3T }",
      "1:18: machine.disk: is larger than 2 TiB, but ol6",
    ],
    [
      "an item of a list that grew, by its place in this file",
      "additions: { packages: [ovm-template-config, a b] }",
      '1:46: additions.packages.1: "a b" is not a package name',
    ],
    [
      "the kernel taken away",
      "packages: { exclude: ['kernel*'] }",
      "1:23: packages.exclude.0: excludes kernel-uek, which every build needs",
    ],
    [
      "sshd's package removed",
      "packages: { remove: [openssh-server] }",
      "1:22: packages.remove.0: removes openssh-server, which every build needs",
    ],
    [
      "an addition removed",
      "packages: { remove: [ovmd] }",
      "1:22: packages.remove.0: removes ovmd, one of the guest additions (",
    ],
    [
      "a package in and out",
      "packages: { base: [ksh, 'lib.x'], exclude: ['ks*', libyx] }",
      "1:45: packages.exclude.0: excludes ksh, which packages.base installs (",
    ],
    [
      "a package on and off",
      "packages: { install: [tmux], remove: [tmux] }",
      "1:39: packages.remove.0: removes tmux, which packages.install installs (",
    ],
    [
      "a service on and off",
      "services: { enable: [httpd], disable: [httpd.service] }",
      "1:40: services.disable.0: httpd is enabled as well; to replace an inherited list",
    ],
    [
      "an architecture on a package in and out",
      "packages: { base: [ksh], exclude: [ksh.x86_64, glibc.i686] }",
      "packages.exclude.0: excludes ksh, which packages.base installs (",
    ],
    [
      "a needed package removed by its architecture",
      "packages: { remove: [openssh-server.x86_64] }",
      "packages.remove.0: removes openssh-server, which every build needs",
    ],
    [
      "the service of the first boot off",
      "services: { disable: [ovmd.service] }",
      "services.disable.0: disables ovmd, which configures the first boot (",
    ],
    [
      "a service of a package that is removed",
      "services: { enable: [httpd] }\npackages: { remove: [httpd] }",
      "packages.remove.0: removes the package of httpd, which services.enable enables (",
    ],
    [
      "a path that is a file and a folder",
      "files: [{ path: /etc/x, content: a }]\nfolders: [{ path: /etc/x }]",
      "files.0.path: /etc/x is also one of the folders (",
    ],
    [
      "a file below a file",
      "files: [{ path: /u01/x, content: a }, { path: /u01/x/y, content: b }]",
      "1:47: files.1.path: /u01/x/y is below /u01/x, which is a file (",
    ],
    [
      "a folder below a file",
      "files: [{ path: /u01//x, content: a }]\nfolders: [{ path: /u01/x/z/ }]",
      "2:19: folders.0.path: /u01/x/z is below /u01/x, which is a file (",
    ],
    [
      "two contents of a file",
      "files: [{ path: /etc/x, content: a }, { path: /etc//x, content: b }]",
      "files.1.path: /etc/x is listed twice, with a different content (",
    ],
    [
      "two modes of a folder",
      'folders: [{ path: /u02, mode: "0755" }, { path: /u02/, mode: "0700" }]',
      "folders.1.path: /u02 is listed twice, with a different mode (",
    ],
    [
      "a service of a package of another name that is excluded",
      "services: { enable: [ntpd.service] }\npackages: { exclude: [ntp] }",
      "packages.exclude.0: excludes the package of ntpd.service, which services.enable enables (",
    ],
    [
      "time servers and no package for them",
      "ntp: [a.example]\npackages: { exclude: [ntp] }",
      "packages.exclude.0: excludes ntp, which ntp needs for its servers (",
    ],
    ["a tab", "packages:\n\tbase: [ksh]", "2:1: Tabs are not allowed as indentation"],
  ])("with %s gets an error with its place", async (_what, line, told) => {
    await load(whole);
    const { lines } = await faultsOf(`${line}\nextends: small\nname: wrong\n`, "wrong");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/wrong\.yaml:\d+:\d+: /);
    expect(lines[0]?.replace(/^.*?(?=wrong\.yaml)/, "")).toContain(
      /^\d/.test(told) ? `wrong.yaml:${told}` : told,
    );
  });

  it.each([
    [
      "ol5",
      [
        "SysVinit",
        "mkinitrd",
        "util-linux",
        "grub",
        "initscripts",
        "e2fsprogs",
        "oraclelinux-release",
        "enterprise-release",
        "redhat-release",
        "yum",
        "kernel-uek",
        "python",
        "udev",
      ],
      ["dracut", "xfsprogs"],
    ],
    [
      "ol6",
      [
        "upstart",
        "dracut",
        "util-linux-ng",
        "grub",
        "passwd",
        "oraclelinux-release",
        "redhat-release-server",
        "yum",
        "grubby",
        "kernel-uek",
      ],
      ["systemd", "xfsprogs", "kernel", "dnf"],
    ],
    [
      "ol7",
      [
        "systemd",
        "dracut",
        "util-linux",
        "grub2-pc",
        "dbus",
        "initscripts",
        "oraclelinux-release",
        "redhat-release-server",
        "yum",
        "grub2-tools",
        "kmod",
      ],
      ["grub2-efi-x64", "kernel", "oraclelinux-release-el7"],
    ],
    [
      "ol8",
      [
        "systemd",
        "shadow-utils",
        "grub2-tools",
        "filesystem",
        "setup",
        "glibc-common",
        "yum",
        "dnf",
        "oraclelinux-release",
        "redhat-release",
        "platform-python",
        "procps-ng",
        "kernel-uek-core",
      ],
      ["initscripts", "kernel-core", "oraclelinux-release-el8"],
    ],
    [
      "ol9",
      ["systemd", "passwd", "grub2-common", "e2fsprogs", "oraclelinux-release", "python3", "grubby"],
      ["btrfs-progs"],
    ],
  ])("of %s keeps the packages for boot and login", async (release, needed, free) => {
    const base = whole
      .replace("ol6\n", `${release}\n`)
      .replace("update: 10", "update: 3")
      .replace("ext4", "ext3")
      .replace("XEN_PVM", "XEN_HVM_PV_DRIVERS");
    const { lines } = await faults(`${base}packages: { remove: [${[...needed, ...free]}] }\n`);
    expect(lines.map((line) => /removes (\S+), which every build needs/.exec(line)?.[1])).toEqual(needed);
  });

  it.each([
    ["ol5", "oraclelinux-release*"],
    ["ol6", "redhat-release*"],
    ["ol7", "grub2*"],
    ["ol7", "kernel*"],
    ["ol8", "dnf*"],
    ["ol9", "dracut*"],
  ])("of %s keeps the packages of %s", async (release, pattern) => {
    const base = whole
      .replace("ol6\n", `${release}\n`)
      .replace("update: 10", "update: 3")
      .replace("ext4", "ext3")
      .replace("XEN_PVM", "XEN_HVM_PV_DRIVERS");
    const { lines } = await faults(`${base}packages: { remove: ["${pattern}"] }\n`);
    expect(lines).toEqual([expect.stringMatching(/removes \S+, which every build needs \(.*:\d+\)$/)]);
  });

  it.each([
    [
      "packages: { install: [gcc-8.5.0-4.el8], remove: [gcc] }",
      "removes gcc-8.5.0-4.el8, which packages.install installs (",
    ],
    ["services: { enable: [iptables] }\nfirewall: false", "enables iptables, but firewall is off ("],
    ["services: { disable: [iptables] }\nports: ['80:tcp']", "disables iptables, which opens the ports ("],
    ["kernelArguments: [selinux=0]\nselinux: enforcing", "selinux=0 contradicts selinux: enforcing ("],
    ["target: kvm\nbundles: [ova]\ndomainType: XEN_HVM", "ova is for Xen, but the target is kvm"],
    ["kernelArguments: [root=/dev/sda9]", "root=/dev/sda9 would start another system"],
    ["services: { disable: [ntpd] }\nntp: [a.example]", "disables ntpd, which ntp needs for its servers ("],
    ["users: [{ name: root, uid: 1001, group: users, home: /home/a }]", "root exists in every guest"],
    ["disks: [{ size: 5G, fs: ext4, mount: /var }]", "the installer fills /var"],
    [
      "kernelArguments: ['ip=10.0.0.7::10.0.0.1:255.255.255.0::eth0:none']",
      "sets an address, which all clones would share",
    ],
    ["kernelArguments: [systemd.hostname=vm1]", "sets a host name, which all clones would share"],
    [
      "files: [{ path: /etc/machine-id, content: a }]",
      "/etc/machine-id belongs to a single machine, and the seal removes it",
    ],
    [
      "files: [{ path: /etc/tbuild-release, content: a }]",
      "/etc/tbuild-release is the passport of the template, which the seal writes",
    ],
    [
      "files: [{ path: /root/.ssh/authorized_keys, content: a }]",
      "/root/.ssh/authorized_keys is removed by the seal, which resets root's logins",
    ],
    ["packages: { exclude: ['openssh*'] }", "excludes openssh-server, which every build needs ("],
    ["kernelArguments: [quiet, single]", "single would start a shell for repairs or another target"],
    ["bundles: [ova, raw, ova]", "ova is listed twice"],
    ["machine: { memory: 999999999999G }", '"999999999999G" is not a size such as 500M, 12G or 2T'],
    ['lang: "x\\ny"', '"x\\x0ay" is not a locale such as en_US.UTF-8'],
    ["seal: { keep: [/etc/ssh/../shadow] }", "seal.keep.0: must not contain .."],
    ["lang: en_US.UTF-8\n---\nkeyboard: us", "a second document begins here, but a file has only one"],
    ["groups: [{ name: dba, gid: 10 }]", "10 is the number of the system's group wheel"],
    ["groups: [{ name: tty, gid: 77 }]", "the system's group tty keeps its number 5"],
    ["users: [{ name: oracle, uid: 8, group: users }]", "8 is the number of the system's user mail"],
  ])("says what is wrong with %s", async (line, told) => {
    await load(whole);
    const { lines } = await faultsOf(`${line}\nextends: small\nname: wrong\n`, "wrong");
    expect(lines).toEqual([expect.stringContaining(told)]);
  });

  it("names a module that is listed twice", async () => {
    for (const name of ["grid", "hosts"]) await mkdir(join(folder, "modules", name), { recursive: true });
    const { lines } = await faults(`${whole}modules: [grid, hosts, grid]\n`);
    expect(lines).toEqual([expect.stringContaining("small.yaml:15:24: modules.2: grid is listed twice")]);
  });

  it("accepts apparent contradictions", async () => {
    await load(
      `${whole}packages: { install: [java-1.8.0-openjdk, compat-libstdc++-33], remove: [java, compat-libstdc++] }\ndisks: [{ size: 5G, fs: ext4, mount: /usr/local }, { size: 5G, fs: ext4, mount: /var/www }]\ngroups: [{ name: wheel, gid: 10 }]\nkernelArguments: ['ip=dhcp']\n`,
    );
  });

  it.each(["/etc", "/bin", "/root", "/proc/x"])("has no file system of its own for %s", async (mount) => {
    const layout = `layout: [{ mount: /boot, fs: ext3, size: 200M }, { mount: /, fs: ext4, size: 2G }, { mount: ${mount}, fs: ext4, size: 1G }]`;
    await load(whole);
    const { lines } = await faultsOf(`${layout}\nextends: small\nname: wrong\n`, "wrong");
    expect(lines).toEqual([expect.stringContaining(`${mount} must be on the file system of /`)]);
  });

  it("may exclude, up to OL7, what the installer brings back, and from OL8 on it may not", async () => {
    const excludes = (release: string) =>
      `${whole.replace("ol6\n", `${release}\n`).replace("update: 10", "update: 3").replace("XEN_PVM", "XEN_HVM_PV_DRIVERS")}packages: { exclude: [systemd, e2fsprogs, grub2-pc] }\n`;
    await load(excludes("ol7"));
    expect((await faults(excludes("ol8"))).lines).toHaveLength(3);
  });

  it("under UEFI keeps the loader of UEFI, and not the one of a BIOS", async () => {
    const { lines } = await faults(
      `${whole.replace("ol6\n", "ol8\n").replace("XEN_PVM", "XEN_HVM_PV_DRIVERS")}machine: { firmware: uefi }\nbundles: [qcow2]\npackages: { remove: [grub2-pc, shim-x64] }\n`,
    );
    expect(lines).toEqual([expect.stringContaining("removes shim-x64, which every build needs")]);
  });

  it("may give an inherited path again, the same file twice, and a package in place of an excluded one", async () => {
    await load(`${whole}files: [{ path: /etc/x, content: a }]\nfolders: [{ path: /u02 }]\n`);
    const { recipe } = await load(
      'extends: small\nname: again\nfiles: [{ path: /etc/x, content: b }, { path: /etc/y, content: c, mode: "644" }, { path: /etc/y, content: c }]\nfolders: [{ path: /u02, mode: "0700" }, { path: /u02/x }]\nservices: { enable: [ntpd] }\npackages: { exclude: [ntp], install: [ntp] }\n',
      "again",
    );
    expect(recipe.files.map(({ content }) => content)).toEqual(["a", "b", "c", "c"]);
  });

  it("takes one stream of a module", async () => {
    await load(whole);
    const { lines } = await faultsOf(
      "extends: small\nname: wrong\nrelease: ol8\nupdate: 9\npackages: { base: ['@nodejs:18'], install: ['@nodejs:20/common', '@nodejs:18/x'] }\n",
      "wrong",
    );
    expect(
      lines.filter((line) => line.includes("stream")).map((line) => line.replace(/[^ (]*\//g, "")),
    ).toEqual([expect.stringMatching(/second stream of nodejs, in addition to 18 \(wrong\.yaml:5\)$/)]);
  });

  it("names both lines of a contradiction, whichever files they are in", async () => {
    await load(whole);
    const { lines } = await faultsOf(
      "extends: small\nname: wrong\npackages:\n  base:\n    - tmux\n  exclude:\n    - tmux\n  remove: [ovmd]\n",
      "wrong",
    );
    expect(lines.map((line) => line.replace(/[^ (]*\//g, ""))).toEqual([
      expect.stringMatching(/^wrong\.yaml:7:7: .*packages\.base installs \(wrong\.yaml:5\)$/),
      expect.stringMatching(/^wrong\.yaml:8:12: .*guest additions \(small\.yaml:\d+\)$/),
    ]);
  });

  it("with patterns of many stars is compared in milliseconds", async () => {
    await load(whole);
    const names = Array.from({ length: 300 }, (_, index) => `${"a".repeat(100)}${index}`);
    const started = performance.now();
    await load(
      `extends: small\nname: stars\npackages: { base: [${names}], exclude: ["${"a*".repeat(60)}b"] }\n`,
      "stars",
    );
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it.each([
    ["a YAML fault", "name: [unclosed", /not a YAML file/],
    ["a list", "- a\n- b\n", /not a recipe/],
    ["nothing", "", /not a recipe/],
    ["an alias within itself", "name: &a [*a]\n", /aliases expand to too much, or refer to themselves/],
    [
      "aliases of aliases",
      `a: &a [${"x,".repeat(20)}]\nb: &b [${"*a,".repeat(20)}]\nc: &c [${"*b,".repeat(20)}]\nd: [${"*c,".repeat(20)}]\n`,
      /aliases expand to too much/,
    ],
    ["itself above it", "extends: small\nname: small\n", /extends itself/],
  ])("that is %s is refused in words", async (_what, text, message) => {
    expect((await faults(text)).message).toMatch(message);
  });

  it("that does not exist is answered with the nearest name", async () => {
    await load(whole);
    await expect(loadRecipe(folder, "smal")).rejects.toThrow(/no such recipe; did you mean "small"\?/);
  });

  it("is found in the next folder, which also has what it extends, modules, and recipes of the same name", async () => {
    const next = join(folder, "package");
    await mkdir(join(next, "modules/grid"), { recursive: true });
    await writeFile(join(next, "small.yaml"), whole);
    const folders = [folder, next];
    expect((await loadRecipe(folders, "small", rules)).files).toEqual([join(next, "small.yaml")]);
    await writeFile(join(folder, "mine.yaml"), "extends: small\nname: mine\nmodules: [grid]\n");
    const mine = await loadRecipe(folders, "mine", rules);
    expect(mine.files).toEqual([join(folder, "mine.yaml"), join(next, "small.yaml")]);
    await writeFile(join(folder, "small.yaml"), "extends: small\nsummary: ours\n");
    const ours = await loadRecipe(folders, "small", rules);
    expect(ours.files).toEqual([join(folder, "small.yaml"), join(next, "small.yaml")]);
    expect(ours.recipe.summary).toBe("ours");
    expect(await recipeNames(folders)).toEqual(["mine", "small"]);
    await rm(join(next, "small.yaml"));
    await expect(loadRecipe(folders, "small", rules)).rejects.toThrow(/extends itself/);
  });

  it("works over several levels, and `append` and `replace` override the default", async () => {
    await load(
      whole.replace("domainType", "packages: { base: [ksh, vim], install: [a] }\nnics: [public]\ndomainType"),
    );
    await load("extends: small\nname: middle\npackages: { base: [tar], install: [b] }\n", "middle");
    const { recipe, files } = await load(
      `extends: middle
name: top
replace: [packages.base]
append: [nics]
packages: { base: [zip], install: [c] }
nics: [storage]
`,
      "top",
    );
    expect(recipe.packages.base).toEqual(["zip"]);
    expect(recipe.packages.install).toEqual(["a", "b", "c"]);
    expect(recipe.nics).toEqual(["public", "storage"]);
    expect(files.map((file) => file.replace(/.*\//, ""))).toEqual(["top.yaml", "middle.yaml", "small.yaml"]);
    expect(
      (await faultsOf("extends: small\nname: top\nreplace: [packages.bse, nics]\n", "top")).lines,
    ).toEqual([
      expect.stringMatching(/top\.yaml:3:11: replace\.0: "packages\.bse" is not a list in this file$/),
      expect.stringMatching(/top\.yaml:3:25: replace\.1: "nics" is not a list in this file$/),
    ]);
  });

  it("takes values from outside over its own, the last on top, and says of each where it came from", async () => {
    await load(whole);
    const loaded = await loadRecipe(folder, "small", rules, [
      set("timezone=Europe/Zurich", "site.yaml"),
      set("machine.memory=2G", "TBUILD_SET_machine__memory"),
      set("machine.memory=4G"),
      set("layout.1.size=6G"),
      set("additions.packages+=libovmapi"),
      set("nics=[public, storage]"),
    ]);
    expect(loaded.recipe).toMatchObject({ timezone: "Europe/Zurich", nics: ["public", "storage"] });
    expect(loaded.recipe.machine.memory).toBe(4096);
    expect(loaded.recipe.layout.map((part) => part.size)).toEqual([500, 6144]);
    expect(loaded.recipe.additions?.packages).toEqual(["ovmd", "libovmapi"]);
    const from = new Map(
      resolvedValues(loaded).map((one) => [one.path, `${one.value} ${one.from.replace(/.*\//, "")}`]),
    );
    expect(from.get("machine.memory")).toBe("4G --set machine.memory");
    expect(from.get("machine.disk")).toBe("12G default");
    expect(from.get("layout.0.size")).toBe("500M small.yaml:9");
    expect(from.get("layout.1.size")).toBe("6G --set layout.1.size");
    expect(from.get("additions.packages.1")).toBe("libovmapi --set additions.packages");
    // What is shown is a recipe again, and the same one.
    const again = await load(resolvedText(loaded), "again");
    expect(again.recipe).toEqual(loaded.recipe);
  });

  it("names the source of a bad value that came from outside the recipe", async () => {
    await load(whole);
    const refused = await loadRecipe(folder, "small", rules, [
      set("machine.memroy=1G"),
      set("update=6.10"),
    ]).catch((error) => error);
    expect(refused.lines).toEqual([
      '--set machine.memroy: machine.memroy: no such key; did you mean "memory"?',
      "--set update: update: should be a whole number",
    ]);
  });

  it("contains no secret, only its source", async () => {
    const user = (password: string) =>
      whole.replace(
        "domainType",
        `users: [{ name: oracle, uid: 501, group: dba, password: ${password} }]\ndomainType`,
      );
    expect((await load(user("{ env: ORACLE_PASSWORD }"))).recipe.users[0]?.password).toEqual({
      env: "ORACLE_PASSWORD",
    });
    expect((await faults(user("welcome1"))).lines.join()).toContain(
      "users.0.password: a recipe contains a secret only by reference: { env: NAME } or { file: PATH }",
    );
  });

  it.each([
    ["ovm-3.4.6", "Oracle VM has no XEN_PVM from 3.4.6 on"],
    ["kvm", "KVM cannot run XEN_PVM"],
  ])("for %s is not made for PVM", async (target, words) => {
    expect(
      (await faults(whole.replace("domainType", `target: ${target}\ndomainType`))).lines.join(),
    ).toContain(words);
    await load(whole.replace("domainType", "target: ovm-3.4.5\ndomainType"));
  });

  it.each([
    ["{ to: pvm, bundles: [xl] }", "convert.0.to: is pvm, which domainType already makes the template"],
    ["{ to: kvm, bundles: [raw] }, { to: kvm, bundles: [raw] }", "convert.1.to: repeats kvm"],
    ["{ to: kvm, bundles: [raw, xva] }", "convert.0.bundles.1: xva is for Xen"],
  ])("converts its master for other machines only: %s", async (entries, words) => {
    const lines = async (text: string, domainType = "XEN_PVM") =>
      (
        await faults(whole.replace("domainType: XEN_PVM", `convert: [${text}]\ndomainType: ${domainType}`))
      ).lines.join();
    expect(await lines(entries)).toContain(words);
    expect(await lines("{ to: pvm, bundles: [xl] }", "XEN_HVM\ntarget: ovm-3.4.6")).toContain(
      "convert.0.to: Oracle VM has no XEN_PVM from 3.4.6 on",
    );
  });

  it.each([
    ["ol5", "{ mount: /, fs: ext4, size: 3G }", "ol5 cannot be installed on ext4"],
    ["ol6", "{ mount: /, fs: xfs, size: 3G }", "ol6 cannot be installed on xfs"],
    ["ol6", "{ mount: /, fs: ext4, size: 30G }", "needs 31220 MiB, but the disk has 12288 MiB"],
    ["ol6", "{ mount: /boot, fs: ext3, size: 1G }", "/boot is listed twice"],
    ["ol6", "{ mount: swap, fs: ext3, size: 1G }", "swap on ext3"],
  ])("on %s with %s is refused", async (release, part, words) => {
    const text = whole
      .replace("release: ol6", `release: ${release}`)
      .replace("{ mount: /, fs: ext4, size: 3G, grow: true }", part);
    expect((await faults(text)).lines.join("\n")).toContain(words);
  });

  it.each([
    ["disks: [{ size: 1G, fs: ext4 }]", "disks.0: needs both fs and mount, or neither"],
    ["disks: [{ size: 1G, fs: ext4, mount: /boot }]", "disks.0.mount: /boot is listed twice"],
    [
      "provision: post\ndisks: [{ size: 1G, fs: ext3, mount: /d }]",
      "the installer does not see further disks",
    ],
    ["packages: { base: ['@^minimal'] }", "packages.base.0: ol6 has groups, but no environments"],
    ["services: { disable: [sshd] }", "services.disable.0: without sshd no one can log in"],
    ["packages: { install: ['@nodejs:10'] }", "packages.install.0: ol6 has no modules"],
  ])("with %s is refused", async (more, words) => {
    expect((await faults(`${whole}${more}\n`)).lines.join("\n")).toContain(words);
  });

  it("on OL5 runs as PVM only with a kernel that can", async () => {
    const five = whole
      .replace("release: ol6", "release: ol5")
      .replace("fs: ext4", "fs: ext3")
      .replace("domainType", "kernel: rhck\ndomainType");
    expect((await faults(five)).lines.join()).toContain("only with kernel-xen in packages.base");
    await load(`${five}packages: { base: [kernel-xen] }\n`);
  });

  it("extends a recipe by file name, too, and names the line that refers to a missing one", async () => {
    await load(whole);
    expect((await load("extends: small.yaml\nname: grown\n", "grown")).recipe.name).toBe("grown");
    expect((await faults("extends: smal\nname: grown\n")).message).toMatch(
      /small\.yaml:1:10: extends smal: no such recipe/,
    );
  });

  it("cannot put PVM on a release that has none", async () => {
    const error = await faults(whole.replace("release: ol6", "release: ol7"));
    expect(error.lines.join()).toContain("ol7 cannot run as XEN_PVM; use XEN_HVM_PV_DRIVERS");
  });
});
