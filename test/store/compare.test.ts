import { describe, expect, it } from "vitest";
import type {
  FileRecord,
  GuestRecord,
  Manifest,
  PackageRecord,
  Parameter,
} from "../../src/model/manifest.ts";
import { compareRpmVersions } from "../../src/model/rpm-version.ts";
import { diffPage } from "../../src/pages/diff-page.ts";
import { compare, isSame, untold, withTexts } from "../../src/store/compare/compare.ts";
import { sectionsOf } from "../../src/store/compare/difference-words.ts";
import { proposalFor } from "../../src/store/compare/proposal.ts";
import { sampleManifest } from "../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"d".repeat(64)}`, bytes: 2 ** 30, dataBytes: 1 } as const;
const rpm = (name: string, version = "1.0", release = "1.el6"): PackageRecord => ({
  name,
  epoch: 0,
  version,
  release,
  arch: "x86_64",
});
const parameter = (key: string, changes: Partial<Parameter> = {}): Parameter => ({
  key,
  description: key,
  module: "grid",
  required: false,
  hidden: false,
  password: false,
  ...changes,
});
const file = (path: string, text: string, changes: Partial<FileRecord> = {}): FileRecord => ({
  path,
  kind: "file",
  mode: "644",
  owner: "0:0",
  digest: `sha256:${Buffer.from(text).toString("hex").padEnd(64, "0").slice(0, 64)}`,
  text,
  ...changes,
});
const guest: GuestRecord = {
  kernels: ["4.1.12"],
  services: ["ntpd", "sshd"],
  users: [{ name: "grid", uid: 54322, gid: 54321, home: "/home/grid", shell: "/bin/bash" }],
  groups: [{ name: "dba", gid: 54322, members: ["oracle"] }],
  modules: [{ name: "grid", digest: `sha256:${"1".repeat(64)}` }],
  files: [file("/etc/ntp.conf", "server a\nserver b\n"), file("/etc/gone", "x")],
  volumes: [],
};
const before = sampleManifest(disk, { guest, packages: [rpm("bash"), rpm("ksh"), rpm("openssl", "1.0.1e")] });
const changed = (changes: Partial<Manifest>) => compare(before, { ...before, version: "1.0.1", ...changes });
const inside = (changes: Partial<GuestRecord>) => changed({ guest: { ...guest, ...changes } });
const said = (difference: ReturnType<typeof compare>) =>
  sectionsOf(difference).flatMap(({ title, lines }) =>
    lines.map(({ sign, text }) => `${title}: ${sign} ${text}`),
  );

describe("the difference of two templates", () => {
  it("is empty if only number, time and digests of disks differ", () => {
    const difference = changed({
      made: "2027-01-01T00:00:00.000Z",
      disks: [{ ...disk, digest: `sha256:${"e".repeat(64)}` }],
    });
    expect(isSame(difference)).toBe(true);
    expect(sectionsOf(difference)).toEqual([]);
    expect(proposalFor(difference)).toMatchObject({ level: "none", version: "1.0.0" });
  });

  it("lists packages that were added, removed, upgraded or downgraded", () => {
    const difference = changed({ packages: [rpm("bash", "0.9"), rpm("openssl", "1.0.10e"), rpm("strace")] });
    expect(said(difference)).toEqual([
      "Packages: + strace 1.0-1.el6.x86_64",
      "Packages: - ksh 1.0-1.el6.x86_64",
      "Packages: ↓ bash 1.0-1.el6 → 0.9-1.el6",
      "Packages: ↑ openssl 1.0.1e-1.el6 → 1.0.10e-1.el6",
    ]);
  });

  it("tells kernels that stand side by side from one that was replaced", () => {
    const two = [rpm("kernel-uek", "4.1"), rpm("kernel-uek", "4.2")];
    const difference = compare({ ...before, packages: two.slice(0, 1) }, { ...before, packages: two });
    expect(said(difference)).toEqual(["Packages: + kernel-uek 4.2-1.el6.x86_64"]);
    expect(proposalFor(difference).level).toBe("patch");
  });

  it("lists changed services, users, groups, modules, kernels, parameters and facts", () => {
    const difference = changed({
      domainType: "XEN_HVM_PV_DRIVERS",
      contract: [parameter("org.tbuild.grid.mode", { required: true }), parameter("org.tbuild.new")],
      guest: {
        ...guest,
        kernels: ["4.1.13"],
        services: ["oracleasm", "sshd"],
        users: [{ name: "grid", uid: 54322, gid: 54321, home: "/u01/grid", shell: "/bin/bash" }],
        groups: [{ name: "dba", gid: 54322, members: ["oracle", "grid"] }],
        modules: [
          { name: "grid", digest: `sha256:${"2".repeat(64)}` },
          { name: "asm", digest: `sha256:${"3".repeat(64)}` },
        ],
      },
    });
    expect(said(difference)).toEqual([
      "The template: ~ domain type: XEN_PVM → XEN_HVM_PV_DRIVERS",
      "First-boot parameters: + org.tbuild.new (grid): org.tbuild.new",
      "First-boot parameters: - com.oracle.linux.root-password (authentication, required): System root password.",
      "First-boot parameters: ~ org.tbuild.grid.mode: now required, “standalone & cluster” → “org.tbuild.grid.mode”",
      "First-boot modules: + asm",
      "First-boot modules: ~ grid (other script)",
      "Kernels: + 4.1.13",
      "Kernels: - 4.1.12",
      "Services started at boot: + oracleasm",
      "Services started at boot: - ntpd",
      "Users: ~ grid (uid 54322, gid 54321, /home/grid, /bin/bash) → grid (uid 54322, gid 54321, /u01/grid, /bin/bash)",
      "Groups: ~ dba (gid 54322, oracle) → dba (gid 54322, oracle, grid)",
    ]);
  });

  it("shows the changed lines of a file, and what caused the change", () => {
    const difference = inside({
      files: [
        file("/etc/ntp.conf", "server a\nserver c\n", { mode: "600" }),
        file("/etc/new", "x", { package: "setup" }),
        file("/etc/tbuild-release", "other"),
      ],
    });
    expect(sectionsOf(difference)[0]?.lines).toEqual([
      { sign: "+", text: "/etc/new (of setup)" },
      { sign: "-", text: "/etc/gone" },
      {
        sign: "~",
        text: "/etc/ntp.conf: mode 644 → 600, other content",
        patch: ["@@ -1,2 +1,2 @@", " server a", "-server b", "+server c"],
      },
    ]);
    const { text: _text, ...packaged } = file("/etc/ntp.conf", "z", { package: "ntp" });
    expect(said(inside({ files: [packaged, file("/etc/gone", "x")] }))).toEqual([
      "Files in /etc: ~ /etc/ntp.conf: again as in ntp",
    ]);
  });

  it("keeps quiet of what the services say, and of what nobody could read", () => {
    const { digest: _digest, text: _text, ...closed } = file("/etc/ntp.conf", "");
    const files = [closed, file("/etc/gone", "x"), { ...closed, path: "/etc/rc.d/rc3.d/S58ntpd" }];
    expect(said(inside({ files }))).toEqual([]);
  });

  it("takes in texts that stand in no record, for the files that changed without one", () => {
    const packaged = (digest: string): FileRecord => {
      const { text: _text, ...rest } = file("/etc/ntp.conf", "", { package: "ntp" });
      return { ...rest, digest: `sha256:${digest.repeat(64)}` };
    };
    const difference = compare(
      { ...before, guest: { ...guest, files: [packaged("1")] } },
      { ...before, guest: { ...guest, files: [packaged("2")] } },
    );
    expect(untold(difference)).toEqual(["/etc/ntp.conf"]);
    const told = withTexts(
      difference,
      new Map([["/etc/ntp.conf", "a\n"]]),
      new Map([["/etc/ntp.conf", "b\n"]]),
    );
    expect(told.files.changed[0]).toMatchObject({
      what: ["from another version of ntp"],
      patch: ["@@ -1,1 +1,1 @@", "-a", "+b"],
    });
    expect(untold(told)).toEqual([]);
  });

  it("invents nothing if one of the two has no record of its contents", () => {
    const { guest: _guest, ...bare } = before;
    const difference = compare(bare, before);
    expect(said(difference)).toEqual([]);
    expect(difference.looked).toBe(false);
  });

  it("escapes whatever a manifest says on its page", () => {
    const html = diffPage(
      inside({ files: [file("/etc/ntp.conf", "<script>alert(1)</script>\n"), file("/etc/gone", "x")] }),
      proposalFor(inside({})),
    );
    expect(html).not.toContain("<script>alert");
    expect(html).toContain("&#60;script&#62;alert(1)");
  });
});

describe("the proposed version", () => {
  const kept = before.contract;
  it.each<[string, string, Partial<Manifest>]>([
    ["major when a parameter was removed", "2.0.0", { contract: kept.slice(0, 1) }],
    ["major when the domain type changed", "2.0.0", { domainType: "XEN_HVM" }],
    [
      "major when a parameter became required",
      "2.0.0",
      { contract: kept.map((one) => ({ ...one, required: true })) },
    ],
    ["minor when a package was added", "1.1.0", { packages: [...before.packages, rpm("strace")] }],
    ["minor when a parameter was added", "1.1.0", { contract: [...kept, parameter("org.new")] }],
    [
      "minor when a module was added",
      "1.1.0",
      {
        guest: { ...guest, modules: [...guest.modules, { name: "asm", digest: `sha256:${"3".repeat(64)}` }] },
      },
    ],
    [
      "patch when a package was upgraded",
      "1.0.1",
      { packages: [rpm("bash", "2.0"), ...before.packages.slice(1)] },
    ],
    ["patch when a file changed", "1.0.1", { guest: { ...guest, files: [] } }],
  ])("is %s", (_what, version, changes) => {
    expect(proposalFor(changed(changes)).version).toBe(version);
  });
});

describe("versions of rpm", () => {
  // As rpm's own test suite has them.
  it.each([
    ["1.0", "1.0", 0],
    ["1.0", "2.0", -1],
    ["2.0.1", "2.0", 1],
    ["5.5p1", "5.5p2", -1],
    ["5.5p10", "5.5p1", 1],
    ["10xyz", "10.1xyz", -1],
    ["xyz10", "xyz10.1", -1],
    ["1.0.0", "1.0.00", 0],
    ["6.0.rc1", "6.0", 1],
    ["1.0~rc1", "1.0", -1],
    ["1.0~rc1", "1.0~rc2", -1],
    ["1.0^", "1.0", 1],
    ["1.0^", "1.0.1", -1],
    ["20101121", "20101122", -1],
    ["fc4", "fc.4", 0],
    ["9007199254740993", "9007199254740992", 1],
  ])("compares %s with %s as rpm does", (a, b, order) => {
    expect(Math.sign(compareRpmVersions(a, b))).toBe(order);
    expect(Math.sign(compareRpmVersions(b, a))).toBe(0 - order);
  });
});
