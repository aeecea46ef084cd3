import { expect, it } from "vitest";
import { messageWrites } from "../../src/firstboot/xenstore-keys.ts";
import { describeWith } from "../fakes/missing.ts";
import { inGuest, pythons, rootNeeds } from "./additions-root.ts";

const long = `${"ü".repeat(4000)}end`;
const writes = [
  ...messageWrites("com.oracle.linux.network.hostname", "clone.example"),
  ...messageWrites("a_b.c@d", ""),
  ...messageWrites("long", long),
].map(({ node, value }) => [node, value.toString("base64")]);

// Acts as the host: writes messages, and reads the guest's reports.
const host = `
import base64, json, subprocess, sys, time
sys.path.insert(0, '/usr/lib/fakes')
from xenstored import Xenstored
store = Xenstored('/run/xenstored/socket').start()
store.write('/local/domain/7/data', b'')
def ovmd(*words):
    done = subprocess.run(('/usr/sbin/ovmd',) + words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
def until(what):
    for _ in range(100):
        if what(): return
        time.sleep(0.1)
    raise SystemExit('waited in vain')
store.write('data/tbuild/in/early', b'before the daemon')
store.write('data/tbuild/in/not_complete/1', b'the second part')
ovmd('-t', '60')
until(lambda: 'version' in store.tree('data/tbuild'))
for node, value in json.loads(sys.argv[1]):
    store.write(node, base64.b64decode(value))
for number in range(150):
    store.write('data/tbuild/in/com_example_many_%s_%d' % ('x' * 60, number), b'')
until(lambda: list(store.tree('data/tbuild/in')) == ['not_complete', 'not_complete/1'])
ovmd('-p', 'answer=42', '-e', 'done')
until(lambda: 'answer' in store.tree('data/tbuild/out'))
params = {}
for line in ovmd('-l').splitlines(): params.update(json.loads(line))
many = [key for key in params if key.startswith('com.example.many.')]
for key in many: del params[key]
print(json.dumps({'params': params, 'many': len(many), 'tree': store.tree('data/tbuild')}))
`;

// A module that prints lines, waits for the host, and fails. One of its lines has the secret.
const failing = `#!/usr/bin/python3
### BEGIN PLUGIN INFO
# name: bad
# configure: 60
# description: test
### END PLUGIN INFO
import json, os, sys, time
from templateconfig.cli import main
def do_enumerate(target):
    return json.dumps([{'key': 'x.token', 'password': True}])
def do_configure(param):
    for number in range(1, 41):
        print('line %d' % number)
    print('token ' + json.loads(param)['x.token'])
    sys.stdout.flush()
    while not os.path.exists('/go'):
        time.sleep(0.1)
    os.write(2, b'a long line ' + b'\\xfc' * 5000 + b'\\n')
    raise SystemExit('no disks')
if __name__ == '__main__':
    main(do_enumerate, {'configure': do_configure})
`;

const firstBoot = `
import json, subprocess, sys, time
sys.path.insert(0, '/usr/lib/fakes')
from xenstored import Xenstored
store = Xenstored('/run/xenstored/socket').start()
store.write('/local/domain/7/data', b'')
def until(what):
    for _ in range(200):
        if what(): return
        time.sleep(0.1)
    raise SystemExit('waited in vain')
state = lambda: store.tree('data/tbuild').get('out/org_tbuild_rehearsal_initial-config', '')
for words in ('ovm-chkconfig --add bad', 'ovm-chkconfig --add authentication', 'ovmd -t 1'):
    subprocess.run(words.split(), check=True)
boot = subprocess.Popen(['ovmd', '-i'], stdout=subprocess.PIPE, encoding='utf-8', errors='replace')
until(lambda: state() == 'waiting')
store.write('data/tbuild/in/x_token', b'hush-hush')
store.write('data/tbuild/in/com_oracle_linux_root-password', b'secret-word')
until(lambda: 'token' in state())
running = state()
open('/go', 'w').close()
until(lambda: state().startswith('failed'))
print(json.dumps({'running': running, 'failed': state(), 'console': boot.communicate()[0], 'code': boot.returncode}))
`;

describeWith(rootNeeds, "the first boot over xenstore", () => {
  for (const { name, path } of pythons)
    it(`tells which module runs and what it says, and what one said that failed, under ${name}`, () => {
      const { code, out, err } = inGuest(path, "exec /usr/bin/python3 /host.py", {
        "host.py": firstBoot,
        "etc/template.d/scripts/bad": failing.replace(/^#!.*/, `#!${path}`),
      });
      expect({ code, err }).toEqual({ code: 0, err: "" });
      const told = JSON.parse(out);
      const lines = (from: number) => Array.from({ length: 41 - from }, (_, i) => `line ${from + i}`);
      expect(told.running.split("\n")).toEqual(["running: bad", ...lines(22), "token ********"]);
      const [why, ...said] = told.failed.split("\n");
      expect(why).toBe("failed: bad: no disks");
      expect(said.at(-1)).toMatch(/^bad: a long line \ufffd+$/);
      expect(said.slice(0, -1)).toEqual([...lines(23), "token ********"].map((line) => `bad: ${line}`));
      expect(Buffer.byteLength(told.failed)).toBeLessThan(3_000);
      expect(told.console).toContain("ovmd: bad: no disks\n");
      expect(told.code).toBe(1);
      expect(out).not.toMatch(/hush-hush|secret-word/);
    });
});

describeWith(rootNeeds, "ovmd over xenstore", () => {
  for (const { name, path } of pythons)
    it(`takes messages, long and early ones too, and reports, under ${name}`, () => {
      const { code, out, err } = inGuest(path, `exec /usr/bin/python3 /host.py '${JSON.stringify(writes)}'`, {
        "host.py": host,
      });
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(JSON.parse(out)).toEqual({
        many: 150,
        params: {
          early: "before the daemon",
          "com.oracle.linux.network.hostname": "clone.example",
          "a_b.c@d": "",
          long,
          answer: "42",
        },
        tree: {
          in: "",
          "in/not_complete": "",
          "in/not_complete/1": "the second part",
          out: "",
          "out/answer": "42",
          "out/org_tbuild_rehearsal_initial-config": "done",
          version: "1.0.0",
        },
      });
    });
});

// Acts as the host: no watch tells the guest of a message, so that it comes with the daemon's next look.
const periods = `
import json, os, signal, socket, subprocess, sys, time
sys.path.insert(0, '/usr/lib/fakes')
from xenstored import Xenstored
store = Xenstored('/run/xenstored/socket').start()
store.write('/local/domain/7/data', b'')
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind('/dev/log')
log.settimeout(0.2)
def until(what):
    for _ in range(200):
        if what(): return
        time.sleep(0.1)
    raise SystemExit('waited in vain')
lies = lambda: 'in/x' in store.tree('data/tbuild')
def logged():
    said = []
    try:
        while True: said.append(log.recv(4096).decode())
    except socket.timeout:
        return said
def taken(period, level, seconds):
    store.write('/local/domain/7/data', b'')
    errors = open('/errors', 'w+')
    subprocess.run(['ovmd', '-t', period, '-d', level], check=True, stderr=errors)
    until(lambda: store.tree('data/tbuild').get('version'))
    time.sleep(0.7)
    store.watches.clear()
    store.write('data/tbuild/in/x', b'hush-hush')
    end = time.time() + seconds
    while lies() and time.time() < end: time.sleep(0.1)
    found = not lies()
    os.kill(int(open('/var/run/ovmd.pid').read()), signal.SIGTERM)
    until(lambda: not os.path.exists('/var/run/ovmd.sock'))
    if not found: store.remove('data/tbuild/in/x')
    store.remove('data/tbuild/version')
    errors.seek(0)
    return {'taken': found, 'errors': errors.read(), 'syslog': logged()}
print(json.dumps([taken('86400', '1', 2), taken('0.3', '2', 20), taken('0.3', '0', 20)]))
`;

describeWith([...rootNeeds, "mknod"], "ovmd's options -t and -d", () => {
  for (const { name, path } of pythons)
    it(`say how often it looks, and where it says what it does, under ${name}`, () => {
      const { code, out, err } = inGuest(
        path,
        "mount -t tmpfs tmpfs /dev; mknod -m 666 /dev/null c 1 3; mknod -m 666 /dev/urandom c 1 9; exec /usr/bin/python3 /host.py",
        { "host.py": periods },
      );
      expect({ code, err }).toEqual({ code: 0, err: "" });
      const over = expect.stringMatching(/^<\d+>.*ovmd\[\d+\]: messages come over xenstore/);
      expect(JSON.parse(out)).toEqual([
        { taken: false, errors: "ovmd: messages come over xenstore\n", syslog: [] },
        { taken: true, errors: "", syslog: [over, expect.stringMatching(/a message arrived: x\0?$/)] },
        { taken: true, errors: "", syslog: [] },
      ]);
      expect(out).not.toContain("hush-hush");
    });
});
