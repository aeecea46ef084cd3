import { TbuildError } from "../../errors.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { lines } from "../xen/console.ts";
import { followScript, joinScript } from "../xen/scripts.ts";
import type { OracleVmSite } from "./site.ts";

/** Consoles of machines, as a server logs them. */
export function consoles({
  place,
  state,
  servers,
  options,
}: OracleVmSite): Pick<Hypervisor, "console" | "joinConsole" | "consoleText" | "consolePlace"> {
  return {
    async *console(vm, signal) {
      const { on, paths } = await place(vm);
      yield* lines(on, ["sh", "-c", followScript, paths.folder], signal);
    },
    async joinConsole(vm) {
      const { on, paths } = await place(vm);
      if ((await state(vm)) !== "running")
        throw new TbuildError("environment", "is not running", { subject: vm });
      return on.join(["sh", "-c", joinScript, paths.folder]);
    },
    async consoleText(vm) {
      const { on, paths } = await place(vm);
      return new TextDecoder().decode((await on.readFile(paths.consoleLog)) ?? new Uint8Array());
    },
    consolePlace: (vm) =>
      `${servers.first.name}: ${options.repositories}/*/tbuild/machines/${vm}/console.log`,
  };
}
