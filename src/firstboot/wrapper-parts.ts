// The parts of a module's program that are the same for every module: Python 2.4 to 3. Its constants (NAME, PROGRAM, VALUES …)
// are written before them.

/** The values from the guest additions, and the program's environment. */
export const ownValues = `def text(value):
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
    return env`;

/** The log, and the end after a failure. Secrets are masked. */
export const logging = `def log(lines, secrets=()):
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
    raise SystemExit('\\n'.join(['%s: %s' % (NAME, line) for line in said]))`;

/** Starts the program, and logs its output. */
export const running = `class Output(object):
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


def feed(stream, waiting):
    """Writes what a pipe takes, and gives the rest: a program need not read its input."""
    try:
        while waiting:
            waiting = waiting[os.write(stream.fileno(), waiting):]
    except (IOError, OSError):
        if sys.exc_info()[1].errno == errno.EAGAIN:
            return waiting
    if not stream.closed:
        stream.close()
    return waiting[:0]


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
    waiting = ''.encode('ascii')
    if JSON_INPUT:
        waiting = json.dumps(values).encode('utf-8')
    fcntl.fcntl(child.stdin, fcntl.F_SETFL, fcntl.fcntl(child.stdin, fcntl.F_GETFL) | os.O_NONBLOCK)
    end = time.time() + seconds
    late = False
    while child.poll() is None and not late:
        waiting = feed(child.stdin, waiting)
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
    return child.returncode`;

/** Runs a second program when the boot has ended. */
export const afterBootRuns = `def wait_for_boot(values):
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
    return 0`;
