import type { GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import { examineManager } from "../../manager/examine.ts";
import { makesPvm, noPvm } from "../../manager/no-pvm.ts";
import { chosen, findOne } from "../../manager/repeatable-creation.ts";
import type { Examined, ManagerAccess } from "../hypervisor.ts";
import type { OracleVmOptions } from "./options.ts";
import type { Servers } from "./servers.ts";

/** Throws if something is missing: an object of the Manager, a server, its repository, or a program on it. */
export async function checkOracleVm(
  { options: manager, open }: ManagerAccess,
  options: OracleVmOptions,
  servers: Servers,
): Promise<void> {
  const api = await open();
  await chosen(api, "ServerPool", manager.pool);
  const repository = await chosen(api, "Repository", manager.repository);
  for (const network of new Set(Object.values(options.networks))) await findOne(api, "Network", network);
  for (const name of servers.all.keys()) await checkServer(servers, name, options, repository.id);
}

/** Throws if the Manager's release has no machines of this mode. */
export async function checkMode({ open }: ManagerAccess, mode: GuestMode): Promise<void> {
  const api = await open();
  if (mode !== "pvm" || makesPvm((await api.about()).version)) return;
  throw new TbuildError("environment", noPvm, {
    subject: api.name,
    hint: "Set domainType: XEN_HVM_PV_DRIVERS in the recipe.",
  });
}

async function checkServer(
  servers: Servers,
  name: string,
  { repositories, convertOn }: OracleVmOptions,
  repository: string,
): Promise<string> {
  const host = servers.named(name);
  const programs = ["xenstore-read", "xenstore-list", "setsid"];
  if (convertOn === "server" && name === servers.firstName) programs.push("kpartx", "dmsetup", "losetup");
  const { stdout } = await host.run(["sh", "-c", askScript, `${repositories}/${repository}`, ...programs]);
  const [missing = ""] = stdout.split("\n");
  if (missing === "") return `${host.name} has the repository and the tools`;
  throw new TbuildError("environment", missing, {
    subject: host.name,
    hint: "In the site, hypervisor.servers lists servers of the pool, with root's login, and hypervisor.repositories is where they mount repositories.",
  });
}

/** The same checks for `doctor`, one by one. */
export async function examineOracleVm(
  access: ManagerAccess,
  options: OracleVmOptions,
  servers: Servers,
): Promise<Examined[]> {
  const found = await examineManager(access.options, access.open);
  if (found.some(({ ok }) => !ok)) return found;
  const api = await access.open();
  const repository = await chosen(api, "Repository", access.options.repository);
  const look = async (what: string, work: () => Promise<string>) => {
    try {
      found.push({ what, ok: true, text: await work() });
    } catch (error) {
      if (!(error instanceof TbuildError)) throw error;
      const { message, hint } = error;
      found.push({ what, ok: false, text: message, ...(hint !== undefined && { mend: hint }) });
    }
  };
  for (const [name, network] of Object.entries(options.networks))
    await look(`network ${name}`, async () => (await findOne(api, "Network", network)).name);
  for (const name of servers.all.keys())
    await look(`server ${name}`, () => checkServer(servers, name, options, repository.id));
  return found;
}

const askScript = `
PATH=$PATH:/usr/sbin:/sbin
[ -d "$0/VirtualDisks" ] || { echo "has no folder $0/VirtualDisks"; exit; }
for program; do
  command -v "$program" >/dev/null 2>&1 || { echo "has no program $program"; exit; }
done`;
