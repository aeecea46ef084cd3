import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";
import { shellAssignments } from "../config/shell.ts";
import { withEdits } from "../config/text-edits.ts";
import { edits, isKept, type PathOperation, removes, removesWhere } from "../operation.ts";
import { readRelease, releases } from "../release.ts";

/**
 * Emptied, not removed: to systemd a missing machine id also means a first boot, with all presets anew (machine-id(5),
 * "First Boot Semantics"). So a guest of systemd that has none is given an empty one, and a link to the id of dbus
 * becomes an empty file.
 */
export const machineId: PathOperation = machineIdUnless(false);

function machineIdUnless(stays: boolean): PathOperation {
  const pending = async (tree: GuestTree) => {
    if (stays) return [];
    const found = await tree.stat(machineIdFile);
    if (!found) return (await isOfSystemd(tree)) ? [machineIdFile] : [];
    const isDone = found.kind === "file" && found.size === 0;
    return isDone || found.kind === "dir" ? [] : [machineIdFile];
  };
  return {
    name: "machine-id",
    summary: "Empty the machine ID; the next boot generates a new one",
    needs: "files",
    pending,
    async apply(tree) {
      if ((await pending(tree)).length === 0) return;
      const found = await tree.stat(machineIdFile);
      if (found?.kind === "link") await tree.remove(machineIdFile);
      await tree.write(machineIdFile, "", found?.kind === "file" ? {} : { mode: 0o444 });
    },
    except: (kept) => machineIdUnless(isKept(machineIdFile, kept)),
  };
}

const machineIdFile = "/etc/machine-id";

async function isOfSystemd(tree: GuestTree): Promise<boolean> {
  try {
    return releases[(await readRelease(tree)).major].init === "systemd";
  } catch (error) {
    if (error instanceof TbuildError) return false;
    throw error;
  }
}

/** A separate copy, as on OL6, is removed: dbus refuses an empty one. A link to the other file stays. */
export const dbusMachineId = removesWhere(
  {
    name: "dbus-machine-id",
    summary: "Remove the machine ID of dbus",
    paths: ["/var/lib/dbus/machine-id"],
  },
  async (tree, path) => (await tree.stat(path))?.kind === "file",
);

export const hostname = edits({
  name: "hostname",
  summary: "Reset the host name to localhost.localdomain",
  paths: [
    "/etc/sysconfig/network",
    "/etc/sysconfig/networking/profiles/*/network",
    "/etc/hostname",
    "/etc/machine-info",
  ],
  change(text, path) {
    if (path === "/etc/hostname") return "localhost.localdomain\n";
    // machine-info(5): the pretty host name and the location of the machine.
    const names = path === "/etc/machine-info" ? /^(?:PRETTY_HOSTNAME|LOCATION)$/ : undefined;
    return names ? withoutValues(text, names) : freeNetwork(text);
  },
});

/** /etc/sysconfig/network, which initscripts source: the host name is reset, the gateway is removed. */
function freeNetwork(text: string): string {
  const edits = shellAssignments(text)
    .filter(({ name, value }) => name === "HOSTNAME" && value.trim() !== "localhost.localdomain")
    .map(({ valueStart, valueEnd }) => ({ start: valueStart, end: valueEnd, text: "localhost.localdomain" }));
  return withoutValues(
    withEdits(text, edits),
    /^(?:GATEWAY|IPV6_DEFAULTGW|IPV6ADDR|IPADDR|NETMASK|DHCP_HOSTNAME|DNS\d+|DOMAIN|SEARCH)$/,
  );
}

function withoutValues(text: string, names: RegExp): string {
  const edits = shellAssignments(text)
    .filter(({ name, value }) => names.test(name) && value !== "")
    .map(({ lines, valueStart, valueEnd }) => ({
      ...(lines ?? { start: valueStart, end: valueEnd }),
      text: "",
    }));
  return withEdits(text, edits);
}

/** adjtime(5): the drift of the build's clock and when it was set are removed; the UTC setting stays. */
export const clockDrift = edits({
  name: "clock-drift",
  summary: "Reset the drift of the hardware clock",
  comesBack: true,
  paths: ["/etc/adjtime"],
  change(text) {
    const [drift = "", set = "", ...rest] = text.split("\n");
    const isDone = drift.split(/\s+/).every((number) => Number(number) === 0) && Number(set) === 0;
    return isDone ? text : ["0.0 0 0.0", "0", ...rest].join("\n");
  },
});

/** The same seed in all clones would make their first keys predictable. */
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
  summary: "Remove the iSCSI initiator name; iscsid generates a new one",
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
    "/etc/insights-client/.registered",
    "/etc/insights-client/.lastupload",
  ],
});

export const yumUuid = removes({
  name: "yum-uuid",
  summary: "Remove the UUID that yum and dnf send to count systems",
  paths: ["/var/lib/yum/uuid", "/var/lib/dnf/repos/*/countme"],
});

export const diskIds = removes({
  name: "disk-ids",
  summary: "Remove the caches of LVM and blkid about the build's disks",
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
