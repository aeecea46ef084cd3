import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkModules } from "../../src/firstboot/check/index.ts";
import { findings, key, type Pieces, root, scriptOf, shell } from "./made-module.ts";

const pw = `param['${key}.pw']`;
const secret = (configure: string, of: Pieces = {}): Pieces => ({
  imports: "import os, subprocess",
  configure,
  ...of,
});
const early = { targets: "# configure: 40" };
// A class whose method `run` does the work, at line 26.
const inClass = (work: string): Pieces => ({
  more: `class Worker(object):
    kind = 'xfs'
    def __init__(self, param):
        self.param = param
    @property
    def secret(self):
        return self.param['${key}.pw']
    def run(self):
        ${work}
    @staticmethod
    def mount(kind):
        run_cmd(['mount', '-t', kind, 'a:/b', '/c'])
`,
  configure: "Worker(param).run()",
});
const replaced = (path: string): [string, Pieces, RegExp] => [
  `a payload that replaces /${path}`,
  { files: { [`payload/${path}`]: "x\n" } },
  new RegExp(`^payload/${path}:1: error: would replace /${path}`),
];

const size = (more: string): Pieces => ({ parameters: `[{'key': '${key}.size', ${more}}]` });
const broken: readonly (readonly [string, Pieces, RegExp])[] = [
  // What stops the configuration
  ...[
    "reboot",
    "/sbin/shutdown -r now",
    "init 6",
    "systemctl --force reboot",
    "if true; then poweroff; fi",
  ].map((line): [string, Pieces, RegExp] => [
    `a restart: ${line}`,
    shell(line),
    /run\.sh:2: error: runs \w+ at configure: the configuration does not end/,
  ]),
  ...["yum install ksh", "ssh-keygen -t rsa", "passwd grid", "read -p 'Go on? ' answer", "vi /etc/hosts"].map(
    (line): [string, Pieces, RegExp] => [
      `a question: ${line}`,
      shell(line),
      /run\.sh:2: error: asks at configure: .*no one can answer/,
    ],
  ),
  [
    "a pause",
    { imports: "import signal", configure: "signal.pause()" },
    /^acme:21: error: asks with signal\.pause/,
  ],
  ["a tail without an end", shell("tail -F /x | grep -q ready"), /run\.sh:2: warning: never ends: tail/],
  [
    "a for without an end",
    shell("for ((;;)); do sleep 1; done"),
    /run\.sh:2: error: never ends: .*for \(\(;;\)\)/,
  ],
  ["mount.nfs", shell("mount.nfs a:/b /c"), /run\.sh:2: error: mounts NFS at configure/],
  ["the service that mounts NFS", shell("service netfs start"), /run\.sh:2: error: mounts NFS at configure/],
  ["the automounter", shell("systemctl start autofs"), /run\.sh:2: error: mounts NFS at configure/],
  // Kinds of values
  ["a text for a truth", size("'required': 'false'"), /^acme:15: error: .*"required": "false", a text/],
  ["yes for a truth", size("'hidden': 'yes'"), /^acme:15: warning: .*"hidden": "yes", a text/],
  [
    "a number for a text",
    size("'description': 5"),
    /^acme:15: warning: .*"description": 5, which is not text/,
  ],
  [
    "parameters that are not parsed",
    { text: (text) => text.replace("    param = json.loads(param)\n", `    x = param['${key}.code']\n`) },
    /^acme:20: error: do_configure uses JSON text as if it were parsed: param\[/,
  ],
  [
    "a method of parameters that are not parsed",
    { text: (text) => text.replace("    param = json.loads(param)\n", `    x = param.get('${key}.code')\n`) },
    /^acme:20: error: do_configure uses JSON text as if it were parsed: param\.get/,
  ],
  [
    "eval of the parameters",
    { text: (text) => text.replace("json.loads(param)", "eval(param)") },
    /^acme:20: error: runs eval on the parameters/,
  ],
  [
    "a number as a word",
    { configure: "run_cmd(['/opt/acme/run.sh', 5])" },
    /^acme:21: error: run_cmd gets the number 5/,
  ],
  // Header and code
  [
    "a second header",
    { text: (text) => `${text}### BEGIN PLUGIN INFO\n` },
    /^acme:\d+: error: header: a second ###/,
  ],
  [
    "a key that nothing enumerates",
    { configure: `run_cmd(['/opt/acme/run.sh', param['${key}.cod']])` },
    /^acme:19: warning: do_configure reads \S+\.cod, which do_enumerate does not enumerate; did you mean/,
  ],
  [
    "a key of a module that Oracle's templates of clusters have",
    { parameters: "[{'key': 'com.oracle.linux.etchosts.hostname.0.1'}]" },
    /error: the key \S+ is in the name space of Oracle's module etchosts/,
  ],
  [
    "a deadline that is not a number",
    { text: (text) => `${text}# tbuild-timeout: soon\n` },
    /^acme:\d+: error: tbuild-timeout: "soon"/,
  ],
  [
    "a deadline of nothing",
    { text: (text) => `${text}# tbuild-timeout: 0\n` },
    /^acme:\d+: error: tbuild-timeout: "0"/,
  ],
  // What waits forever
  [
    "an enumeration that waits",
    {
      imports: "import os, time",
      enumerate: "while not os.path.exists('/x'):\n    time.sleep(1)\nreturn json.dumps([])",
    },
    /^acme:16: error: the function that enumerates waits in a loop while not os\.path\.exists/,
  ],
  [
    "an enumeration over numbers without an end",
    {
      imports: "import itertools",
      enumerate: "for one in itertools.count():\n    pass\nreturn json.dumps([])",
    },
    /^acme:16: error: never ends/,
  ],
  [
    "an enumeration that asks",
    { enumerate: "raw_input('Size?')\nreturn json.dumps([])" },
    /^acme:16: error: asks with raw_input/,
  ],
  [
    "a program that ends before it calls main",
    { more: "import sys\nsys.exit(0)\n" },
    /error: calls a main|error: never calls main/,
  ],
  // Commands
  [
    "one word with a blank",
    { configure: "run_cmd(['/opt/acme/run.sh -v'])" },
    /^acme:21: error: run_cmd gets a program and its arguments as one word/,
  ],
  [
    "a text as args=",
    secret("subprocess.Popen(args='/opt/acme/run.sh -v')"),
    /^acme:21: error: Popen gets a program and its arguments as one text/,
  ],
  [
    "a list for a shell",
    secret("subprocess.call(['/opt/acme/run.sh', '-v'], shell=True)"),
    /^acme:21: error: call with shell=True runs the first word/,
  ],
  [
    "arguments separately from the program",
    { configure: "run_cmd('/opt/acme/run.sh', '-v')" },
    /^acme:21: error: run_cmd takes one list, but gets the arguments separately/,
  ],
  [
    "a relative program",
    { configure: "run_cmd(['./run.sh'])" },
    /^acme:21: error: starts \.\/run\.sh, and a module's folder/,
  ],
  [
    "a path that is joined",
    secret("run_cmd([os.path.join('/opt/acme', 'rum.sh')])"),
    /^acme:21: error: starts \/opt\/acme\/rum\.sh, which is not in the payload/,
  ],
  [
    "a missing script for an interpreter",
    { configure: "run_cmd(['/bin/sh', '/opt/acme/rum.sh'])" },
    /^acme:21: error: starts \/opt\/acme\/rum\.sh, which is not in the payload/,
  ],
  // Secrets on command lines, in Python
  [
    "a secret by os.execvp",
    secret(`os.execvp('a', ['a', '-p' + ${pw}])`),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret by os.spawnlp",
    secret(`os.spawnlp(os.P_WAIT, 'a', 'a', ${pw})`),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret by args=",
    secret(`subprocess.Popen(args=['a', ${pw}])`),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret in a loop over all values",
    secret("for key, value in param.items():\n    run_cmd(['a', key, value])"),
    /^acme:22: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret among all values",
    secret("run_cmd(['a'] + list(param.values()))"),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret under another name",
    secret("own = dict((k.split('.')[-1], v) for k, v in param.items())\nrun_cmd(['a', own['pw']])"),
    /^acme:22: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret by %(name)s",
    secret(`os.system('a -p %(pw)s' % {'pw': ${pw}})`),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret by shlex",
    secret(`run_cmd(shlex.split('a -p %s' % ${pw}))`, { imports: "import shlex" }),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret in quotes",
    secret(`os.system('a ' + pipes.quote(${pw}))`, { imports: "import os, pipes" }),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret in base64",
    secret(`run_cmd(['a', base64.b64encode(${pw})])`, { imports: "import base64" }),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret of the environment",
    secret("run_cmd(['a', os.environ['DB_PASSWORD']])"),
    /^acme:21: error: puts DB_PASSWORD on a command line/,
  ],
  [
    "a secret by string.Template",
    secret(`os.system(string.Template('a $pw').substitute(pw=${pw}))`, { imports: "import os, string" }),
    /^acme:21: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret by a Template of a dict",
    secret(`t = Template('a $pw')\nos.system(t.safe_substitute({'pw': ${pw}}))`, {
      imports: "import os\nfrom string import Template",
    }),
    /^acme:23: error: puts \S+\.pw on a command line/,
  ],
  // Secrets on command lines, in the payload
  [
    "a secret in $( )",
    shell('x="$(a -p $DB_PASSWORD)"'),
    /^payload\/opt\/acme\/run\.sh:2: error: puts \$DB_PASSWORD on the command line of a,/,
  ],
  [
    "a secret that was copied",
    shell('pw=$DB_PASSWORD\na -p "$pw"'),
    /run\.sh:3: error: puts \$pw on the command line of a,/,
  ],
  [
    "a secret as an argument of a function",
    shell('f() { a -p "$1"; }\nf "$DB_PASSWORD"'),
    /run\.sh:2: error: puts \$1 on the command line of a,/,
  ],
  [
    "a secret over lines",
    shell('a \\\n  -u b \\\n  -p "$DB_PASSWORD"'),
    /run\.sh:2: error: puts \$DB_PASSWORD on the command line of a,/,
  ],
  [
    "a secret by env",
    shell('env PW="$DB_PASSWORD" a'),
    /run\.sh:2: error: puts \$DB_PASSWORD on the command line of env,/,
  ],
  [
    "a secret by eval",
    shell('eval "a -p $DB_PASSWORD"'),
    /run\.sh:2: error: puts \$DB_PASSWORD on the command line of a,/,
  ],
  [
    "a secret by a program of the same name as a builtin",
    shell('/bin/echo "$DB_PASSWORD" | a'),
    /run\.sh:2: error: puts \$DB_PASSWORD on the command line of \/bin\/echo,/,
  ],
  [
    "a secret in a file that is read in",
    shell(". /opt/acme/lib.sh", { files: { "payload/opt/acme/lib.sh": 'a "$DB_PASSWORD"\n' } }),
    /^payload\/opt\/acme\/lib\.sh:1: error: puts \$DB_PASSWORD/,
  ],
  [
    "a secret in Perl",
    { yaml: "", run: '#!/usr/bin/perl\nsystem("a -p $ENV{DB_PASSWORD}");\n' },
    /run\.sh:2: error: puts DB_PASSWORD on the command line that system starts/,
  ],
  [
    "a secret in Python",
    {
      yaml: "",
      run: "#!/usr/bin/python\nimport os, subprocess\nsubprocess.call(['a', os.environ['DB_PASSWORD']])\n",
    },
    /run\.sh:3: error: puts DB_PASSWORD on a command line/,
  ],
  // What is not up
  [
    "NFS in a shell text",
    secret("os.system('true && mount -t nfs a:/b /c')"),
    /^acme:21: error: mounts NFS at configure/,
  ],
  [
    "all of NFS",
    { configure: "run_cmd(['mount', '-a', '-t', 'nfs'])" },
    /^acme:21: error: mounts NFS at configure/,
  ],
  [
    "NFS by sh -c",
    { configure: "run_cmd(['/bin/sh', '-c', 'mount -t nfs a:/b /c'])" },
    /^acme:21: error: mounts NFS at configure/,
  ],
  ["NFS over lines", shell("mount \\\n  -t nfs \\\n  a:/b /c"), /run\.sh:2: error: mounts NFS at configure/],
  [
    "NFS behind if !",
    shell("if ! /bin/mount -o ro -t nfs4 a:/b /c; then exit 1; fi"),
    /run\.sh:2: error: mounts NFS at configure/,
  ],
  [
    "NFS from a server in a variable",
    shell('mount "$SERVER:/b" /c'),
    /run\.sh:2: error: mounts NFS at configure/,
  ],
  [
    "NFS in a file that is read in",
    shell("source /opt/acme/lib.sh", {
      files: { "payload/opt/acme/lib.sh": "up() { mount -t nfs a:/b /c; }\n" },
    }),
    /^payload\/opt\/acme\/lib\.sh:1: error: mounts NFS/,
  ],
  [
    "the network by urllib2",
    { targets: "# configure: 40", imports: "import urllib2", configure: "urllib2.urlopen('http://a/')" },
    /^acme:21: error: runs urllib2\.urlopen at configure: 40/,
  ],
  [
    "the network by a socket",
    {
      targets: "# configure: 20",
      imports: "import socket",
      configure: "socket.create_connection(('a', 80))",
    },
    /^acme:21: error: runs socket\.create_connection at configure: 20/,
  ],
  [
    "the network in $( )",
    { targets: "# configure: 35", run: "#!/bin/bash\nx=$(timeout 9 curl -fsS http://a/)\n" },
    /run\.sh:2: error: runs curl at configure: 35/,
  ],
  // What ends late or never
  [
    "a loop without an end",
    { imports: "import time", configure: "while True:\n    time.sleep(5)" },
    /^acme:2[12]: error: never ends/,
  ],
  [
    "a wait for what nothing brings",
    { imports: "import os, time", configure: "while not os.path.exists('/x'):\n    time.sleep(5)" },
    /^acme:21: warning: do_configure waits in a loop while not os\.path\.exists\('\/x'\), without a limit/,
  ],
  [
    "a wait with a break",
    {
      imports: "import os, time",
      configure: "while True:\n    if os.path.exists('/x'):\n        break\n    time.sleep(5)",
    },
    /^acme:21: warning: do_configure waits in a loop until os\.path\.exists/,
  ],
  [
    "a loop of a shell without an end",
    shell("while :; do\n  sleep 5\ndone"),
    /run\.sh:2: error: never ends: nothing leaves the loop while :/,
  ],
  [
    "a wait of a shell",
    shell("echo a\nuntil curl -s http://a/; do sleep 5; done"),
    /run\.sh:3: warning: waits without a limit at configure: until curl -s http:\/\/a\//,
  ],
  [
    "a wait of a shell with a break",
    shell("while true; do\n  [ -e /x ] && break\n  sleep 1\ndone"),
    /run\.sh:2: warning: waits without a limit at configure: while true/,
  ],
  [
    "a wait in a file that is read in",
    shell(". /opt/acme/lib.sh", {
      files: { "payload/opt/acme/lib.sh": "up() {\n  while ! test -e /x; do sleep 1; done\n}\n" },
    }),
    /lib\.sh:2: warning: waits without a limit at configure: while ! test -e \/x/,
  ],
  [
    "a sleep beyond the deadline",
    { imports: "import time", configure: "time.sleep(3600)" },
    /^acme:21: error: sleeps 3600 seconds, but the module may run 1800/,
  ],
  [
    "a sleep of a shell beyond the deadline",
    shell("sleep 1m 30s", { yaml: ", timeout: 60" }),
    /run\.sh:2: error: sleeps 90 seconds, but the module may run 60/,
  ],
  [
    "a sleep beyond a deadline of its own",
    { configure: "run_cmd(['sleep', '2h'])", text: (text) => `${text}# tbuild-timeout: 3600\n` },
    /^acme:21: error: sleeps 7200 seconds, but the module may run 3600/,
  ],
  [
    "a start of what comes later",
    { for: "7", configure: "run_cmd(['systemctl', 'restart', 'sshd'])" },
    /^acme:21: error: starts sshd\.service at configure and waits for it/,
  ],
  [
    "a start by service of what comes later",
    shell("/sbin/service sshd restart", { for: "7" }),
    /run\.sh:2: error: starts sshd\.service at configure/,
  ],
  [
    "a start of a target that comes later",
    shell("systemctl -q isolate graphical.target", { for: "8" }),
    /run\.sh:2: error: starts graphical\.target at configure/,
  ],
  [
    "a start of an own unit that comes later",
    shell("systemctl enable --now acme", {
      for: "9",
      files: { "payload/etc/systemd/system/acme.service": "[Unit]\nAfter=network.target sshd.service\n" },
    }),
    /run\.sh:2: error: starts acme\.service at configure/,
  ],
  // Names that need the network
  [
    "a look-up of a name",
    { ...early, run: "#!/bin/bash\ngetent ahosts a.example\n" },
    /run\.sh:2: error: runs getent ahosts at configure: 40/,
  ],
  [
    "a look-up of its own name",
    { ...early, configure: "run_cmd(['/bin/hostname', '-f'])" },
    /^acme:21: error: runs hostname -f at configure: 40/,
  ],
  [
    "a look-up by Python",
    { ...early, imports: "import socket", configure: "socket.gethostbyaddr('10.0.0.1')" },
    /^acme:21: error: runs socket\.gethostbyaddr at configure: 40/,
  ],
  // Classes
  [
    "a secret in an object",
    inClass("run_cmd(['a', self.param['org.example.acme.pw']])"),
    /^acme:26: error: puts \S+\.pw on a command line/,
  ],
  [
    "a secret in a property",
    inClass("run_cmd(['a', self.secret])"),
    /^acme:26: error: puts \S+\.pw on a command line/,
  ],
  ["NFS in a method", inClass("self.mount('nfs')"), /^acme:29: error: mounts NFS at configure/],
  [
    "a method that is given to main",
    {
      text: (text) =>
        text.replace(
          "main(do_enumerate, {'configure': do_configure})",
          "worker = Worker()\n    main(do_enumerate, {'configure': worker.run})",
        ),
      more: "class Worker(object):\n    def run(self, param):\n        param = json.loads(param)\n        run_cmd('/opt/acme/run.sh -v')\n        return json.dumps(param)\n",
    },
    /^acme:21: error: run_cmd gets a program and its arguments as one text/,
  ],
  // Files
  ["an empty program", { run: "" }, /run\.sh:1: error: is executable and empty/],
  [
    "bash that bash refuses",
    { run: "#!/bin/bash\nif true; then\necho\n" },
    /run\.sh:4: error: bash refuses it: syntax error/,
  ],
  [
    "Python that Python refuses",
    { for: "6", run: "#!/usr/bin/python\nif True\n    pass\n" },
    /run\.sh:2: error: .*; fails on ol6 \(Python 2\.6\)/,
  ],
  [
    "Python of another release",
    { for: "7", run: "#!/usr/bin/python\nprint(f'{1}')\n" },
    /run\.sh:2: error: an f-string needs Python 3\.6; fails on ol7/,
  ],
  [
    "python3 on OL6",
    { for: "6", run: "#!/usr/bin/python3\n" },
    /run\.sh:1: error: ol6 has no program python3/,
  ],
  [
    "python on OL8",
    { for: "8", run: "#!/usr/bin/env python\n" },
    /run\.sh:1: error: ol8 has no program python/,
  ],
  [
    "an interpreter with a word too many",
    { run: "#!/usr/bin/env bash -e\n" },
    /run\.sh:1: error: #!\/usr\/bin\/env gets "bash -e" as one word/,
  ],
  [
    "an interpreter of no package",
    { run: "#!/usr/local/bin/bash\n" },
    /run\.sh:1: error: #!\/usr\/local\/bin\/bash is not a program of the release/,
  ],
  [
    "a byte order mark in the payload",
    { run: "\ufeff#!/bin/sh\n" },
    /run\.sh:1: error: with a byte order mark/,
  ],
  [
    "CR-LF in a file that is read in",
    { run: "#!/bin/sh\n. /opt/acme/lib.sh\n", files: { "payload/opt/acme/lib.sh": "A=1\r\n" } },
    /^payload\/opt\/acme\/lib\.sh:1: error: lines end with CR-LF/,
  ],
  [
    "a letter beyond ASCII in ASCII",
    { text: (text) => text.replace("\n", "\n# coding: ascii\n").replace("Does", "D\u00f6es") },
    /^acme:6: error: a letter beyond ASCII, and the file declares/,
  ],
  ...[
    "etc/rc.d/init.d/network",
    "usr/lib/systemd/system/sshd.service",
    "etc/systemd/system/network.target",
    "etc/sysctl.conf",
    "etc/rc.d/rc.local",
    "etc/chrony.conf",
    "usr/bin/curl",
    "etc/yum.repos.d/public-yum-ol6.repo",
    "root/.ssh/authorized_keys",
    "etc/init.d/functions",
    "etc/sysconfig/iptables",
    "usr/lib64/python2.6/os.py",
    "var/lib/rpm/Packages",
    "etc/default/grub",
  ].map(replaced),
];

describe("a broken module is reported with file, line and remedy:", () => {
  it.each(broken)("%s", async (_, pieces, wanted) => {
    const found = await findings(pieces);
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(wanted)]));
    for (const line of found) expect(line).toMatch(/^\S+:[1-9]\d*: (?:error|warning): \S.*\. \S/);
  });
});

const good: readonly (readonly [string, Pieces])[] = [
  [
    "hands a secret to standard input",
    secret(`p = subprocess.Popen(['chpasswd'], stdin=subprocess.PIPE)\np.communicate('root:%s' % ${pw})`),
  ],
  [
    "hands over the hash of a secret",
    { imports: "import crypt", configure: `run_cmd(['usermod', '-p', crypt.crypt(${pw}, '$6$a'), 'b'])` },
  ],
  [
    "uses builtins' names for its own",
    { for: "6 7 8", configure: "for file in ['a']:\n    cmp = file\nrun_cmd(['/opt/acme/run.sh', cmp])" },
  ],
  [
    "waits with a counter",
    {
      imports: "import os, time",
      enumerate: "n = 0\nwhile not os.path.exists('/x') and n < 3:\n    n += 1\nreturn json.dumps([])",
    },
  ],
  [
    "waits with a limit, in many ways",
    shell(`n=0
while [ $n -lt 10 ]; do n=$((n + 1)); sleep 1; done
until [ -e /x ] || [ $((n -= 1)) -le 0 ]; do sleep 1; done
end=$(( $(date +%s) + 60 ))
while true; do [ "$(date +%s)" -lt "$end" ] || exit 1; [ -e /x ] && break; sleep 1; done
SECONDS=0; while [ ! -e /x ] && [ $SECONDS -lt 60 ]; do sleep 1; done
sleep 1 & while kill -0 $! 2>/dev/null; do sleep 1; done
while read -r a b; do echo "$a"; sleep 1; done < /etc/hosts
while [ $# -gt 0 ]; do shift; sleep 0.1; done
for i in 1 2 3; do sleep 5; done
sleep 9999 &`),
  ],
  [
    "waits with a limit, in Python",
    {
      imports: "import os, subprocess, time",
      configure: `end = time.time() + 60
while time.time() < end:
    time.sleep(1)
child = subprocess.Popen(['/opt/acme/run.sh'])
while child.poll() is None:
    time.sleep(1)
tries = 0
while True:
    tries += 1
    if os.path.exists('/x') or tries > 10:
        break
    time.sleep(1)
for _ in range(10):
    if os.path.exists('/x'):
        break
    time.sleep(1)`,
    },
  ],
  [
    "starts services that do not come later",
    shell(
      "systemctl start acme chronyd\nsystemctl --no-block restart sshd\nsystemctl enable sshd\nsystemctl status sshd",
      {
        for: "7 8 9",
        files: { "payload/usr/lib/systemd/system/acme.service": "[Unit]\nAfter=network.target\n" },
      },
    ),
  ],
  [
    "says nothing that asks, restarts or waits",
    shell(`yum -y install ksh; yes | yum install ksh; yum list; ssh-keygen -q -N '' -f /k; ssh-keygen -lf /k
printf 'a\\na\\n' | passwd u; passwd -l root; while read -r a; do echo "$a"; done < /etc/hosts; read -r b < /etc/hosts
echo reboot; (sleep 60; reboot) & shutdown -r +5; /opt/acme/init 6
timeout 9 tail -f /x; timeout 9 sleep infinity; tail -n 5 /x; tail -f --pid=1 /x; service autofs status
for ((;;)); do break; done; for ((i=0; i<3; i++)); do sleep 1; done`),
  ],
  [
    "uses text that is not a JSON object",
    { configure: "text = json.dumps({'a': 1})\nx = text[0]\ny = text.strip()\nz = json.loads(text)['a']" },
  ],
  ["restarts sshd on OL6", shell("service sshd restart", { for: "6" })],
  ["looks names up after the network is up", shell("getent hosts a.example\nhostname -f")],
  [
    "has its work in classes",
    {
      for: "6 7 8",
      more: `class Base(object):
    program = '/opt/acme/run.sh'
    def __init__(self, param):
        self.param = param
class Worker(Base):
    @classmethod
    def of(cls, param):
        return cls(param)
    def run(self):
        run_cmd([self.program, self.param['${key}.code']])
        return self
`,
      configure: "Worker.of(param).run()",
    },
  ],
  ["asks the environment", secret("os.system('x ' + os.environ['HOME'])")],
  ["mounts what is not NFS", { configure: "run_cmd(['mount', '-t', 'xfs', '/dev/xvdb1', '/u01'])" }],
  [
    "reads another module's value",
    { configure: "run_cmd(['/opt/acme/run.sh', param.get('com.oracle.linux.network.hostname', '')])" },
  ],
  [
    "has drop-ins and programs of its own",
    {
      files: {
        "payload/etc/sysctl.d/90-acme.conf": "a = 1\n",
        "payload/etc/sudoers.d/acme": "\n",
        "payload/usr/lib/systemd/system/acme.service": "\n",
        "payload/usr/sbin/acmectl": "\n",
        "payload/opt/acme/notes.txt": "a\r\nb\r\n",
      },
    },
  ],
  [
    "has a program for python of module.yaml",
    { yaml: ", interpreter: python, input: json", for: "5 6 7 8 9", run: "import sys\nprint(sys.argv[1])\n" },
  ],
  [
    "has a shell program of many forms",
    shell(`set -eu -o pipefail; shopt -s extglob
declare -A map=([a]=1)
save() { local pw=$1; printf '%s\\n' "$pw" > /etc/acme; }
case \${1:?} in
  configure)
    [[ -n \${DB_PASSWORD:-} ]] || exit 1
    save "$DB_PASSWORD"
    printf '%s' "$DB_PASSWORD" | passwd --stdin acme
    PGPASSWORD=$DB_PASSWORD psql < /dev/null
    acmectl --file <(printf '%s' "$DB_PASSWORD")
    cat > /etc/acme.ini <<-EOF
	password = $DB_PASSWORD
	EOF
    echo "\${#DB_PASSWORD} \${DB_PASSWORD:+yes}"
    hash=$(openssl passwd -1 -stdin <<< "$DB_PASSWORD")
    usermod -p "$hash" acme ;;
  *) rm -f /etc/acme.@(conf|ini) ;;
esac
for ((i = 0; i < \${#map[@]}; i++)); do :; done
while read -r a; do echo "$a"; done < <(getent passwd)
[[ $a =~ ^a(.*)$ ]] && echo "\${BASH_REMATCH[1]}"`),
  ],
  ["has a program for ksh", { yaml: "", run: '#!/bin/ksh\nprint -- "$DB_PASSWORD" | chpasswd\n' }],
];

describe("nothing is found in a module that", () => {
  it.each(good)("%s", async (_, pieces) => expect(await findings(pieces)).toEqual([]));
});

it("two modules of one priority are reported", async () => {
  const folders = ["one", "two"].map((name) => join(root, "beside", name));
  for (const [index, folder] of folders.entries()) {
    await mkdir(folder, { recursive: true });
    const script = scriptOf({ configure: "pass", parameters: `[{'key': 'org.example.k${index}.a'}]` });
    await writeFile(
      join(folder, index === 0 ? "one" : "two"),
      script.replace("name: acme", `name: ${index === 0 ? "one" : "two"}`),
    );
  }
  const { findings } = await checkModules(folders, [{ name: "ol6", python: [2, 6] }]);
  expect(findings.map(({ level, line, text }) => `${line} ${level}: ${text}`)).toEqual([
    "4 warning: configure: 80 is also the priority of the module one; which runs first depends on their names",
  ]);
});
