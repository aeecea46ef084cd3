import { TbuildError } from "../../errors.ts";
import type { ManagerApi, VmChanges } from "../api.ts";
import { at, reference } from "./fields.ts";
import type { Orders } from "./orders.ts";

type Machines = Pick<
  ManagerApi,
  "createVm" | "editVm" | "renamesClones" | "cloneVm" | "deleteVm" | "start" | "stop" | "kill"
>;

export function machines({ client, order, created, copyMs }: Orders): Machines {
  return {
    async createVm({ pool, repository, osType, ...wanted }) {
      return created("/Vm", {
        body: {
          ...vmBody(wanted),
          repositoryId: reference("Repository", repository),
          serverPoolId: reference("ServerPool", pool),
          ...(osType !== undefined && { osType }),
        },
      });
    },
    async editVm(id, changes) {
      await order("PUT", `/Vm/${at(id)}`, { body: vmBody(changes) });
    },
    renamesClones: true,
    async cloneVm({ from, name, pool, repository, asTemplate, customizer }) {
      // Parameters must be in the query; the name is not one of them.
      const query = {
        serverPoolId: pool,
        repositoryId: repository,
        vmCloneDefinitionId: customizer,
        createTemplate: asTemplate,
      };
      const id = await order("PUT", `/Vm/${at(from)}/clone`, { query }, copyMs);
      if (id === undefined)
        throw new TbuildError("environment", "made a clone, but did not report its id", {
          subject: client.name,
          code: "outcome-unknown",
        });
      await order("PUT", `/Vm/${at(id)}`, { body: { name } });
      return id;
    },
    async deleteVm(id) {
      await order("DELETE", `/Vm/${at(id)}`);
    },
    async start(id) {
      await order("PUT", `/Vm/${at(id)}/start`);
    },
    async stop(id, deadlineMs) {
      await order("PUT", `/Vm/${at(id)}/stop`, {}, deadlineMs);
    },
    async kill(id) {
      await order("PUT", `/Vm/${at(id)}/kill`);
    },
  };
}

function vmBody({ name, description, domainType, memoryMib, vcpus, bootOrder }: VmChanges) {
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(domainType !== undefined && { vmDomainType: domainType }),
    ...(memoryMib !== undefined && { memory: memoryMib, memoryLimit: memoryMib }),
    ...(vcpus !== undefined && { cpuCount: vcpus, cpuCountLimit: vcpus }),
    ...(bootOrder !== undefined && { bootOrder }),
  };
}
