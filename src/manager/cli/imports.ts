import { TbuildError } from "../../errors.ts";
import { isRefusal } from "../answers.ts";
import type { ImportWanted, ManagerApi } from "../api.ts";
import { type Command, command, instance } from "./command.ts";
import type { Orders } from "./orders.ts";

type Imports = Pick<ManagerApi, "importIso" | "importTemplate" | "importAssembly" | "templatesFromAssembly">;

export function imports({ client, dialect, order, rows, copyMs }: Orders): Imports {
  /**
   * Releases have different names for the same command. If the Manager refuses one form, the next is tried.
   */
  async function firstAccepted(commands: readonly Command[]): Promise<void> {
    for (const [at, one] of commands.entries())
      try {
        await order(one, copyMs);
        return;
      } catch (error) {
        if (at === commands.length - 1 || !isRefusal(error)) throw error;
      }
  }

  async function imported(words: readonly string[], wanted: ImportWanted): Promise<void> {
    if (dialect.importsByServer && wanted.server === undefined)
      throw new TbuildError("usage", "its release requires the name of the server that fetches an import", {
        subject: client.name,
        hint: "Set manager.server in the site.",
      });
    const target = instance({ type: "Repository", id: wanted.repository });
    // Several files are one list, separated by commas.
    const attributes = {
      ...(dialect.importsByServer && { server: wanted.server }),
      url: wanted.urls.join(","),
    };
    await firstAccepted(words.map((word) => command(`${word} ${target}`, attributes)));
  }

  return {
    importIso: (wanted) => imported(["importVirtualCdrom"], wanted),
    importTemplate: (wanted) => imported(["importTemplate"], wanted),
    importAssembly: (wanted) => imported(dialect.importAssembly, wanted),
    async templatesFromAssembly(assembly) {
      if (dialect.release === "3.2") {
        await order(command("createTemplatesFromAssembly", { assembly }), copyMs);
        return;
      }
      const type = dialect.assemblyType === "VirtualAppliance" ? "VirtualApplianceVm" : "AssemblyVm";
      const vms = (await rows(dialect.assemblyType, assembly)).flatMap(({ key, value }) =>
        /^(?:AssemblyVm|VirtualApplianceVm|Vm) \d+$/i.test(key) ? [value.split(/\s/)[0] ?? ""] : [],
      );
      for (const id of vms)
        await firstAccepted(
          dialect.templateFromAssembly.map((word) =>
            command(
              `${word} ${instance({ type: word === "createVmFromAssembly" ? "AssemblyVm" : type, id })}`,
            ),
          ),
        );
    },
  };
}
