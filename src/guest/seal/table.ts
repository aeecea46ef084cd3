import { firstBoot } from "../../firstboot/arming.ts";
import type { Operation, PathOperation } from "../operation.ts";
import { bootEntries } from "./boot-entries.ts";
import * as identity from "./identity.ts";
import { loginRecords, logs } from "./logs.ts";
import * as network from "./network.ts";
import { packageCache, packageLeftovers, rpmDatabase } from "./packages.ts";
import { passwordBackups, rootPassword } from "./passwords.ts";
import { cloudInit, serviceKeys, serviceState } from "./services.ts";
import { buildKey, sshHostKeys, userKeys } from "./ssh.ts";
import * as traces from "./traces.ts";

/** The seal operations in execution order. Arming comes first, so that a later failure cannot skip it. */
export const sealTable: readonly (Operation | PathOperation)[] = [
  firstBoot,
  sshHostKeys,
  identity.machineId,
  identity.dbusMachineId,
  bootEntries,
  network.hostsFile,
  identity.hostname,
  identity.iscsiInitiator,
  identity.registration,
  identity.yumUuid,
  identity.diskIds,
  network.networkInterfaces,
  network.networkConnections,
  network.networkRules,
  network.dhcpClient,
  network.networkState,
  network.resolver,
  packageCache,
  rpmDatabase,
  packageLeftovers,
  serviceState,
  serviceKeys,
  cloudInit,
  traces.installerTraces,
  traces.backupFiles,
  traces.crashes,
  traces.cronSpool,
  traces.atCounter,
  traces.mail,
  traces.histories,
  traces.temporaryFiles,
  passwordBackups,
  rootPassword,
  userKeys,
  buildKey,
  loginRecords,
  logs,
  identity.clockDrift,
  identity.randomSeed,
];
