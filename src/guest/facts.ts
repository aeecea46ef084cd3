import { isArmed } from "../firstboot/arming.ts";
import { parseContract } from "../firstboot/contract.ts";
import { enumerate } from "../firstboot/enumerate.ts";
import type { GuestTree } from "../image/tree.ts";
import type { Parameter } from "../model/manifest.ts";
import { bootKernel } from "./boot-kernel.ts";
import { type Passport, readPassport } from "./passport.ts";
import { type Release, readRelease } from "./release.ts";

/** What an unknown guest's files say about it. None of its programs is run. */
export interface GuestFacts {
  readonly release: Release | undefined;
  /** Whether the next boot will configure it; `undefined` if unknown. */
  readonly armed: boolean | undefined;
  /** The passport, if tbuild made the guest. */
  readonly passport: Passport | undefined;
  /** The kernel that boots. */
  readonly kernel: string | undefined;
  readonly contract: readonly Parameter[];
  /** What could not be determined. */
  readonly unknown: readonly string[];
}

export async function inspectGuest(tree: GuestTree): Promise<GuestFacts> {
  const unknown: string[] = [];
  const ask = async <T>(what: string, question: Promise<T>): Promise<T | undefined> => {
    try {
      return await question;
    } catch (error) {
      unknown.push(`${what}: ${error instanceof Error ? error.message : error}`);
      return undefined;
    }
  };
  const release = await ask("release", readRelease(tree));
  const kernel = await ask("kernel", bootKernel(tree));
  if (kernel === undefined)
    unknown.push("kernel: no boot menu names one, and /boot does not have exactly one");
  const contract = (await ask("parameters", contractOf(tree, unknown))) ?? [];
  return {
    release,
    armed: release && (await ask("first boot", isArmed(tree))),
    passport: await ask("passport", readPassport(tree)),
    kernel,
    contract,
    unknown,
  };
}

const scripts = "/etc/template.d/scripts";
const mostScriptBytes = 256 * 1024;

/**
 * The parameters of the modules that run at `configure`. Modules are programs; those of a foreign image
 * are read, never run. Parameters computed at run time stay unknown.
 */
async function contractOf(tree: GuestTree, unknown: string[]): Promise<Parameter[]> {
  const found: unknown[] = [];
  for (const link of await tree.glob("/etc/template.d/configure/*")) {
    const name = link.slice(link.lastIndexOf("/") + 1).replace(/^S?\d+-?/, "");
    const script = await tree.stat(`${scripts}/${name}`);
    if (script?.kind !== "file") continue;
    if (script.size > mostScriptBytes) {
      unknown.push(`parameters of the module ${name}: its script has ${script.size} bytes, too many to read`);
      continue;
    }
    const { parameters, doubts } = await enumerate(
      (await tree.text(`${scripts}/${name}`)) ?? "",
      "configure",
    );
    for (const { reason, line } of doubts)
      unknown.push(`parameters of the module ${name}: line ${line} ${reason}`);
    found.push(["", name, parameters]);
  }
  return found.length === 0 ? [] : parseContract(JSON.stringify(found));
}
