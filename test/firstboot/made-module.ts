import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { checkModules } from "../../src/firstboot/check/index.ts";
import { releases } from "../../src/guest/release.ts";
import { localHost } from "../../src/host/local.ts";

/** The folder of the modules of a test file. */
export let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-kinds-"));
});
afterAll(() => rm(root, { recursive: true }));

/** What a made module differs in from one that passes. */
export interface Pieces {
  readonly for?: string;
  readonly targets?: string;
  readonly imports?: string;
  readonly parameters?: string;
  readonly enumerate?: string;
  readonly configure?: string;
  readonly more?: string;
  readonly text?: (script: string) => string | Uint8Array;
  /** With a module.yaml in place of the script: the keys behind `program`. */
  readonly yaml?: string;
  /** The payload's program, and further files. */
  readonly run?: string | Uint8Array;
  readonly mode?: number;
  readonly files?: Readonly<Record<string, string>>;
}

export const key = "org.example.acme";
const parameters = `[{'key': '${key}.code', 'description': 'C'}, {'key': '${key}.pw', 'password': True}]`;
const indented = (text: string) => text.replaceAll("\n", "\n    ");
export const scriptOf = (of: Pieces) => `#!/usr/bin/python
### BEGIN PLUGIN INFO
# name: acme
${of.targets ?? "# configure: 80"}
# description: Does it.
### END PLUGIN INFO
try:
    import json
except ImportError:
    import simplejson as json
from templateconfig.cli import main
from templateconfig.common import run_cmd
${of.imports ?? ""}

def do_enumerate(target):
    ${indented(of.enumerate ?? `return json.dumps(${of.parameters ?? parameters})`)}

${of.more ?? ""}
def do_configure(param):
    param = json.loads(param)
    ${indented(of.configure ?? "run_cmd(['/opt/acme/run.sh'])")}
    return json.dumps(param)

if __name__ == '__main__':
    main(do_enumerate, {'configure': do_configure})
`;
const yamlOf = (more: string) => `name: acme
description: Does it.
targets: { configure: 80, cleanup: 15 }
parameters:
  - { name: db-password, description: D, password: true }
  - { name: peers, description: P, index: true }
run: { program: /opt/acme/run.sh${more} }
`;

let count = 0;
/** Writes a module named acme, and checks it. */
export async function report(of: Pieces) {
  const folder = join(root, String(++count), "acme");
  const script = scriptOf(of);
  const files: Record<string, string | Uint8Array> = {
    "payload/opt/acme/run.sh": of.run ?? "#!/bin/bash\nexit 0\n",
    ...(of.yaml === undefined ? { acme: of.text?.(script) ?? script } : { "module.yaml": yamlOf(of.yaml) }),
    ...of.files,
  };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
    await chmod(join(folder, path), path.endsWith("run.sh") ? (of.mode ?? 0o755) : 0o644);
  }
  const majors = (of.for ?? "6 7").split(" ").map(Number) as (keyof typeof releases)[];
  const asked = majors.map((major) => ({ name: `ol${major}`, python: releases[major].python }));
  return { folder, ...(await checkModules([folder], asked, true, undefined, localHost())) };
}

/** Its findings, one per line as the command prints them. */
export async function findings(of: Pieces): Promise<string[]> {
  const { folder, findings } = await report(of);
  return findings.map(
    ({ level, file, line, text, remedy }) =>
      `${file.slice(folder.length + 1)}:${line}: ${level}: ${text}. ${remedy}`,
  );
}

/** A module whose program is a shell script. */
export const shell = (run: string, of: Pieces = {}): Pieces => ({
  yaml: "",
  run: `#!/bin/bash\n${run}\n`,
  ...of,
});
