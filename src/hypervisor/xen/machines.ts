import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { type Domain, readDomains, shutdownReasons } from "./domains.ts";
import { type Definition, readDefinition, type XenPaths, xenPaths } from "./machine.ts";
import { destroyScript, restartingScript, watchedScript } from "./scripts.ts";

/** The machines in a folder on a Xen host, and their domains while they run. */
export interface XenMachines {
  readonly folder: string;
  readonly host: Host;
  paths(vm: string): XenPaths;
  definitionOf(vm: string): Promise<Definition>;
  write(vm: string, definition: Definition): Promise<void>;
  /** All domains of the host, ours or not. */
  domains(): Promise<Domain[]>;
  /** The machine's domain, running or shutting down. A foreign domain of the same name does not count. */
  domainOf(vm: string): Promise<Domain | undefined>;
  /** The same; throws if there is none. */
  running(vm: string): Promise<Domain>;
  destroyDomain(vm: string): Promise<void>;
  state: Hypervisor["state"];
  /** Runs a script on the host; `words` are its `$0`, `$1` … */
  script(text: string, ...words: string[]): Promise<string>;
}

export function xenMachines(host: Host, folder: string): XenMachines {
  const paths = (vm: string) => xenPaths(folder, vm);
  const definitionOf = (vm: string) => readDefinition(host, paths(vm), vm);
  const script = async (text: string, ...words: string[]) =>
    (await host.run(["sh", "-c", text, ...words])).stdout;
  const says = async (text: string, vm: string) =>
    (await host.run(["sh", "-c", text, paths(vm).folder], { allow: [1] })).exitCode === 0;

  async function domains(): Promise<Domain[]> {
    const { stdout } = await host.run(["xl", "list", "-v"]);
    return readDomains(stdout);
  }
  async function domainOf(vm: string): Promise<Domain | undefined> {
    const text = await host.readFile(paths(vm).definition);
    if (text === undefined) return undefined;
    const { uuid } = await definitionOf(vm);
    return (await domains()).find((one) => one.name === vm && one.uuid === uuid);
  }

  return {
    folder,
    host,
    paths,
    definitionOf,
    domains,
    domainOf,
    script,

    write: (vm, definition) =>
      host.writeFile(paths(vm).definition, Buffer.from(JSON.stringify(definition)), 0o600),

    async running(vm) {
      const domain = await domainOf(vm);
      if (domain) return domain;
      throw new TbuildError("environment", "is not running", { subject: vm });
    },

    async destroyDomain(vm) {
      const domain = await domainOf(vm);
      await script(destroyScript, paths(vm).folder, domain ? String(domain.id) : "");
    },

    async state(vm) {
      const { exitCode } = await host.run(["test", "-d", paths(vm).folder], { allow: [1] });
      if (exitCode !== 0) return "absent";
      const domain = await domainOf(vm);
      if (domain === undefined) return (await says(restartingScript, vm)) ? "running" : "stopped";
      if (domain.reason === undefined) return "running";
      const { restarts } = await definitionOf(vm);
      if (restarts && domain.reason === shutdownReasons.reboot && (await says(watchedScript, vm)))
        return "running";
      // Its watcher will do this soon, or was killed.
      await host.writeFile(paths(vm).reason, Buffer.from(`${domain.reason}\n`));
      await script(destroyScript, paths(vm).folder, String(domain.id));
      return "stopped";
    },
  };
}
