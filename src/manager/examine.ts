import { TbuildError } from "../errors.ts";
import type { Examined } from "../hypervisor/hypervisor.ts";
import type { ManagerApi } from "./api.ts";
import type { ManagerOptions } from "./options.ts";
import { chosen, findOne } from "./repeatable-creation.ts";

/**
 * Checks what a site needs to work with its Manager, and reports each result as it is found. Changes nothing.
 */
export async function examineManager(
  options: ManagerOptions,
  open: () => Promise<ManagerApi>,
): Promise<Examined[]> {
  const what = "Oracle VM Manager";
  const failed = (name: string, error: unknown): Examined => {
    if (!(error instanceof TbuildError)) throw error;
    const { message: text, hint } = error;
    return { what: name, ok: false, text, ...(hint !== undefined && { mend: hint }) };
  };
  let api: ManagerApi;
  try {
    api = await open();
  } catch (error) {
    return [failed(what, error)];
  }
  await using _closed = api;
  const found: Examined[] = [];
  const look = async (name: string, work: () => Promise<string>) => {
    try {
      found.push({ what: name, ok: true, text: await work() });
    } catch (error) {
      found.push(failed(name, error));
    }
  };
  await look(what, async () => {
    const { version, via, isSimulator } = await api.about();
    return `${options.host}: ${version} over ${via}${isSimulator ? ", a simulator" : ""}`;
  });
  await look("server pool", async () => (await chosen(api, "ServerPool", options.pool)).name);
  await look("repository", async () => (await chosen(api, "Repository", options.repository)).name);
  const { server } = options;
  if (server !== undefined) await look("server", async () => (await findOne(api, "Server", server)).name);
  await look("networks", async () => {
    const networks = await api.list("Network");
    if (networks.length === 0) throw new TbuildError("environment", "has no network", { subject: api.name });
    return networks.map(({ name }) => name).join(", ");
  });
  return found;
}
