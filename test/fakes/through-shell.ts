import { TbuildError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { localHost, shellCommand } from "../../src/host/local.ts";

/** What ssh does: the argv becomes one string, and a shell with a poor environment takes it apart again. */
export function throughShell(): Host {
  const host = localHost();
  return {
    ...host,
    name: "far",
    run(argv, options = {}) {
      const { env: _env, cwd: _cwd, ...rest } = options;
      const shell = ["env", "-i", "PATH=/usr/bin:/bin", "sh", "-c", shellCommand(argv, options)];
      return host.run(shell, rest).catch((error) => {
        throw error instanceof TbuildError ? error.with({ subject: argv[0] }) : error;
      });
    },
  };
}
