import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Fault, TbuildError } from "../errors.ts";
import { makeFolders } from "../io/folders.ts";
import type { Host, RunOptions } from "./host.ts";
import { joinHere, notInstalled, runHere, shellCommand, shellQuoted, shortened, talkHere } from "./local.ts";

export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly login: Login;
  /** A program that connects to it, like ssh's ProxyCommand, with `%h` and `%p` in it. */
  readonly through?: readonly string[];
  /** How many times as long as usual it may be silent. */
  readonly patience?: number;
}

/** The file of a private key, or a program that prints the password, so that neither a process list nor an environment shows it. */
export type Login = { readonly key: string } | { readonly askpass: string };

/**
 * A machine over ssh. Its host key is not checked: tbuild has just made the machine, and reaches it over
 * loopback. All commands share one connection, which ends with the machine, or 15 s after the last command.
 */
export function sshHost(target: SshTarget, onCommand?: (argv: readonly string[]) => void): Host {
  const name = `${target.user}@${target.host}:${target.port}`;
  return hostOver(name, sshArgv(target, sharedLine()), askpassEnv(target.login), "guest", onCommand);
}

/** A machine as the user's `ssh ADDRESS` reaches it, with their configuration, keys, agent and known hosts. */
export interface FarHost extends Host {
  /** The ssh options with which another program uses the same connection, without `ssh` itself. */
  readonly sshOptions: readonly string[];
}

/**
 * `address` has IPv6 in brackets, as in scp and sshfs. `config` replaces `~/.ssh/config`. `patience`: how many times as long as
 * usual the machine may be silent.
 */
export function farHost(address: string, config?: string, patience = 1): FarHost {
  const file = config === undefined ? [] : ["-F", resolve(config)];
  const sshOptions = [...file, ...silence(patience), ...sharedLine()];
  const ssh = ["ssh", ...sshOptions, "--", address.replace(/[[\]]/g, "")];
  return { ...hostOver(address, ssh, {}, "environment"), sshOptions };
}

// A unix socket's path has at most 107 bytes, so it is not in the build's folder.
const sockets = join(tmpdir(), `tbuild-ssh-${process.getuid?.() ?? 0}`);

function sharedLine(): string[] {
  const socket = join(sockets, randomBytes(6).toString("hex"));
  return ["-o", "ControlMaster=auto", "-o", "ControlPersist=15", "-o", `ControlPath=${socket}`];
}

// A machine that answers nothing for a minute is gone, unless it is a slow one.
function silence(patience: number): string[] {
  return [
    ...["-o", `ConnectTimeout=${Math.ceil(10 * patience)}`],
    ...["-o", "ServerAliveInterval=10", "-o", `ServerAliveCountMax=${Math.ceil(6 * patience)}`],
  ];
}

function hostOver(
  name: string,
  ssh: readonly string[],
  env: Readonly<Record<string, string>>,
  fault: Fault,
  onCommand?: (argv: readonly string[]) => void,
): Host {
  const begin = async (argv: readonly string[]) => {
    onCommand?.(argv);
    await makeFolders(sockets, 0o700);
  };
  const run = async (argv: readonly string[], options: RunOptions = {}) => {
    await begin(argv);
    // The far shell gets one string; `env` and `cd` are part of it, because ssh passes neither.
    const { env: _env, cwd: _cwd, ...rest } = options;
    return runHere(name, [...ssh, shellCommand(argv, options)], { ...rest, env }).catch(
      explained(name, fault, argv),
    );
  };
  return {
    name,
    run,
    async talk(argv, options) {
      await begin(argv);
      return talkHere([...ssh, shellCommand(argv)], { ...options, env });
    },
    async join(argv) {
      await begin(argv);
      return joinHere([...ssh, shellCommand(argv)], env);
    },
    async readFile(path) {
      const out = await run(["sh", "-c", 'test -e "$0" || exit 44; exec cat -- "$0"', path], { allow: [44] });
      return out.exitCode === 44 ? undefined : out.bytes;
    },
    async writeFile(path, data, mode = 0o644) {
      const script =
        'mkdir -p -- "$(dirname -- "$0")" && umask 077 && cat > "$0.tmp" && chmod "$1" "$0.tmp" && mv -f -- "$0.tmp" "$0"';
      await run(["sh", "-c", script, path, mode.toString(8)], { input: data });
    },
  };
}

/** The ssh command without the remote command. */
function sshArgv(target: SshTarget, more: readonly string[] = []): string[] {
  const how =
    "key" in target.login
      ? ["-i", target.login.key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
      : ["-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "NumberOfPasswordPrompts=1"];
  const trust = [
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
  ];
  return [
    "ssh",
    "-F",
    "none",
    ...how,
    ...trust,
    ...silence(target.patience ?? 1),
    ...(target.through === undefined ? [] : ["-o", `ProxyCommand=${shellQuoted(target.through)}`]),
    ...more,
    "-p",
    String(target.port),
    `${target.user}@${target.host}`,
  ];
}

/** The login command for people, valid in any shell. */
export function sshCommand(target: SshTarget): string {
  return shellQuoted([
    ...Object.entries(askpassEnv(target.login)).flatMap(([key, value], i) =>
      i === 0 ? ["env", `${key}=${value}`] : [`${key}=${value}`],
    ),
    ...sshArgv(target),
  ]);
}

function askpassEnv(login: Login): Record<string, string> {
  return "askpass" in login ? { SSH_ASKPASS: login.askpass, SSH_ASKPASS_REQUIRE: "force" } : {};
}

// ssh exits 255 when the connection failed, and with the code of the command otherwise. The ssh command line
// would not help the author of the command.
function explained(name: string, fault: Fault, argv: readonly string[]) {
  return (error: unknown): never => {
    if (!(error instanceof TbuildError)) throw error;
    // ssh itself is missing, on this machine.
    if (error.code === "not-installed") throw notInstalled("ssh", "local");
    if (error.exitCode === 255)
      throw new TbuildError(fault, "no ssh connection", {
        subject: name,
        code: "no-connection",
        cause: error,
        lines: error.said,
      });
    throw error.with({ subject: argv[0], command: shortened(shellQuoted(argv)) });
  };
}

/**
 * Whether an ssh server answers. Faster than a login. With a forwarded port, the connection itself always succeeds;
 * only a banner shows that the server is there.
 */
export function sshAnswers(host: string, port: number, timeoutMs = 2_000): Promise<boolean> {
  return new Promise((resolve) => {
    const line = connect({ host, port });
    const end = (answer: boolean) => {
      clearTimeout(timer);
      line.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    line.once("data", (data) => end(data.toString("latin1").startsWith("SSH-")));
    line.once("error", () => end(false));
    line.once("close", () => end(false));
  });
}
