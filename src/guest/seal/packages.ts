import { emptiesFolders, removes } from "../operation.ts";

export const packageCache = emptiesFolders({
  name: "package-cache",
  summary: "Empty the caches of yum and dnf",
  paths: ["/var/cache/yum", "/var/cache/dnf", "/var/cache/PackageKit", "/var/lib/dnf/yumdb/cache"],
});

/** Leftovers of an interrupted transaction, and up2date's rollback packages. */
export const packageLeftovers = removes({
  name: "package-leftovers",
  summary: "Remove leftovers of unfinished package transactions",
  paths: [
    "/var/lib/yum/transaction-*",
    "/var/lib/dnf/system-upgrade",
    "/var/spool/up2date/*",
    "/var/lib/rpm/.dbenv.lock",
    "/var/run/yum.pid",
    "/var/lib/yum/*.lock",
  ],
});

/** Berkeley DB's shared memory: tied to its machine, and recreated automatically. */
export const rpmDatabase = removes({
  name: "rpm-database",
  summary: "Remove the lock files of the package database",
  paths: ["/var/lib/rpm/__db.*", "/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"],
});
