import { optional } from "../answers.ts";
import type { DiskSeen, MappingSeen, VmSeen, VmState, VnicSeen } from "../api.ts";
import { elements, named, nameIn, number, text } from "./fields.ts";
import { type Json, member } from "./json.ts";

const states: Readonly<Record<string, VmState>> = {
  TEMPLATE: "template",
  RUNNING: "running",
  STOPPED: "stopped",
  SUSPENDED: "suspended",
  STARTING: "changing",
  STOPPING: "changing",
};

export function vmSeen(id: string, json: Json): VmSeen {
  const state = states[text(member(json, "vmRunState")) ?? ""] ?? "unknown";
  const list = (key: string) => elements(member(json, key)).flatMap((one) => named(one) ?? []);
  return {
    id,
    name: nameIn(json),
    state,
    isTemplate: state === "unknown" ? undefined : state === "template",
    ...optional("description", text(member(json, "description"))),
    ...optional("domainType", text(member(json, "vmDomainType"))),
    ...optional("memoryMib", number(member(json, "memory"))),
    ...optional("vcpus", number(member(json, "cpuCount"))),
    ...optional("pool", named(member(json, "serverPoolId"))),
    ...optional("server", named(member(json, "serverId"))),
    ...optional("repository", named(member(json, "repositoryId"))),
    vnics: list("virtualNicIds"),
    mappings: list("vmDiskMappingIds"),
  };
}

export function vnicSeen(id: string, json: Json): VnicSeen {
  return {
    id,
    name: nameIn(json),
    ...optional("mac", text(member(json, "macAddress"))?.toLowerCase()),
    ...optional("network", named(member(json, "networkId"))),
  };
}

export function mappingSeen(id: string, json: Json): MappingSeen {
  const disk = named(member(json, "virtualDiskId"));
  const physical = named(member(json, "storageElementId"));
  const device = disk
    ? { kind: disk.id.endsWith(".iso") ? ("cdrom" as const) : ("virtual-disk" as const), ...disk }
    : physical && { kind: "physical-disk" as const, ...physical };
  return {
    id,
    name: nameIn(json),
    slot: number(member(json, "diskTarget")),
    device: device ?? { kind: "empty" },
  };
}

export function diskSeen(id: string, json: Json): DiskSeen {
  const shareable = member(json, "shareable");
  return {
    id,
    name: nameIn(json),
    ...optional("bytes", number(member(json, "size"))),
    ...optional("isShareable", typeof shareable === "boolean" ? shareable : undefined),
    ...optional("description", text(member(json, "description"))),
    ...optional("repository", named(member(json, "repositoryId"))),
  };
}
