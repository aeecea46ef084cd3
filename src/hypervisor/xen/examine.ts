import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Examined } from "../hypervisor.ts";
import type { XenOptions } from "./options.ts";

/** `Xen 4.17.7 on root@dom0, pv hvm`: its version, and the kinds of guests it runs. */
export async function describeXen(host: Host): Promise<string> {
  const info = readInfo((await host.run(["xl", "info"])).stdout);
  const where = host.name === "local" ? "" : ` on ${host.name}`;
  const kinds = (info.get("virt_caps") ?? "").split(" ").filter((word) => word === "pv" || word === "hvm");
  return `Xen ${info.get("xen_version") ?? "of unknown version"}${where}${kinds.length > 0 ? `, ${kinds.join(" ")}` : ""}`;
}

/** Throws for what is missing: xl, root, a bridge. */
export async function checkXen(host: Host, bridges: XenOptions["bridges"]): Promise<void> {
  await host.run(["xl", "info"]);
  const missing = await missingBridges(host, bridges);
  if (missing.length === 0) return;
  throw new TbuildError("environment", `${host.name} has no such bridge`, {
    subject: missing.join(", "),
    hint: "List its bridges with: ip link show type bridge. Correct hypervisor.bridges in the site file.",
  });
}

export async function examineXen(host: Host, bridges: XenOptions["bridges"]): Promise<Examined[]> {
  try {
    const text = await describeXen(host);
    const missing = await missingBridges(host, bridges);
    return [
      { what: "machines", ok: true, text },
      missing.length === 0
        ? { what: "bridges", ok: true, text: [...new Set(Object.values(bridges))].join(", ") }
        : {
            what: "bridges",
            ok: false,
            text: `not on ${host.name}: ${missing.join(", ")}`,
            mend: "correct hypervisor.bridges in the site file",
          },
    ];
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    const { message, hint } = error;
    return [{ what: "machines", ok: false, text: message, ...(hint !== undefined && { mend: hint }) }];
  }
}

/** The lines of `xl info`. */
export function readInfo(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split("\n").flatMap((line): [string, string][] => {
      const at = line.indexOf(":");
      return at === -1 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()]];
    }),
  );
}

async function missingBridges(host: Host, bridges: XenOptions["bridges"]): Promise<string[]> {
  const { stdout } = await host.run(["ls", "-1", "/sys/class/net"]);
  const there = new Set(stdout.split("\n"));
  return [...new Set(Object.values(bridges))].filter((bridge) => !there.has(bridge));
}
