import { edits, empties, type Operation, removes } from "../operation.ts";

/** Emptied, not removed: to systemd a missing machine id also means a first boot, with all presets anew. */
export const machineId = empties({
  name: "machine-id",
  summary: "Empty the machine id; the next boot makes one",
  paths: ["/etc/machine-id"],
});

/** A copy of its own, as OL6 has it, is removed: dbus refuses an empty one. A link to the other stays. */
export const dbusMachineId: Operation = {
  name: "dbus-machine-id",
  summary: "Remove the machine id that dbus keeps for itself",
  needs: "files",
  async pending(tree) {
    const path = "/var/lib/dbus/machine-id";
    return (await tree.stat(path))?.kind === "file" ? [path] : [];
  },
  apply: (tree) => tree.remove("/var/lib/dbus/machine-id"),
};

export const hostname = edits({
  name: "hostname",
  summary: "Set the host name back to localhost.localdomain",
  paths: ["/etc/sysconfig/network", "/etc/hostname"],
  change: (text, path) =>
    path === "/etc/hostname"
      ? "localhost.localdomain\n"
      : text
          .replaceAll(/^HOSTNAME=.*$/gm, "HOSTNAME=localhost.localdomain")
          .replaceAll(/^GATEWAY=.*\n?/gm, ""),
});

/** One seed for all clones would make their first keys guessable. */
export const randomSeed = removes({
  name: "random-seed",
  summary: "Remove the random seed, which all clones would share",
  comesBack: true,
  paths: [
    "/var/lib/random-seed",
    "/var/lib/systemd/random-seed",
    "/var/lib/urandom/random-seed",
    "/boot/efi/loader/random-seed",
    "/boot/loader/random-seed",
    "/var/lib/systemd/credential.secret",
  ],
});

export const iscsiInitiator = removes({
  name: "iscsi-initiator",
  summary: "Remove the iSCSI initiator name; iscsid makes one of its own",
  paths: [
    "/etc/iscsi/initiatorname.iscsi",
    "/etc/initiatorname.iscsi",
    "/etc/nvme/hostid",
    "/etc/nvme/hostnqn",
  ],
});

export const registration = removes({
  name: "registration",
  summary: "Remove the registration with ULN, Spacewalk, RHN or the subscription manager",
  paths: [
    "/etc/sysconfig/rhn/systemid",
    "/etc/sysconfig/rhn/systemid.save",
    "/etc/sysconfig/rhn/osad-auth.conf",
    "/etc/sysconfig/rhn/up2date-uuid",
    "/var/lib/up2date/*",
    "/var/lib/uptrack/uuid",
    "/etc/pki/consumer/*",
    "/etc/pki/entitlement/*",
    "/var/lib/rhsm/cache/*",
    "/etc/smolt/uuid",
    "/etc/smolt/hw-uuid",
    "/etc/sysconfig/hw-uuid",
    "/etc/insights-client/machine-id",
  ],
});

export const yumUuid = removes({
  name: "yum-uuid",
  summary: "Remove the id by which yum and dnf are counted",
  paths: ["/var/lib/yum/uuid", "/var/lib/dnf/repos/*/countme"],
});

export const diskIds = removes({
  name: "disk-ids",
  summary: "Remove what LVM and blkid remember of the disks of the build",
  paths: [
    "/etc/lvm/devices/*",
    "/etc/lvm/cache/.cache",
    "/etc/lvm/archive/*",
    "/etc/lvm/backup/*",
    "/etc/blkid.tab",
    "/etc/blkid.tab.old",
    "/etc/blkid/blkid.tab",
    "/etc/blkid/blkid.tab.old",
    "/var/run/blkid/blkid.tab",
    "/run/blkid/blkid.tab",
    "/etc/multipath/bindings",
    "/etc/multipath/wwids",
  ],
});
