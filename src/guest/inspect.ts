import { isArmed } from "../firstboot/arming.ts";
import { parseContract, parsePython } from "../firstboot/contract.ts";
import type { GuestTree } from "../image/tree.ts";
import type { Parameter } from "../model/manifest.ts";
import { type Passport, readPassport } from "./passport.ts";
import { type Release, readRelease } from "./release.ts";

/** What an unknown guest says about itself. None of its programs runs. */
export interface GuestFacts {
  readonly release: Release | undefined;
  /** Whether the next boot will configure it; `undefined` when that could not be found out. */
  readonly armed: boolean | undefined;
  /** Of a guest that tbuild made. */
  readonly passport: Passport | undefined;
  /** The kernel that boots. */
  readonly kernel: string | undefined;
  readonly contract: readonly Parameter[];
  /** What could not be found out, in words. */
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

/** The kernel of the menu's default entry (GRUB legacy), or the only one there is. */
async function bootKernel(tree: GuestTree): Promise<string | undefined> {
  const menu = (await tree.text("/boot/grub/grub.conf")) ?? "";
  const chosen = Number(/^default=(\d+)/m.exec(menu)?.[1] ?? 0);
  const entries = menu.split(/^title\b/m).slice(1);
  const named = /^\s*kernel\s+\S*vmlinuz-(\S+)/m.exec(entries[chosen] ?? "")?.[1];
  if (named !== undefined) return named;
  const kernels = (await tree.list("/boot")).flatMap(
    (name) => /^vmlinuz-((?!0-rescue).+)$/.exec(name)?.[1] ?? [],
  );
  return kernels.length === 1 ? kernels[0] : undefined;
}

const scripts = "/etc/template.d/scripts";
const mostScriptBytes = 256 * 1024;

/**
 * The parameters that stand as literals in the modules that run at `configure`. Modules are programs, and those of
 * an image from elsewhere are not run; what a module puts together while it runs stays unknown.
 */
async function contractOf(tree: GuestTree, unknown: string[]): Promise<Parameter[]> {
  const found: unknown[] = [];
  for (const link of await tree.glob("/etc/template.d/configure/*")) {
    const name = link.slice(link.lastIndexOf("/") + 1).replace(/^\d+-/, "");
    const script = await tree.stat(`${scripts}/${name}`);
    if (script?.kind !== "file" || script.size > mostScriptBytes) continue;
    const { parameters, dark } = literalParameters((await tree.text(`${scripts}/${name}`)) ?? "");
    if (dark > 0)
      unknown.push(`parameters of the module ${name}: its script puts some together while it runs`);
    found.push(["", name, parameters]);
  }
  return found.length === 0 ? [] : parseContract(JSON.stringify(found));
}

/**
 * The dicts with a `key` in a Python script, and how many of them are no literals. Names that are set to a string at
 * the script's top are known, and so is such a name plus a string.
 */
export function literalParameters(script: string) {
  const text = `u?'[^'\\\\\n]*'|u?"[^"\\\\\n]*"`;
  const names = new Map(
    [...script.matchAll(new RegExp(`^([A-Za-z_]\\w*)[ \\t]*=[ \\t]*(${text})[ \\t]*$`, "gm"))].map(
      ([, name = "", value = ""]) => [name, value.replace(/^u?./, "").slice(0, -1)],
    ),
  );
  const sums = new RegExp(`(:\\s*)([A-Za-z_]\\w*)(?:\\s*\\+\\s*(${text}))?(?=\\s*[,}])`, "g");
  const parameters: Record<string, unknown>[] = [];
  let dark = 0;
  for (const [dict] of script.matchAll(/\{[^{}]*\}/g)) {
    if (!/[{,]\s*u?["']key["']\s*:/.test(dict)) continue;
    const known = dict.replaceAll(sums, (all, before, name, more = "''") => {
      const start = names.get(name);
      return start === undefined
        ? all
        : `${before}${JSON.stringify(start + more.replace(/^u?./, "").slice(0, -1))}`;
    });
    const value = readOrNothing(known);
    if (typeof value?.key === "string") parameters.push(value);
    else dark++;
  }
  return { parameters, dark };
}

function readOrNothing(dict: string): Record<string, unknown> | undefined {
  try {
    return parsePython(dict) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
