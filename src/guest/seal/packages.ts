import { emptiesFolders, removes } from "../operation.ts";

export const packageCache = emptiesFolders({
  name: "package-cache",
  summary: "Empty the caches of yum and dnf",
  paths: ["/var/cache/yum", "/var/cache/dnf", "/var/cache/PackageKit", "/var/lib/dnf/yumdb/cache"],
});

/** Berkeley DB's shared memory: tied to the machine that made it, and made anew. */
export const rpmDatabase = removes({
  name: "rpm-database",
  summary: "Remove the lock files of the package database",
  paths: ["/var/lib/rpm/__db.*", "/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock"],
});
