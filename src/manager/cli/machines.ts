import type { ManagerApi } from "../api.ts";
import { command, instance } from "./command.ts";
import type { Orders } from "./orders.ts";

type Machines = Pick<
  ManagerApi,
  "createVm" | "editVm" | "renamesClones" | "cloneVm" | "deleteVm" | "start" | "stop" | "kill"
>;

export function machines({ order, on, created, copyMs }: Orders): Machines {
  return {
    createVm: (wanted) =>
      created(
        "Vm",
        command(
          "create Vm",
          {
            ...sizes(wanted),
            osType: wanted.osType,
            domainType: wanted.domainType,
            bootOrder: wanted.bootOrder?.join(","),
            repository: wanted.repository,
            name: wanted.name,
            description: wanted.description,
          },
          `on ${instance({ type: "ServerPool", id: wanted.pool })}`,
        ),
      ),
    async editVm(id, changes) {
      const { name, description, domainType, bootOrder } = changes;
      const attributes = {
        ...sizes(changes),
        domainType,
        bootOrder: bootOrder?.join(","),
        name,
        description,
      };
      await order(command(`edit ${instance({ type: "Vm", id })}`, attributes));
    },
    renamesClones: false,
    async cloneVm({ from, name, pool, repository, asTemplate, customizer }) {
      const attributes = {
        destType: asTemplate ? "VmTemplate" : "Vm",
        destName: name,
        serverPool: pool,
        cloneCustomizer: customizer,
        targetRepository: repository,
      };
      return created("Vm", command(`clone ${instance({ type: "Vm", id: from })}`, attributes), copyMs);
    },
    async deleteVm(id) {
      await on("delete", "Vm", id);
    },
    async start(id) {
      await on("start", "Vm", id);
    },
    async stop(id, deadlineMs) {
      await on("stop", "Vm", id, deadlineMs);
    },
    async kill(id) {
      await on("kill", "Vm", id);
    },
  };
}

function sizes({ memoryMib, vcpus }: { readonly memoryMib?: number; readonly vcpus?: number }) {
  return {
    ...(memoryMib !== undefined && { memory: memoryMib, memoryLimit: memoryMib }),
    ...(vcpus !== undefined && { cpuCount: vcpus, cpuCountLimit: vcpus }),
  };
}
