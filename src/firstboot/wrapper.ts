import { afterBootFolder, afterBootService } from "./after-boot.ts";
import { doneFolder } from "./arming.ts";
import { keyOf, type ModuleParameter, type ModuleYaml, variableOf } from "./module-yaml.ts";
import { type Target, targets } from "./targets.ts";

/**
 * The program that ovm-template-config runs for a module: one file for Python 2.4 (with simplejson) to 3. `python` is the
 * interpreter in its first line.
 */
export function wrapperOf(module: ModuleYaml, python = "/usr/bin/env python"): string {
  const order = targets.filter((target) => module.targets[target] !== undefined);
  return `#!${python}
# -*- coding: utf-8 -*-
### BEGIN PLUGIN INFO
# name: ${module.name}
${order.map((target) => `# ${target}: ${module.targets[target]}`).join("\n")}
# description: ${oneLine(module.description)}
### END PLUGIN INFO

# Made by tbuild from module.yaml. Change that file, not this one.
# The program below ends by itself after ${module.run.timeout} seconds. tbuild's guest additions would end it after:
# tbuild-timeout: ${module.run.timeout + 60}
# Python 2.4 (Oracle Linux 5) to 3: no json before 2.6, no "with", no "except ... as".
try:
    import json
except ImportError:
    import simplejson as json
${module.afterBoot ? "import fcntl\nimport glob\n" : ""}import os
import signal
import subprocess
import sys
import tempfile
import time

NAME = ${literal(module.name)}
PROGRAM = ${commandOf(module.run)}
SECONDS = ${module.run.timeout}
JSON_INPUT = ${literal(module.run.input === "json")}
LOG = '/var/log/ovm-template-config.log'
# Guest additions that log what a module says on standard error say so. With others, this program writes the log.
LOGGED = os.environ.get('TEMPLATECONFIG_LOGS') == 'stderr'
DONE = ${literal(`${doneFolder}/${module.name}`)}
${afterBootConstants(module)}
PARAMETERS = ${list(module.parameters.map((one) => literal(enumerated(module, one))))}

# Environment variable, key, default, is it numbered, must it be there, is it a secret
VALUES = ${list(
    module.parameters.map((one) =>
      tuple([
        variableOf(one.name),
        keyOf(module, one),
        one.default ?? "",
        one.index,
        one.required,
        one.password,
      ]),
    ),
  )}


def text(value):
    if isinstance(value, bool):
        return value and 'true' or 'false'
    if value is None:
        return ''
    if not isinstance(value, str) and hasattr(value, 'encode'):
        return value.encode('utf-8')
    return str(value)


def own_values(param):
    """Key to value of this module's parameters, defaults included."""
    found = {}
    for _, key, default, numbered, required, _ in VALUES:
        if numbered:
            for one in param:
                if one.startswith(key + '.') and one[len(key) + 1:].isdigit():
                    found[one] = text(param[one])
        elif text(param.get(key)) != '':
            found[key] = text(param[key])
        elif default != '':
            found[key] = default
        if required and not [one for one in found if one == key or (numbered and one.startswith(key + '.'))]:
            fail('the value of %s is missing' % key)
    return found


def masked(secret):
    """What of a secret must not be logged: all of it, and each longer line, since output is logged by lines."""
    lines = [one.strip() for one in secret.replace('\\\\n', '\\n').split('\\n')]
    return [one for one in [secret] + [line for line in lines if len(line) > 5] if one != '']


def environment(values):
    env = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LANG': 'C', 'PYTHONDONTWRITEBYTECODE': '1'}
    if 'PYTHONPATH' in os.environ:
        env['PYTHONPATH'] = os.environ['PYTHONPATH']
    for variable, key, _, numbered, _, _ in VALUES:
        if numbered:
            for one in values:
                if one.startswith(key + '.'):
                    env[variable + '_' + one[len(key) + 1:]] = values[one]
        else:
            env[variable] = values.get(key, '')
    return env


def log(lines, secrets=()):
    for secret in secrets:
        lines = [line.replace(secret, '***') for line in lines]
    if LOGGED:
        sys.stderr.write(''.join([line + '\\n' for line in lines]))
        sys.stderr.flush()
        return
    when = time.strftime('%Y-%m-%d %H:%M:%S')
    stream = open(LOG, 'a')
    for line in lines:
        stream.write('%s %s: %s\\n' % (when, NAME, line))
    stream.close()


def fail(why, secrets=(), lines=()):
    said = list(lines[-20:]) + [why]
    for secret in secrets:
        said = [line.replace(secret, '***') for line in said]
    if LOGGED:
        raise SystemExit(said[-1])
    log(['failed: ' + said[-1]])
    # Nobody else shows what the program printed.
    raise SystemExit('\\n'.join(['%s: %s' % (NAME, line) for line in said]))


class Output(object):
    """What the program prints. Its lines are logged as they come."""

    def __init__(self, secrets):
        self.secrets, self.lines, self.rest = secrets, [], ''.encode('ascii')
        # A file: a service that the program leaves behind keeps no pipe open.
        self.file = tempfile.TemporaryFile()
        self.reader = os.open('/proc/self/fd/%d' % self.file.fileno(), os.O_RDONLY)

    def take(self):
        data = os.read(self.reader, 65536)
        while data:
            pieces = (self.rest + data).split('\\n'.encode('ascii'))
            self.rest = pieces.pop()
            self.add(pieces)
            data = os.read(self.reader, 65536)

    def end(self):
        self.take()
        self.add([self.rest])

    def add(self, pieces):
        if str is not bytes_type:
            pieces = [piece.decode('utf-8', 'replace') for piece in pieces]
        found = [line for piece in pieces for line in piece.splitlines() if line.strip() != '']
        if found:
            log(found, self.secrets)
            self.lines = (self.lines + found)[-1000:]

    def last(self):
        return (self.lines or ['it printed nothing'])[-1]


bytes_type = type(''.encode('ascii'))


def run(target, values, program, seconds, allowed=()):
    """Runs a program, and gives its exit code: 0, or one that is allowed. All others end this program."""
    secrets = []
    for _, key, _, numbered, _, secret in VALUES:
        for one in values:
            if secret and (one == key or (numbered and one.startswith(key + '.'))):
                secrets += masked(values[one])
    # The longest first: one secret may be the start of another.
    secrets.sort(key=len)
    secrets.reverse()
    output = Output(secrets)
    log([target + ': ' + ' '.join(program)])
    try:
        child = subprocess.Popen(program + [target], stdin=subprocess.PIPE, stdout=output.file, stderr=subprocess.STDOUT,
                                 env=environment(values), close_fds=True, preexec_fn=os.setsid, cwd='/')
    except OSError:
        fail('%s cannot be started' % program[0])
    try:
        if JSON_INPUT:
            child.stdin.write(json.dumps(values).encode('utf-8'))
        child.stdin.close()
    except (IOError, OSError):
        pass
    end = time.time() + seconds
    late = False
    while child.poll() is None and not late:
        late = time.time() > end
        time.sleep(0.1)
        output.take()
    if late and child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    else:
        late = False
    output.end()
    if late:
        fail('did not end within %d seconds; its last line: %s' % (seconds, output.last()), secrets, output.lines)
    if child.returncode != 0 and child.returncode not in allowed:
        fail('exit code %d: %s' % (child.returncode, output.last()), secrets, output.lines)
    if child.returncode == 0:
        log([target + ': done'])
    return child.returncode


def forget():
    for path in [DONE${module.afterBoot ? ", WAITING" : ""}]:
        if os.path.exists(path):
            os.unlink(path)
${module.afterBoot ? afterBoot : ""}${order.map((target) => `\n\n${action(module, target)}`).join("")}


def do_enumerate(target):
    if target == 'configure':
        return json.dumps(PARAMETERS)
    return json.dumps([])


if __name__ == '__main__':
${module.afterBoot ? "    if sys.argv[1:] == ['--after-boot']:\n        sys.exit(after_boot())\n" : ""}    from templateconfig.cli import main
    main(do_enumerate, {${order.map((target) => `'${target}': do_${target}`).join(", ")}})
`;
}

function afterBootConstants({ name, afterBoot }: ModuleYaml): string {
  if (afterBoot === undefined) return "";
  return `# What runs after the boot. Its values wait in this file.
AFTER = ${commandOf(afterBoot)}
AFTER_SECONDS = ${afterBoot.timeout}
WAITING = ${literal(`${afterBootFolder}/${name}`)}
SERVICE = ${literal(afterBootService(name))}
# EX_TEMPFAIL: what it needs is not there yet.
NOT_YET = 75
`;
}

const afterBoot = `

def wait_for_boot(values):
    """Leaves the values for after_boot, and lets the service run it when the boot has ended."""
    folder = os.path.dirname(WAITING)
    if not os.path.isdir(folder):
        os.makedirs(folder, 448)  # 0700
    if os.path.exists(WAITING):
        os.unlink(WAITING)
    descriptor = os.open(WAITING, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 384)  # 0600
    stream = os.fdopen(descriptor, 'w')
    stream.write(json.dumps(values))
    stream.close()
    if os.path.isdir('/run/systemd/system'):
        start([['systemctl', '--quiet', 'enable', SERVICE + '.service'],
               ['systemctl', '--no-block', 'start', SERVICE + '.service']])
    elif process_name('/proc/1') == 'init':
        start([['/sbin/chkconfig', '--add', SERVICE], ['/etc/rc.d/init.d/' + SERVICE, 'start']])
    else:
        log(['no init runs here that could start ' + SERVICE])


def start(commands):
    nothing = open('/dev/null', 'r+')
    for command in commands:
        try:
            code = subprocess.call(command, stdin=nothing, stdout=nothing, stderr=nothing)
        except OSError:
            code = 127
        if code != 0:
            fail('%s: exit code %d' % (' '.join(command), code))


def process_name(folder):
    try:
        stream = open(folder + '/stat')
        words = stream.read()
        stream.close()
    except (IOError, OSError):
        return ''
    return words[words.find('(') + 1:words.rfind(')')]


def after_boot():
    try:
        stream = open(WAITING, 'r+')
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (IOError, OSError):
        # It has run, or runs now.
        return 0
    # SysV init starts what is in /etc/rc.d by a program rc, network file systems among it.
    while 'rc' in [process_name(one) for one in glob.glob('/proc/[0-9]*')]:
        time.sleep(2)
    values = json.loads(stream.read())
    if run('after-boot', values, AFTER, AFTER_SECONDS, [NOT_YET]) == NOT_YET:
        log(['after-boot: not yet; the next boot tries again, or: service %s start' % SERVICE])
    elif os.path.exists(WAITING):
        os.unlink(WAITING)
    return 0
`;

function action({ afterBoot }: ModuleYaml, target: Target): string {
  if (target === "configure")
    return `def do_configure(param):
    values = json.loads(param)
    if os.path.exists(DONE):
        log(['configure: this clone is configured already'])
        return json.dumps(values)
    own = own_values(values)
    run('configure', own, PROGRAM, SECONDS)
${afterBoot ? "    wait_for_boot(own)\n" : ""}    if not os.path.isdir(os.path.dirname(DONE)):
        os.makedirs(os.path.dirname(DONE))
    open(DONE, 'w').close()
    return json.dumps(values)`;
  const forgets = target === "unconfigure" || target === "cleanup";
  return `def do_${target}(param):
    values = json.loads(param)
    run('${target}', own_values(values), PROGRAM, SECONDS)
${forgets ? "    forget()\n" : ""}    return json.dumps(values)`;
}

// A Python program runs under the Python of ovm-template-config, which has another path in each release.
function commandOf({
  program,
  interpreter,
}: ModuleYaml["run"] | NonNullable<ModuleYaml["afterBoot"]>): string {
  if (interpreter === "python") return `[sys.executable, ${literal(program)}]`;
  return literal(interpreter === undefined ? [program] : [interpreters[interpreter], program]);
}

// EL5 to EL9 have these paths.
const interpreters = { sh: "/bin/sh", bash: "/bin/bash", ksh: "/bin/ksh", perl: "/usr/bin/perl" } as const;

/** A parameter as do_enumerate declares it: only fields that ovm-template-config or `tbuild message` knows. */
function enumerated(module: ModuleYaml, one: ModuleParameter): Readonly<Record<string, unknown>> {
  return {
    key: `${keyOf(module, one)}${one.index ? ".0" : ""}`,
    description: oneLine(one.description),
    ...(one.required && { required: true }),
    ...(one.hidden && { hidden: true }),
    ...(one.password && { password: true }),
    ...(one.type !== "text" && { type: one.type }),
    ...(one.default !== undefined && { default: one.default }),
    ...(one.choices !== undefined && { choices: one.choices }),
    ...(one.pattern !== undefined && { pattern: one.pattern }),
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

function list(items: readonly string[]): string {
  return items.length === 0 ? "[]" : `[\n${items.map((item) => `    ${item},`).join("\n")}\n]`;
}

function tuple(items: readonly unknown[]): string {
  return `(${items.map(literal).join(", ")})`;
}

/** A value as a Python literal in ASCII. Text that needs it is written with a `u`, which Python 3.3 and later know again. */
function literal(value: unknown): string {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .map(([key, one]) => `${literal(key)}: ${literal(one)}`)
      .join(", ")}}`;
  const text = String(value);
  const escaped = text.replaceAll(/[^\x20-\x7e]|['\\]/gu, (c) => {
    const code = c.codePointAt(0) ?? 0;
    if (c === "'" || c === "\\") return `\\${c}`;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return `${[...text].some((c) => c > "\x7f") ? "u" : ""}'${escaped}'`;
}
