import { TbuildError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { localHost, shellCommand } from "../../src/host/local.ts";

/** Like ssh: joins the argv to one string, which a shell with a minimal environment splits again. */
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
