import type { Command } from "commander";
import { exitCodes } from "../../errors.ts";
import { localHost } from "../../host/local.ts";
import { missingPackages, type Package, packages } from "../../host/programs.ts";
import { interruptible } from "../interrupt.ts";
import { table } from "../table.ts";

interface Flags {
  readonly yes?: boolean;
  readonly all?: boolean;
  readonly json?: boolean;
}

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { yes = false, all = false, json = false } = command.opts<Flags>();
  if (yes) await install((await missing()).filter((one) => all || one.required));
  const lacking = await missing();
  process.stdout.write(json ? `${JSON.stringify(lacking, undefined, 2)}\n` : said(lacking));
  if (lacking.some(({ required }) => required)) process.exitCode = exitCodes.found;
}

function missing(): Promise<Package[]> {
  return missingPackages(packages, process.env.PATH ?? "");
}

async function install(wanted: readonly Package[]): Promise<void> {
  if (wanted.length === 0) return;
  const root = process.getuid?.() === 0 ? [] : ["sudo"];
  const apt = [...root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"];
  const host = localHost();
  const onLine = (line: string) => process.stderr.write(`${line}\n`);
  await interruptible(
    "apt-get was stopped; run `tbuild setup` to see what is still missing",
    async (signal) => {
      await host.run([...apt, "update"], { signal, onLine });
      const names = wanted.map(({ name }) => name);
      await host.run([...apt, "-y", "--no-install-recommends", "install", ...names], { signal, onLine });
    },
  );
}

function said(lacking: readonly Package[]): string {
  if (lacking.length === 0) return `all ${packages.length} Debian packages that tbuild uses are installed\n`;
  const rows = lacking.map((one) => [one.name, one.required ? "required" : "optional", one.for]);
  const required = lacking.filter((one) => one.required).map(({ name }) => name);
  const optional = lacking.filter((one) => !one.required).map(({ name }) => name);
  return [
    table(rows),
    "",
    required.length > 0
      ? `Install what is required: sudo apt-get install ${required.join(" ")}\nor run: tbuild setup --yes`
      : `Everything required is installed. Install the rest: sudo apt-get install ${optional.join(" ")}`,
    "",
  ].join("\n");
}
