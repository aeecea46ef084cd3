import { type EnumeratedModule, parseContract } from "../firstboot/contract.ts";
import { enumerate } from "../firstboot/enumerate.ts";
import type { Parameter } from "../model/manifest.ts";
import { bootKernel } from "./boot-kernel.ts";
import type { Passport } from "./passport.ts";
import type { Release } from "./release.ts";
import { Asking, type Survey } from "./survey.ts";

/** The facts in an unknown guest's files. None of its programs is run. */
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

export async function factsOf(survey: Survey): Promise<GuestFacts> {
  const asking = new Asking();
  const { unknown } = asking;
  const ask: Asking["ask"] = (what, question) => asking.ask(what, question);
  const release = await ask("release", () => survey.release());
  const kernel = await ask("kernel", () => bootKernel(survey.tree));
  if (kernel === undefined)
    unknown.push("kernel: no boot menu names one, and /boot does not have exactly one");
  const contract = (await ask("parameters", () => contractOf(survey, unknown))) ?? [];
  const toArm = release && (await ask("first boot", () => survey.toArm()));
  return {
    release,
    armed: toArm && toArm.length === 0,
    passport: await ask("passport", () => survey.passport()),
    kernel,
    contract,
    unknown,
  };
}

const mostScriptBytes = 256 * 1024;

/**
 * The parameters of the modules that run at `configure`. Modules are programs; those of a foreign image
 * are read, never run. Parameters computed at run time stay unknown; `unknown` gets the reasons.
 */
export async function contractOf(survey: Survey, unknown: string[]): Promise<Parameter[]> {
  const found = (await modulesThere(survey, unknown)).map(({ name, parameters }) => ["", name, parameters]);
  return found.length === 0 ? [] : parseContract(JSON.stringify(found));
}

/** The modules that run at `configure`, in their order, with their parameters. */
export async function modulesThere(survey: Survey, unknown: string[]): Promise<EnumeratedModule[]> {
  const found: EnumeratedModule[] = [];
  for (const link of await survey.tree.glob("/etc/template.d/configure/*")) {
    const [, priority = "", name = ""] = /^S?(\d*)-?(.+)$/s.exec(link.slice(link.lastIndexOf("/") + 1)) ?? [];
    const script = (await survey.scripts()).find((one) => one.name === name);
    if (!script) continue;
    if (script.bytes > mostScriptBytes) {
      unknown.push(
        `parameters of the module ${name}: its script is too large to read (${script.bytes} bytes)`,
      );
      continue;
    }
    const text = new TextDecoder().decode(await survey.script(name));
    const { parameters, doubts } = await enumerate(text, "configure");
    for (const { reason, line } of doubts)
      unknown.push(`parameters of the module ${name}: line ${line} ${reason}`);
    found.push({ priority: Number(priority), name, parameters });
  }
  return found;
}
