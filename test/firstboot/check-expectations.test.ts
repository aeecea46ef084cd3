import { describe, expect, it } from "vitest";
import { findings, key, type Pieces, shell } from "./made-module.ts";

// Its parameters are db-password and peers, which is numbered; its targets configure and cleanup.
const strict = (line: string): Pieces => shell(`set -eu\n${line}`);
const withText = (run: string, of: Pieces = {}): Pieces => ({ yaml: "", run, ...of });
const hand = (of: Pieces): Pieces => ({ imports: "import os, subprocess", ...of });

const broken: readonly (readonly [string, Pieces, RegExp])[] = [
  // What a program expects of its environment
  [
    "a numbered parameter without its number",
    shell('for one in $PEERS; do echo "$one"; done'),
    /run\.sh:2: error: reads \$PEERS, but peers is numbered: its values are in PEERS_0, PEERS_1/,
  ],
  [
    "the same with a default",
    shell(`echo "\${PEERS:-none}"`),
    /run\.sh:2: warning: reads \$PEERS, but peers is numbered/,
  ],
  [
    "a number of a parameter that has none",
    shell('chpasswd <<< "a:$DB_PASSWORD_0"'),
    /run\.sh:2: error: reads \$DB_PASSWORD_0, but db-password is not numbered: its value is in DB_PASSWORD/,
  ],
  [
    "a misspelt variable",
    shell('chpasswd <<< "a:$DB_PASWORD"'),
    /run\.sh:2: warning: reads \$DB_PASWORD, which nothing sets; did you mean \$DB_PASSWORD\?/,
  ],
  [
    "a part of a variable's name",
    shell('chpasswd <<< "a:$PASSWORD"'),
    /run\.sh:2: warning: reads \$PASSWORD, which nothing sets; did you mean \$DB_PASSWORD\?/,
  ],
  [
    "a variable that nothing sets under set -u",
    strict('echo "$ORACLE_HOME/bin" >> /etc/profile.d/acme.sh'),
    /run\.sh:3: error: reads \$ORACLE_HOME, which nothing sets, and set -u ends the script there/,
  ],
  [
    "HOME under set -o nounset, since the configuration has none",
    shell("set -o nounset\nmkdir -p $HOME/acme"),
    /run\.sh:3: error: reads \$HOME, which nothing sets/,
  ],
  [
    "the same in an unquoted text of the script",
    strict("cat > /etc/acme <<END\nhome=$ORACLE_HOME\nEND"),
    /run\.sh:4: error: reads \$ORACLE_HOME/,
  ],
  [
    "a numbered parameter in Python",
    withText("#!/usr/bin/python\nimport os\nprint(os.environ['PEERS'])\n"),
    /run\.sh:3: error: reads PEERS of the environment, but peers is numbered/,
  ],
  [
    "a misspelt variable in Python",
    withText("#!/usr/bin/python\nimport os\nx = os.environ.get('DB_PASWORD')\n"),
    /run\.sh:3: warning: reads DB_PASWORD of the environment, which nothing sets; did you mean DB_PASSWORD\?/,
  ],
  [
    "a misspelt variable in Perl",
    withText("#!/usr/bin/perl\nmy $p = $ENV{DBPASSWORD};\n"),
    /run\.sh:2: warning: reads DBPASSWORD of the environment/,
  ],
  // The target
  [
    "a case of an init script",
    shell("case $1 in\n  start) echo a ;;\n  stop) echo b ;;\n  *) echo usage; exit 1 ;;\nesac"),
    /run\.sh:2: error: ends with an error at configure, cleanup: no branch of this case is for it/,
  ],
  [
    "a case that lacks one target",
    shell(
      'usage() { echo "usage: configure"; exit 2; }\naction=$1\ncase "$action" in\n  configure) echo a ;;\n  *) usage ;;\nesac',
    ),
    /run\.sh:4: error: ends with an error at cleanup/,
  ],
  [
    "a case that knows no target",
    shell(`case \${1:-} in\n  config) echo a ;;\nesac`),
    /run\.sh:2: error: does nothing at configure, cleanup/,
  ],
  [
    "a target that is none, when it enumerates",
    hand({
      enumerate: `if target == 'config':\n    return json.dumps([{'key': '${key}.code'}])\nreturn json.dumps([])`,
    }),
    /^acme:16: warning: do_enumerate compares its target with "config", which is none/,
  ],
  [
    "one of two targets that is none",
    hand({ enumerate: `if target in ('configure', 'Reconfigure'):\n    pass\nreturn json.dumps([])` }),
    /^acme:16: warning: .*"Reconfigure", which is none; did you mean "reconfigure"\?/,
  ],
  // What a release lacks
  ...(
    [
      ["declare -A map=([a]=1)", "5", "an associative array"],
      [`name=a; echo "\${name^^}"`, "5", "a change of case"],
      ["mapfile -t lines < /etc/hosts", "5 6", "mapfile"],
      ["ls |& cat", "5", "\\|&"],
      ["ls &>> /var/log/acme.log", "5", "&>>"],
      ["read -t 0.5 a < /etc/hosts", "5", "read -t with a fraction"],
      ["[[ -v HOSTNAME ]] || exit 1", "6", "\\[\\[ -v NAME"],
      ["printf '%(%F)T\\n' -1", "6 7", "printf %"],
      ["f() { declare -g x=1; }; f", "6", "declare -g"],
      [`all=(1 2); echo "\${all[-1]}"`, "6", "a negative index"],
      ["f() { local -n ref=$1; }; f HOSTNAME", "7", "a name reference"],
      ["sleep 1 &\nwait -n", "7", "wait -n"],
      [`name=a; echo "\${name@Q}"`, "7", "a transformation"],
      ["echo $EPOCHSECONDS", "8", "\\$EPOCHSECONDS"],
    ] as const
  ).map(([line, releases, what]): [string, Pieces, RegExp] => [
    `bash of ol${releases}: ${line}`,
    shell(line, { for: releases }),
    new RegExp(`run\\.sh:[23]: error: ${what}.* needs bash \\d\\.\\d, which ol\\d does not have`),
  ]),
  ...(
    [
      ["systemctl enable acme", "5 6"],
      ["/usr/bin/hostnamectl set-hostname a", "6"],
      ["firewall-cmd --permanent --add-port=1521/tcp", "6"],
      ["realpath /u01", "6"],
      ["timeout 5 true", "5"],
      ["udevadm settle", "5"],
      ["initctl reload-configuration", "7"],
      ["ntpdate -u 192.0.2.1", "8"],
      ["python /opt/acme/a.py", "8"],
      ["python3 /opt/acme/a.py", "6"],
    ] as const
  ).map(([line, releases]): [string, Pieces, RegExp] => [
    `no such program on ol${releases}: ${line}`,
    shell(line, { for: releases }),
    /run\.sh:2: error: starts [\w-]+, which ol\d.* does not have/,
  ]),
  ...["d.keys()[0]", "d.items()[0]", "map(str, [1])[0]", "filter(None, [1])[0]", "zip([1], [2])[0]"].map(
    (of): [string, Pieces, RegExp] => [
      `a list of Python 2 only: ${of}`,
      hand({ for: "8", configure: `d = {'a': 1}\nx = ${of}` }),
      /^acme:22: error: an index into map\(\).* was removed in Python 3/,
    ],
  ),
  [
    "a sort of keys",
    hand({ for: "8 9", configure: "names = param.keys()\nnames.sort()" }),
    /^acme:22: error: \.sort\(\) of what .* was removed in Python 3/,
  ],
  // Files and starts
  ...["./setup.sh -q", ". ./lib.sh", "source ../lib.sh", "bash ./setup.sh"].map(
    (line): [string, Pieces, RegExp] => [
      `a relative path: ${line}`,
      shell(line, { files: { "payload/opt/acme/lib.sh": "x=1\n" } }),
      /run\.sh:2: error: (?:starts|reads in) \.{1,2}\/\S+, but the module does not run in the folder of its payload/,
    ],
  ),
  [
    "a copy from an automatic mount",
    shell("cp /net/filer/stage/db.zip /u01"),
    /run\.sh:2: error: uses \/net\/filer\/stage\/db\.zip at configure, when neither autofs nor NFS is up yet/,
  ],
  [
    "the same in Python",
    hand({ imports: "import shutil", configure: "shutil.copy('/net/filer/a', '/u01')" }),
    /^acme:21: error: uses \/net\/filer\/a at configure/,
  ],
  // What only a shell understands
  ...(
    [
      ["['mkdir', '-p', '/u01', '&&', 'touch', '/u01/a']", "hands && to mkdir"],
      ["['echo', 'x', '>', '/etc/acme']", "hands > to echo"],
      ["['dmesg', '|', 'tail']", "hands \\| to dmesg"],
      ["['ls', '/dev/xvd*']", "hands /dev/xvd\\* to ls"],
      ["['rm', '-f', '~/x']", "hands ~/x to rm"],
      ["['/opt/acme/run.sh', '$ORACLE_SID']", "hands \\$ORACLE_SID to run.sh"],
      ["['cd', '/u01']", "starts cd, a command of the shell"],
      ["['source', '/etc/profile']", "starts source, a command of the shell"],
    ] as const
  ).map(([list, text]): [string, Pieces, RegExp] => [
    `a list for a shell: ${list}`,
    hand({ configure: `run_cmd(${list})` }),
    new RegExp(`^acme:21: error: ${text}`),
  ]),
  [
    "a mode without its 0",
    hand({ configure: "os.chmod('/etc/acme', 644)" }),
    /^acme:21: error: gives the mode 644/,
  ],
  ["a file beside it", hand({ configure: "open('acme.ini').read()" }), /^acme:21: error: opens acme\.ini/],
  // Slips that bash reads
  ["an assignment with blanks", shell("CODE = 5"), /run\.sh:2: error: CODE = … starts a program CODE/],
  [
    "a bracket without a blank",
    shell("if [$1 = configure ]; then :; fi"),
    /run\.sh:2: error: \[.* lacks a blank/,
  ],
  [
    "a bracket without a blank at its end",
    shell("[ -f /etc/acme] && :"),
    /run\.sh:2: error: .* lacks a blank/,
  ],
  [
    "a text that does not end",
    shell("cat > /etc/acme <<EOF\nhello\n  EOF\necho done"),
    /run\.sh:4: error: EOF is indented, so that it does not end the text that began in line 2/,
  ],
  [
    "the column of another program in double quotes",
    shell('ip addr | awk "{ print $2 }"'),
    /run\.sh:2: warning: reads \$2, but the program gets one argument/,
  ],
  ...['[ "$1" = config ] && :', "[[ $1 == start ]] || exit 1"].map((line): [string, Pieces, RegExp] => [
    `a word that is not a target: ${line}`,
    shell(line),
    /run\.sh:2: warning: compares its argument with \w+, which is not a target/,
  ]),
  [
    "a removal below a variable that nothing sets",
    shell('rm -rf "$ACME_HOME/"*'),
    /run\.sh:2: error: removes a path with \$ACME_HOME, which nothing sets/,
  ],
  ["a busy wait", shell("while ! grep -q up /x; do :; done"), /run\.sh:2: warning: waits without a limit/],
  [
    "an address before the network",
    hand({ targets: "# configure: 40", configure: "run_cmd(['hostname', '-I'])" }),
    /^acme:21: error: runs hostname -I at configure: 40/,
  ],
  // Services
  ...(
    [
      [
        "a unit that starts a missing file",
        "etc/systemd/system/acme.service",
        "[Service]\nExecStart=-/opt/acme/daemon -f\n[Install]\nWantedBy=multi-user.target\n",
        /acme\.service:2: error: starts \/opt\/acme\/daemon, which is not in the payload/,
      ],
      [
        "a unit that nothing can enable",
        "etc/systemd/system/acme.service",
        "[Service]\nExecStart=/opt/acme/run.sh\n",
        /acme\.service:1: warning: has no section \[Install\]/,
      ],
      [
        "a unit of another name",
        "etc/systemd/system/acmed.service",
        "[Service]\nExecStart=/opt/acme/run.sh\n[Install]\nWantedBy=multi-user.target\n",
        /run\.sh:2: warning: enables acme\.service, but the payload brings acmed\.service/,
      ],
      [
        "an init script that is not executable",
        "etc/init.d/acme",
        "#!/bin/sh\n# chkconfig: 345 90 10\n",
        /init\.d\/acme:1: error: is a script of init, but is not executable/,
      ],
      [
        "an init script that chkconfig refuses",
        "etc/rc.d/init.d/acme",
        "#!/bin/sh\n",
        /init\.d\/acme:1: warning: has neither a line "# chkconfig:" nor a header of LSB/,
      ],
    ] as const
  ).map(([name, path, text, expected]): [string, Pieces, RegExp] => [
    name,
    shell("systemctl enable acme", { for: "7 8", files: { [`payload/${path}`]: text } }),
    expected,
  ]),
  // Secrets
  ...(
    [
      ['run() { "$@"; }\nrun acmectl "$DB_PASSWORD"', 2],
      [`acmectl $(printf '%s' "$DB_PASSWORD")`, 2],
      ['read -r pw <<< "$DB_PASSWORD"\nacmectl "$pw"', 3],
      ['xargs acmectl <<< "$DB_PASSWORD"', 2],
    ] as const
  ).map(([text, line]): [string, Pieces, RegExp] => [
    `a secret that goes another way: ${text}`,
    shell(text),
    new RegExp(`run\\.sh:${line}: error: puts \\S+ on the command line of`),
  ]),
  [
    "a secret behind a blank in a text",
    shell(`acmectl "-p \${DB_PASSWORD}"`),
    /run\.sh:2: error: puts \$DB_PASSWORD on the command line of acmectl/,
  ],
  ...[
    `raise RuntimeError('no: ' + param['${key}.pw'])`,
    "raise ValueError('bad: %s' % json.dumps(param))",
    "raise SystemExit('bad: %r' % (param,))",
  ].map((line): [string, Pieces, RegExp] => [
    `an error with a secret: ${line}`,
    hand({ configure: line }),
    /^acme:21: error: shows org\.example\.acme\.pw: raise prints it/,
  ]),
  [
    "a secret on a command line that with starts",
    hand({
      configure: `with subprocess.Popen(['acmectl', param['${key}.pw']]) as child:\n    child.wait()`,
      for: "8",
    }),
    /^acme:21: error: puts org\.example\.acme\.pw on a command line/,
  ],
];

describe("a module is found to have", () => {
  it.each(broken)("%s", async (_, pieces, expected) => {
    const found = await findings(pieces);
    expect(found.filter((one) => expected.test(one))).not.toEqual([]);
  });
});

const good: readonly (readonly [string, Pieces])[] = [
  [
    "reads its numbered values in all ways",
    strict(`for name in $(compgen -v | grep '^PEERS_'); do echo "\${!name}"; done
echo "\${PEERS_0:-} $PEERS_1 \${!PEERS_@}"`),
  ],
  [
    "sets its variables in all ways",
    strict(`read -r one two < /etc/hosts
printf -v three '%s' x
mapfile -t four < /etc/hosts
for five in a; do :; done
while getopts ab six; do :; done
((seven = 1)); let eight=2
local_() { local nine=$1; echo "$nine"; }; local_ a
: "\${ten:=x}"
export eleven=1 twelve
PGUSER=a acmectl
IFS=: read -ra thirteen <<< "$PATH"
echo "$one$two$three$four$five$six$seven$eight$ten$eleven$twelve\${thirteen[0]} $HOSTNAME $UID $$ $# $@ $? \${14:-}"
[ -n "\${ORACLE_HOME:-}" ] || echo none
awk '{ print $NF }' /etc/hosts
cat > /etc/profile.d/acme.sh <<'END'
export PATH=$ORACLE_HOME/bin:$PATH
END
su - oracle -c 'echo $ORACLE_HOME'`),
  ],
  ["reads variables of a file of the system", strict('. /etc/sysconfig/network\necho "$NETWORKING"')],
  ["sets variables by eval", strict('eval "A=1"\necho "$A"')],
  [
    "reads variables of a file of the payload",
    shell('set -eu\n. /opt/acme/lib.sh\necho "$ACME"', {
      files: { "payload/opt/acme/lib.sh": "ACME=1\n" },
    }),
  ],
  ["leaves set -u for a while", strict('set +u\necho "$ORACLE_HOME"\nset -u')],
  [
    "handles its targets in a case",
    shell('case "$1" in\n  configure|reconfigure) echo a ;;\n  clean*) echo b ;;\n  *) exit 1 ;;\nesac'),
  ],
  ["has a case for another word", shell("case $(uname -m) in\n  i?86) exit 1 ;;\n  *) echo a ;;\nesac")],
  [
    "has a case for one target first",
    shell("case $1 in\n  cleanup) rm -f /etc/acme; exit 0 ;;\nesac\necho a"),
  ],
  ["fails at a target on purpose", shell("case $1 in\n  configure) echo a ;;\n  cleanup) exit 0 ;;\nesac")],
  [
    "asks which programs there are",
    shell(
      "if command -v systemctl > /dev/null; then systemctl enable acme; else chkconfig acme on; fi\n[ -x /usr/bin/firewall-cmd ] && firewall-cmd --reload || true",
      { for: "5 6 7" },
    ),
  ],
  [
    "ends early where systemd is not",
    shell("[ -d /run/systemd/system ] || exit 0\nsystemctl enable acme", { for: "6" }),
  ],
  ["uses systemd on ol7", shell("systemctl enable acme\nhostnamectl set-hostname a", { for: "7 8 9" })],
  [
    "uses bash of its release",
    shell(`declare -A m=([a]=1); name=a; echo "\${m[a]} \${name^^}"`, { for: "6 7" }),
  ],
  [
    "sorts keys for all Pythons",
    hand({ for: "6 7 8", configure: "names = list(param.keys())\nnames.sort()\nfirst = sorted(param)[0]" }),
  ],
  [
    "hands a shell's words to what reads them",
    hand({
      configure: `run_cmd(['sh', '-c', 'ls /dev/xvd* > /x && cd /u01'])
run_cmd(['find', '/u01', '-name', '*.log', '-exec', 'rm', '{}', ';'])
run_cmd(['grep', '-c', '$', '/etc/hosts'])
run_cmd(['awk', '$1 > 2', '/etc/hosts'])
run_cmd(['yum', '-y', 'install', 'ksh'])
os.chmod('/etc/acme', 420)
os.chmod('/etc/acme', int('644', 8))
open('/etc/acme', 'w').close()`,
    }),
  ],
  [
    "has brackets, texts and arguments of many forms",
    shell(`[ "$1" = configure ] || exit 0
[[ $1 == @(configure|cleanup) ]] && [[ /x =~ ^/[a-z]$ ]]
[ -n "$DB_PASSWORD" -a ! -e /x ]
awk '{ print $2 }' /etc/hosts
f() { echo "$2"; }
f a b
set -- x y; echo "$2"
cat <<-END
	text
	END
PATH=$PATH:/x acmectl
test a = b
rm -rf /var/tmp/acme "\${ACME_HOME:?}/x"
n=0; while [ $n -lt 3 ]; do n=$((n + 1)); done`),
  ],
  [
    "brings a unit and an init script",
    shell("systemctl enable acme", {
      for: "7",
      files: {
        "payload/etc/systemd/system/acme.service":
          "[Service]\nExecStartPre=/bin/true\nExecStart=/opt/acme/run.sh start\n[Install]\nWantedBy=multi-user.target\n",
      },
    }),
  ],
  ["changes to its folder first", shell('cd "$(dirname "$0")"\n. ./lib.sh\n./setup.sh')],
  [
    "reads other variables that may not be set",
    shell('echo "$ORACLE_BASE $DB_PASSWORD_FILE $PEER_LIST $DB_NAME $PORT"'),
  ],
  [
    "fails with the name of a value",
    hand({ configure: `if not param.get('${key}.pw'):\n    raise RuntimeError('${key}.pw is missing')` }),
  ],
  [
    "opens a file with a manager",
    hand({ configure: "with open('/etc/acme', 'w') as out:\n    out.write('x')", for: "6 7 8" }),
  ],
];

describe("nothing is found in a module that", () => {
  it.each(good)("%s", async (_, pieces) => expect(await findings(pieces)).toEqual([]));
});

it("a fault of a parameter is reported at its line of module.yaml, in the words of module.yaml", async () => {
  const yaml = `name: acme
description: Does it.
targets: { configure: 80 }
parameters:
  - { name: code, description: C }
  - { name: api-token, description: T }
run: { program: /opt/acme/run.sh }
`;
  expect(await findings({ files: { "module.yaml": yaml }, yaml: "" })).toEqual([
    "module.yaml:6: warning: org.tbuild.acme.api-token looks like a secret, but is not marked as one. Add password: true, so that it is never logged or shown",
  ]);
});

it("a module.yaml that is not YAML has findings, as other faults do", async () => {
  const yaml = "name: acme\ndescription: { a: SID: of it }\n";
  const found = await findings({ files: { "module.yaml": yaml }, yaml: "" });
  expect(found[0]).toMatch(
    /^module\.yaml:2: error: not a YAML file: a value that contains ": " must be in quotes/,
  );
});

it("a parameter whose variable is that of a numbered one is refused", async () => {
  const yaml = `name: acme
description: Does it.
targets: { configure: 80 }
parameters:
  - { name: disk, description: D, index: true }
  - { name: disk-0, description: E }
run: { program: /opt/acme/run.sh }
`;
  expect(await findings({ files: { "module.yaml": yaml }, yaml: "" })).toEqual([
    expect.stringMatching(
      /^module\.yaml:6: error: .*DISK_0 is also that of a value of disk, which is numbered/,
    ),
  ]);
});

it("a case with many stars takes no longer than another", async () => {
  const program = `case "$1" in\n${"*a".repeat(60)}b) echo a ;;\nconfigure|*cl*an?p*) echo b ;;\nesac`;
  expect(await findings(shell(program))).toEqual([]);
  const none = `case "$1" in\n${"*a".repeat(60)}b) echo a ;;\nco*re) echo b ;;\nesac`;
  expect((await findings(shell(none))).join("\n")).not.toMatch(/configure/);
}, 20_000);

it("a script that crashes the shell which reads it is a finding", async () => {
  const nested = `a=${'"$('.repeat(20_000)}`;
  expect((await findings(shell(nested))).join("\n")).toMatch(
    /run\.sh:1: error: .*bash crashes when it reads this script/,
  );
});
