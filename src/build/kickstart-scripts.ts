import { bashFault } from "../firstboot/shell/bash-syntax.ts";
import type { Runner } from "../host/host.ts";
import { partsOf } from "../kickstart/check.ts";
import type { KickstartFault } from "../kickstart/part.ts";

/**
 * Warns of scripts that bash rejects. The installer's parser does not check them, so they would fail while
 * the installer runs. Scripts for other interpreters, and scripts that are partly in another file, are not
 * checked.
 */
export async function scriptFaults(host: Runner, text: string, major: number): Promise<KickstartFault[]> {
  const faults: KickstartFault[] = [];
  for (const { kind, name, line, text: head, body } of partsOf(text, major, () => {})) {
    if (kind !== "section" || !scripts.has(name) || !isForShell(head)) continue;
    if (body.some((one) => /^\s*%(include|ksappend)\b/.test(one))) continue;
    const fault = await bashFault(host, body.map((one) => `${one}\n`).join(""));
    if (!fault) continue;
    // bash reports an error at the end of the script in the line after it.
    const within = Math.min(fault.line, body.length);
    faults.push({
      line: line + within,
      severity: "warning",
      text: `${name}: bash refuses it: ${fault.text}`,
    });
  }
  return faults;
}

const scripts = new Set(["%pre", "%pre-install", "%post", "%traceback", "%onerror"]);

// Without `--interpreter` (which the parsers also accept abbreviated), the interpreter is /bin/sh: bash on
// Oracle Linux.
function isForShell(head: string): boolean {
  const [, interpreter = "/bin/sh"] = /\s--i[a-z]*(?:=|\s+)["']?([^\s"']+)/.exec(head) ?? [];
  return /(?:^|\/)(?:ba)?sh$/.test(interpreter);
}
