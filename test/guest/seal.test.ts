import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { readIdentity, sharedIdentity } from "../../src/guest/identity.ts";
import { applyAll, auditAll } from "../../src/guest/operation.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { sealTable } from "../../src/guest/seal/table.ts";
import { type MemoryTree, memoryTree } from "../fakes/memory-tree.ts";
import { cleanGuest, dirt } from "./dirty.ts";

function guestWith(...names: readonly string[]): MemoryTree {
  const files = Object.assign({}, cleanGuest.files, ...names.map((name) => dirt[name]?.files));
  return memoryTree(files);
}

describe("every seal operation", () => {
  it.each(sealTable.map((operation) => [operation.name, operation] as const))(
    "%s finds its dirt, removes it, and then has nothing to do",
    async (name, operation) => {
      expect(dirt[name], `${name} has no dirty fixture`).toBeDefined();
      const tree = guestWith(name);
      expect(await operation.pending(tree)).not.toEqual([]);
      await operation.apply(tree);
      expect(await operation.pending(tree)).toEqual([]);
      const once = tree.snapshot();
      await operation.apply(tree);
      expect(tree.snapshot()).toEqual(once);
    },
  );

  it.each(
    sealTable.flatMap((operation) => ("except" in operation ? [[operation.name, operation] as const] : [])),
  )("%s does not touch kept paths", async (name, operation) => {
    const tree = guestWith(name);
    const before = tree.snapshot();
    const kept = operation.except(await operation.pending(tree));
    expect(await kept.pending(tree)).toEqual([]);
    await kept.apply(tree);
    expect(tree.snapshot()).toEqual(before);
  });

  it("but the first boot can be told what to keep", () => {
    expect(sealTable.filter((one) => !("except" in one)).map(({ name }) => name)).toEqual(["first-boot"]);
  });

  it.each(
    sealTable
      .filter(({ name }) => name !== "first-boot")
      .map((operation) => [operation.name, operation] as const),
  )("%s leaves a clean guest unchanged", async (_name, operation) => {
    const tree = guestWith();
    const before = tree.snapshot();
    await operation.apply(tree);
    expect(tree.snapshot()).toEqual(before);
  });
});

// `virt-sysprep --list-operations` of libguestfs 1.48: those with a star.
const sysprep =
  "abrt-data backup-files bash-history blkid-tab crash-data cron-spool customize dhcp-client-state dhcp-server-state dovecot-data ipa-client kerberos-hostkeytab logfiles lvm-uuids machine-id mail-spool net-hostname net-hwaddr net-nmconn pacct-log package-manager-cache pam-data passwd-backups puppet-data-log rh-subscription-manager rhn-systemid rpm-db samba-db-log script smolt-uuid ssh-hostkeys ssh-userdir sssd-db-log tmp-files udev-persistent-net utmp yum-uuid".split(
    " ",
  );

it("ARCHITECTURE.md says of each default operation of virt-sysprep which of ours covers it, or why none", async () => {
  const text = await readFile(new URL("../../ARCHITECTURE.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| ([a-z, -]+) \| (.+) \|$/gm)]
    .map(([, theirs = "", ours = ""]) => ({ theirs: theirs.split(", "), ours }))
    .filter(({ theirs }) => theirs.every((name) => sysprep.includes(name)));
  expect(rows.flatMap(({ theirs }) => theirs).sort()).toEqual(sysprep);
  for (const { theirs, ours } of rows)
    if (!ours.startsWith("none: "))
      for (const name of ours.replace(/:.*/, "").split(", "))
        expect(
          sealTable.map((one) => one.name),
          theirs.join(),
        ).toContain(name);
});

describe("a sealed guest", () => {
  const all = Object.keys(dirt);

  it("has nothing pending, and keeps everything else with owner, mode and label", async () => {
    const tree = guestWith(...all);
    await applyAll(tree, sealOperations());
    expect(await auditAll(tree, sealOperations())).toEqual([]);
    expect(await tree.text("/etc/sysconfig/ovmd")).toBe("# ovmd\nINITIAL_CONFIG=yes\n");
    expect(await tree.text("/etc/shadow")).toBe("root:!!:15000:0:99999:7:::\nbin:*:1::::::\n");
    expect(await tree.stat("/etc/shadow")).toMatchObject({ mode: 0, label: "x:y:shadow_t:s0" });
    expect(await tree.stat("/etc/machine-id")).toMatchObject({ size: 0, mode: 0o444 });
    expect(await tree.text("/var/lib/rpm/Packages")).toBe("keep");
    expect(await tree.stat("/var/log/audit/audit.log")).toMatchObject({ size: 0, mode: 0o600 });
    expect(await tree.text("/etc/sysconfig/network-scripts/ifcfg-eth0")).toBe(
      "DEVICE=eth0\nBOOTPROTO=dhcp\nONBOOT=yes\n",
    );
    expect(await tree.text("/etc/sysconfig/network-scripts/ifcfg-lo")).toContain("127.0.0.1");
    expect(await tree.stat("/etc/rc.d/rc3.d/S08ovmd")).toMatchObject({
      kind: "link",
      target: "../init.d/ovmd",
    });
  });

  it("has no keys and histories in homes elsewhere in /etc/passwd, but keeps their other files", async () => {
    const tree = guestWith("user-keys");
    await tree.write("/u01/grid/.bash_history", "secret");
    await tree.write("/u01/grid/.bashrc", "alias");
    await applyAll(tree, sealOperations());
    expect(await tree.list("/u01/grid")).toEqual([".bashrc"]);
    for (const path of ["/etc/hosts.equiv", "/etc/ssh/shosts.equiv"])
      expect(await tree.text(path)).toBeUndefined();
    expect(await tree.text("/etc/passwd")).toContain("/u01/grid/");
  });

  it("shares no identity with another made from the same guest", async () => {
    const tree = guestWith(...all);
    const before = await readIdentity(tree);
    expect(before).toMatchObject({
      hostname: "build7.example.com",
      addresses: ["10.0.0.5"],
      macs: ["52:54:00:12:34:56"],
    });
    expect(sharedIdentity(before, before).length).toBeGreaterThan(5);
    await applyAll(tree, sealOperations());
    const after = await readIdentity(tree);
    expect(sharedIdentity(after, after)).toEqual([]);
  });

  it("keeps the paths that the recipe keeps, even in folders that are removed", async () => {
    const tree = guestWith(...all);
    const operations = sealOperations({
      keep: ["/root/.ssh/authorized_keys", "/var/log/audit"],
      skip: ["hostname"],
    });
    await applyAll(tree, operations);
    expect(await tree.text("/root/.ssh/authorized_keys")).toContain("build");
    expect((await tree.stat("/var/log/audit/audit.log"))?.size).toBe(1);
    expect(await tree.text("/etc/sysconfig/network")).toContain("build7");
    expect(await auditAll(tree, operations)).toEqual([]);
  });

  it("is refused by a name that no operation has", () => {
    expect(() => sealOperations({ skip: ["machine_id"] })).toThrow('no operation "machine_id"');
  });
});

describe("service-state", () => {
  it("takes Samba's databases and leaves its folders", async () => {
    const tree = memoryTree({
      "/var/lib/samba/private/secrets.tdb": "x",
      "/var/lib/samba/wins.dat": "x",
      "/var/lib/samba/lock/names": "x",
    });
    await applyAll(tree, sealOperations({ only: ["service-state"] }));
    expect(await tree.list("/var/lib/samba")).toEqual(["lock", "private"]);
    for (const folder of ["lock", "private"]) expect(await tree.list(`/var/lib/samba/${folder}`)).toEqual([]);
  });
});

describe("the spool of at", () => {
  it("keeps its counter and its folder", async () => {
    const tree = memoryTree({ "/var/spool/at/.SEQ": "00001", "/var/spool/at/spool/out": "x" });
    await applyAll(tree, sealOperations({ only: ["cron-spool"] }));
    expect(await tree.list("/var/spool/at")).toEqual([".SEQ", "spool"]);
    expect(await tree.list("/var/spool/at/spool")).toEqual([]);
  });
});

describe("hosts-file", () => {
  it("removes the lines with the guest's name and addresses, and keeps all others", async () => {
    const tree = memoryTree({
      "/etc/sysconfig/network": "HOSTNAME=build7.example.com\n",
      "/etc/hosts":
        "127.0.0.1 localhost\n10.1.1.1 build7.example.com build7\n# 10.1.1.1 a note\n10.1.1.2 db # build7.example.com\n",
    });
    await applyAll(tree, sealOperations({ only: ["hosts-file", "hostname"] }));
    expect(await tree.text("/etc/hosts")).toBe(
      "127.0.0.1 localhost\n# 10.1.1.1 a note\n10.1.1.2 db # build7.example.com\n",
    );
  });
});

describe("first-boot", () => {
  const firstBoot = sealTable[0] ?? expect.fail("no table");

  it("adds the line where it is missing", async () => {
    const tree = guestWith();
    await tree.write("/etc/sysconfig/ovmd", "OVMD_ARGS=");
    await firstBoot.apply(tree);
    expect(await tree.text("/etc/sysconfig/ovmd")).toBe("OVMD_ARGS=\nINITIAL_CONFIG=yes\n");
  });

  it("fails with a reason if the additions are not installed", async () => {
    const tree = memoryTree({ "/etc/oracle-release": "Oracle Linux Server release 6.10\n" });
    expect((await firstBoot.pending(tree))[0]).toContain("the additions are not installed");
    await expect(firstBoot.apply(tree)).rejects.toThrow("the additions are not installed");
  });

  it("arms Oracle's older templates by their own file, with or without ovmd", async () => {
    const tree = memoryTree({
      "/etc/enterprise-release": "Enterprise Linux Enterprise Linux Server release 5.5 (Carthage)\n",
      "/etc/sysconfig/oraclevm-template": "# template\nRUN_TEMPLATE_CONFIG=NO\n",
      "/etc/rc.d/init.d/oraclevm-template": "#!/bin/sh\n# chkconfig: 35 05 95\n",
    });
    await applyAll(tree, [firstBoot]);
    expect(await tree.text("/etc/sysconfig/oraclevm-template")).toBe("# template\nRUN_TEMPLATE_CONFIG=YES\n");
    expect(await tree.stat("/etc/sysconfig/ovmd")).toBeUndefined();
    expect(await tree.glob("/etc/rc.d/rc?.d/*")).toEqual([
      "/etc/rc.d/rc3.d/S05oraclevm-template",
      "/etc/rc.d/rc5.d/S05oraclevm-template",
    ]);
  });

  it("accepts YES for yes", async () => {
    const tree = guestWith("first-boot");
    await firstBoot.apply(tree);
    await tree.write("/etc/sysconfig/ovmd", "INITIAL_CONFIG=YES\n");
    expect(await firstBoot.pending(tree)).toEqual([]);
  });

  it("arms OL7 by its own file and enables both units", async () => {
    const unit = "[Install]\nWantedBy=multi-user.target\n";
    const tree = memoryTree({
      "/etc/oracle-release": "Oracle Linux Server release 7.9\n",
      "/usr/lib/systemd/system/ovmd.service": unit,
      "/usr/lib/systemd/system/ovm-template-initial-config.service": unit,
      "/etc/sysconfig/ovm-template-initial-config": "INITIAL_CONFIG=no\n",
    });
    await applyAll(tree, [firstBoot]);
    expect(await tree.text("/etc/sysconfig/ovm-template-initial-config")).toBe("INITIAL_CONFIG=yes\n");
    expect(await tree.list("/etc/systemd/system/multi-user.target.wants")).toEqual([
      "ovm-template-initial-config.service",
      "ovmd.service",
    ]);
  });
});
