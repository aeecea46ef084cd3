import { isRefusal } from "../answers.ts";
import type { ImportWanted, ManagerApi } from "../api.ts";
import type { Asked } from "./client.ts";
import { at, elements } from "./fields.ts";
import { idIn, member } from "./json.ts";
import type { Orders } from "./orders.ts";

type Imports = Pick<ManagerApi, "importIso" | "importTemplate" | "importAssembly" | "templatesFromAssembly">;

export function imports({ client, order, copyMs }: Orders): Imports {
  /**
   * The guide of 3.3 has `?url=`, clients of later releases send `{"urls": […]}`. If one form is refused, the
   * other is tried.
   */
  async function imported(
    { repository, urls }: ImportWanted,
    inBody: { readonly path: string; readonly query?: Asked["query"] },
    inQuery: string,
  ): Promise<void> {
    const start = `/Repository/${at(repository)}`;
    try {
      await order(
        "PUT",
        `${start}/${inBody.path}`,
        { ...(inBody.query && { query: inBody.query }), body: { urls } },
        copyMs,
      );
    } catch (error) {
      const [url, ...more] = urls;
      if (!isRefusal(error) || url === undefined || more.length > 0) throw error;
      await order("PUT", `${start}/${inQuery}`, { query: { url } }, copyMs).catch((second) => {
        // The first answer is about the import itself, unless the Manager did not know the form.
        throw isRefusal(second) ? error : second;
      });
    }
  }

  return {
    importIso: (wanted) =>
      imported(
        wanted,
        { path: "importVirtualDisk", query: { diskType: "VIRTUAL_CDROM" } },
        "importVirtualCdrom",
      ),
    importTemplate: (wanted) =>
      imported(wanted, { path: "importVm", query: { createTemplate: true } }, "importTemplate"),
    importAssembly: (wanted) => imported(wanted, { path: "importAssembly" }, "importAssembly"),
    async templatesFromAssembly(assembly) {
      const json = await client.get(`/Assembly/${at(assembly)}`);
      for (const one of elements(member(json, "assemblyVmIds"))) {
        const id = idIn(one)?.value ?? "";
        // The first is in the guide of 3.3, the second in a client of 3.3 and 3.4.
        await order("PUT", `/Vm/createFromAssemblyVm/${at(id)}`, {}, copyMs).catch(async (error) => {
          if (!isRefusal(error)) throw error;
          await order("PUT", `/AssemblyVm/${at(id)}/createVm`, {}, copyMs);
        });
      }
    },
  };
}
