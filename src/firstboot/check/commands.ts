import type { ModuleFile, Target } from "../module.ts";
import { type ReadShell, type ShellProgram, started } from "../shell/read.ts";
import { secretLeaks, secretsShown } from "../shell/secrets.ts";
import { shippedModules } from "../shipped.ts";
import type { ModuleFinding } from "./finding.ts";
import { mountsThem, type NetworkMounts } from "./fstab.ts";

/**
 * A command that runs at a target, as words; `undefined` is a word that is computed at run time, and `x` a
 * part of one in a shell.
 */
export interface Command {
  readonly words: readonly (string | undefined)[];
  readonly file: string;
  readonly line: number;
  /** Nothing waits for it. */
  readonly isBackground?: boolean;
  /** `timeout` ends it. */
  readonly hasLimit?: boolean;
  /** It reads a pipe or a file, so that it asks no one. */
  readonly isFed?: boolean;
  /** It is in a function, whose caller may give it something to read. */
  readonly isInFunction?: boolean;
  /** Another program reads what it prints, and ends it by ending. */
  readonly isPiped?: boolean;
}

const networkPrograms =
  /^(?:curl|wget|yum|dnf|ssh|scp|sftp|rsync|ping|nslookup|dig|host|ntpdate|subscription-manager|rhnreg_ks|showmount)$/;

/**
 * Requirements of a command that are not up at its target. Configuration runs before network file systems are
 * mounted and before the services of the runlevel start; the network is there once the module `network` has
 * run.
 */
export function earlyFindings(
  { words, file, line }: Command,
  target: Target,
  priority: number | undefined,
  mounts: NetworkMounts,
): ModuleFinding[] {
  if (target !== "configure" && target !== "reconfigure") return [];
  const [program = "", ...rest] = words;
  const name = program.slice(program.lastIndexOf("/") + 1);
  const found: ModuleFinding[] = [];
  if (
    mountsThem(name, rest, mounts) ||
    (name === "mount" && isNfs(rest)) ||
    /^mount\.nfs4?$/.test(name) ||
    startsNfs(name, rest)
  )
    found.push({
      level: "error",
      file,
      line,
      text: `mounts NFS at ${target}, when NFS is not up yet`,
      remedy: "Do it after the boot: at configure, write a unit or an init script that does the work",
    });
  const automatic = words.find(isAutomatic);
  if (automatic !== undefined) found.push({ level: "error", file, line, ...noAutomount(automatic, target) });
  const looksUp = lookup(name, rest);
  const early =
    looksUp !== undefined || networkPrograms.test(name)
      ? tooEarly(looksUp ?? name, target, priority)
      : undefined;
  if (early) found.push({ level: "error", file, line, ...early });
  return found;
}

/** A path below /net, which autofs mounts from the host that it names. */
export function isAutomatic(word: unknown): word is string {
  return typeof word === "string" && /^\/net\/[\w.-]+(?:\/|$)/.test(word);
}

export function noAutomount(path: string, target: Target) {
  return {
    text: `uses ${path} at ${target}, when neither autofs nor NFS is up yet`,
    remedy: "Do it after the boot: at configure, write a unit or an init script that does the work",
  };
}

// Programs that ask a name server, with the words that make them do so.
function lookup(name: string, rest: readonly (string | undefined)[]): string | undefined {
  const word = rest.find((one) =>
    name === "getent"
      ? /^(?:hosts|ahosts(?:v[46])?)$/.test(one ?? "")
      : name === "hostname" && /^(?:-[fdiIA]|--(?:fqdn|long|domain|ip-address|all-fqdns))$/.test(one ?? ""),
  );
  return word && `${name} ${word}`;
}

const networkFunctions =
  /^(?:urllib2?|urllib\.request)\.url(?:open|retrieve)$|^socket\.(?:create_connection|gethostbyname(?:_ex)?|gethostbyaddr|getfqdn|getaddrinfo|getnameinfo)$|^(?:httplib|http\.client)\.HTTPS?Connection$|^(?:ftplib\.FTP|smtplib\.SMTP|telnetlib\.Telnet|xmlrpclib\.ServerProxy)$|^requests\.(?:get|post|put|head)$/;

/** The fault of a call of a Python library function that needs the network. */
export function networkFinding(name: string, target: Target, priority: number | undefined) {
  const isEarly = target === "configure" || target === "reconfigure";
  return isEarly && networkFunctions.test(name) ? tooEarly(name, target, priority) : undefined;
}

// The module network brings the network up.
function tooEarly(name: string, target: Target, priority: number | undefined) {
  const network = shippedModules.network?.priorities.configure ?? 50;
  if (priority === undefined || priority > network) return undefined;
  return {
    text: `runs ${name} at ${target}: ${priority}, but the module network brings up the network at ${network}`,
    remedy: `Give ${target} a priority from ${network + 1} to 89`,
  };
}

function isNfs(words: readonly (string | undefined)[]): boolean {
  const all = words.map((word) => word ?? "");
  const type = all.findIndex((word) => word === "-t" || word === "--types");
  if (type >= 0 && /^(?:nfs|cifs)/.test(all[type + 1] ?? "")) return true;
  if (all.some((word) => /^-t\s*nfs/.test(word))) return true;
  return all.some((word) => /^[\w.-]+:\/\S*$/.test(word) && !word.startsWith("-"));
}

// The services that mount NFS.
function startsNfs(name: string, rest: readonly (string | undefined)[]): boolean {
  const words = rest.map((word) => word ?? "");
  const service =
    (name === "service"
      ? words[0]
      : name === "systemctl"
        ? words.find((_, at) => at > 0 && words[at - 1] === "start")
        : "") ?? "";
  return (
    words.some((word) => /^(?:re)?start$/.test(word)) &&
    /^(?:netfs|autofs|remote-fs)(?:\.\w+)?$/.test(service)
  );
}

const shells = /^(?:ba|k|da|z|)sh$/;

/** The payload file that a command starts, directly or through an interpreter. */
export function startedFile(
  words: readonly (string | undefined)[],
  payload: readonly ModuleFile[],
): { file: ModuleFile; direct: boolean } | undefined {
  const direct = payload.find(({ path }) => path === words[0]);
  if (direct) return { file: direct, direct: true };
  const script = interpretedFile(words);
  const file = payload.find(({ path }) => path === script);
  return file && { file, direct: false };
}

/** The script that a command hands to an interpreter. */
export function interpretedFile([program, ...rest]: readonly (string | undefined)[]): string | undefined {
  const name = program?.slice(program.lastIndexOf("/") + 1) ?? "";
  if (!shells.test(name) && !/^(?:python[\d.]*|perl|env)$/.test(name)) return undefined;
  if (rest.some((word) => /^-\w*[ce]$/.test(word ?? ""))) return undefined;
  return rest.find((word) => word !== undefined && !word.startsWith("-"));
}

/** The commands of a shell text. */
export function commandsOf(program: ShellProgram, file: string, line = 1): Command[] {
  return program.commands.map((one) => ({
    words: started(one.words).map(({ text }) => text),
    file,
    line: line + one.line - 1,
    isBackground: one.isBackground,
    hasLimit: /(?:^|\/)timeout$/.test(one.words[0]?.text ?? ""),
    isFed: one.isFed,
    isInFunction: one.within !== undefined,
    isPiped: one.isPiped,
  }));
}

/** The commands that a shell script gives, and those of the payload's files that it reads in by `.` or `source`. */
export function shellCommands(file: ModuleFile, payload: readonly ModuleFile[], read: ReadShell): Command[] {
  return shellFiles(file, payload, read).flatMap(([one, program]) => commandsOf(program, one.from));
}

/** Commands of a shell script that show a secret of its environment: as an argument, in every process list, or in what they print. */
export function secretFindings(
  file: ModuleFile,
  payload: readonly ModuleFile[],
  variables: readonly string[],
  read: ReadShell,
): ModuleFinding[] {
  if (variables.length === 0) return [];
  const traces = /^#!\S*(?:\s+\S*sh)?\s+-\w*x/.test(firstLine(file));
  return shellFiles(file, payload, read).flatMap(([one, program]) => [
    ...secretLeaks(program, variables).map(
      ({ line, variable, program: name }): ModuleFinding => ({
        level: "error",
        file: one.from,
        line,
        text: `puts $${variable} on the command line of ${name}, where every process list shows it`,
        remedy: `Pass it on standard input, such as printf '%s' "$${variable}" | ${name}`,
      }),
    ),
    ...secretsShown(program, variables, traces && one === file).map(
      ({ line, variable, by }): ModuleFinding => ({
        level: "warning",
        file: one.from,
        line,
        text: `shows ${secretName(variable, variables)}: ${by} prints it, and the log hides it only where it is unchanged`,
        remedy:
          by === "set -x"
            ? "Leave set -x out, or write set +x before the line"
            : "Print only whether it is set",
      }),
    ),
  ]);
}

// A parameter by its variable; a variable that got the value of one by its place.
function secretName(variable: string, variables: readonly string[]): string {
  return variables.includes(variable) ? `$${variable}` : `a secret in $${variable}`;
}

/** The first line of a file. */
export function firstLine(file: ModuleFile): string {
  return Buffer.from(file.data.subarray(0, 500)).toString("latin1").split(/\r?\n/, 1)[0] ?? "";
}

/** Whether a file begins as a shell script does. */
export function isShell(file: ModuleFile): boolean {
  return /^#!\s*\S*\/(?:env\s+)?(?:ba|k|da|z)?sh\b/.test(
    Buffer.from(file.data.subarray(0, 200)).toString("latin1"),
  );
}

/** A shell script, and the files of the payload that it reads in, each parsed. */
export function shellFiles(
  file: ModuleFile,
  payload: readonly ModuleFile[],
  read: ReadShell,
): [ModuleFile, ShellProgram][] {
  if (!isShell(file)) return [];
  const found: [ModuleFile, ShellProgram][] = [];
  const open = [file];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const known = one;
    if (found.some(([there]) => there.path === known.path)) continue;
    const program = read(Buffer.from(one.data).toString("utf8"));
    found.push([one, program]);
    for (const { words } of program.commands) {
      const [name, from] = words;
      const source =
        /^(?:\.|source)$/.test(name?.text ?? "") && payload.find(({ path }) => path === from?.text);
      if (source) open.push(source);
    }
  }
  return found;
}
