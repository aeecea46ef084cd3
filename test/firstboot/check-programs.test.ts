import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { findings, key, type Pieces, report, shell } from "./made-module.ts";

// Programs that run at first boot: what they show, wait for and need, and who reads them.

const pw = `param['${key}.pw']`;
const python = (configure: string, imports = "import os, subprocess, sys"): Pieces => ({
  imports,
  configure,
});
const payload = (run: string, of: Pieces = {}): Pieces => ({ yaml: "", run, ...of });
const perl = (lines: string, of: Pieces = {}) => payload(`#!/usr/bin/perl\n${lines}\n`, of);
const own = (lines: string, of: Pieces = {}) =>
  payload(`${lines}\n`, { yaml: ", interpreter: python", ...of });

const shows = /run\.sh:2: warning: shows (?:a secret in \$\*|\$DB_PASSWORD): /;
const empty = /run\.sh:2: error: reads standard input at configure, and nothing is there: /;
const noOne = /run\.sh:2: error: asks at configure: .*no one can answer/;
const endless = /run\.sh:2: (?:error|warning): never ends: /;
const nfs = /run\.sh:3: error: mounts NFS at configure/;

const broken: readonly (readonly [string, Pieces, RegExp])[] = [
  // A secret that is shown
  ...[
    'echo "the password is $DB_PASSWORD"',
    `printf 'user %s\\n' "$DB_PASSWORD" >&2`,
    'echo "$DB_PASSWORD" | tee /etc/acme.pw',
    'echo "$DB_PASSWORD" >> /var/log/acme.log',
    'echo "$DB_PASSWORD" > /dev/console',
    "echo set to $DB_PASSWORD | logger -t acme",
    "cat <<EOF\nwith $DB_PASSWORD\nEOF",
    'say() { echo "acme: $*"; }; say "$DB_PASSWORD"',
    "env",
    "export -p | sort",
    "set",
  ].map((line): [string, Pieces, RegExp] => [`a secret is shown: ${line}`, shell(line), shows]),
  [
    "a secret in a trace",
    shell('set -eux\nprintf "%s" "$DB_PASSWORD" | passwd --stdin acme'),
    /run\.sh:3: warning: shows \$DB_PASSWORD: set -x/,
  ],
  [
    "a secret in a trace that the first line asks for",
    payload("#!/bin/bash -x\npw=$DB_PASSWORD\n"),
    /run\.sh:2: warning: shows \$DB_PASSWORD/,
  ],
  ["a secret that Python prints", python(`print('password %s' % ${pw})`), /^acme:21: error: shows \S+\.pw/],
  [
    "a secret that Python 2 prints",
    { ...python(`print 'password', ${pw}`), for: "6" },
    /^acme:21: error: shows \S+\.pw/,
  ],
  [
    "a secret on standard error",
    python(`sys.stderr.write('%s\\n' % ${pw})`),
    /^acme:21: error: shows \S+\.pw/,
  ],
  [
    "a secret in a log",
    python(`log = logging.getLogger('acme')\nlog.info('got %s', ${pw})`, "import logging"),
    /^acme:22: error: shows \S+\.pw/,
  ],
  [
    "a secret in the system's log",
    python(`syslog.syslog('got ' + ${pw})`, "import syslog"),
    /^acme:21: error: shows \S+\.pw/,
  ],
  ["all parameters", python("print(param)"), /^acme:21: error: shows \S+\.pw/],
  [
    "a secret that a program in Python prints",
    own("import os\nprint(os.environ['DB_PASSWORD'])"),
    /run\.sh:2: warning: shows DB_PASSWORD/,
  ],
  [
    "a secret that Perl prints",
    perl('print "got $ENV{DB_PASSWORD}\\n";'),
    /run\.sh:2: warning: shows DB_PASSWORD/,
  ],
  // Standard input, where nothing is
  ...["cat > /etc/acme.conf", "read -r answer", "cat - | sort", "tr a b"].map(
    (line): [string, Pieces, RegExp] => [`reads nothing: ${line}`, shell(line), empty],
  ),
  ["Perl that reads standard input", perl("my $line = <STDIN>;"), empty],
  [
    "Python that reads standard input",
    own("import sys\nx = sys.stdin.read()"),
    /run\.sh:2: error: asks|reads standard input/,
  ],
  // Questions
  ...[
    "mysql -u root -p -e 'select 1'",
    "psql -W -c 'select 1'",
    "rm -i /etc/acme.conf",
    "cp -i /a /b",
    "select one in a b; do break; done",
    "crontab -e",
    "fdisk /dev/xvdb",
    "openssl req -new -newkey rsa:2048 -nodes -keyout /k -out /c",
    "mysql_secure_installation",
    "/etc/init.d/oracleasm configure",
    "kinit admin",
    "lvremove vg0/a",
    "dialog --yesno Go 5 20",
    "smbpasswd -a acme",
    "htpasswd -c /etc/acme.users admin",
    "cryptsetup luksFormat /dev/xvdb",
    "gpg --gen-key",
    "/u01/stage/grid/runInstaller -responseFile /tmp/a.rsp",
    "chage acme",
    "sqlplus system @/opt/acme/a.sql",
  ].map((line): [string, Pieces, RegExp] => [`a question: ${line}`, shell(line), noOne]),
  // Programs without an end
  ...[
    "python -m SimpleHTTPServer 80",
    "nc -l 4000",
    "ping -q 10.0.0.1 > /dev/null",
    "journalctl -f -u acme",
    "watch -n 1 date",
    "top > /tmp/top",
    "vmstat 5",
    "httpd -DFOREGROUND",
    "nginx -g 'daemon off;'",
    "/usr/sbin/sshd -D",
    "tcpdump -i eth0 -w /x",
    "inotifywait -m /etc",
    "udevadm monitor",
    "yes",
    "while true; do sleep 5; done",
  ].map((line): [string, Pieces, RegExp] => [`without an end: ${line}`, shell(line), endless]),
  [
    "a server in Python",
    python(
      "HTTPServer(('', 80), BaseHTTPRequestHandler).serve_forever()",
      "from BaseHTTPServer import HTTPServer, BaseHTTPRequestHandler",
    ),
    /^acme:21: error: never ends: serve_forever/,
  ],
  [
    "a server in a program in Python",
    own("import socketserver\ns = socketserver.TCPServer(('', 9), None)\ns.serve_forever()", { for: "8" }),
    /run\.sh:3: error: never ends: serve_forever/,
  ],
  [
    "a loop in a program in Python",
    own("import time\nwhile True:\n    time.sleep(5)"),
    /run\.sh:\d: error: never ends/,
  ],
  ["a loop in Perl", perl("while (1) { sleep 5; }"), endless],
  // NFS by fstab
  [
    "all of fstab, with NFS in it",
    shell('echo "nas:/vol/data /data nfs defaults 0 0" >> /etc/fstab\nmount -a'),
    nfs,
  ],
  [
    "a mount point of fstab",
    shell('echo "$PEERS_0:/data /data nfs4 rw,hard 0 0" >> /etc/fstab\nmkdir -p /data && mount /data'),
    nfs,
  ],
  [
    "a mount point that sed writes",
    shell("sed -i '$a nas:/vol /data nfs rw 0 0' /etc/fstab\nmount /data"),
    nfs,
  ],
  [
    "a here-document for fstab",
    shell("cat >> /etc/fstab <<EOF\nnas:/vol  /data  nfs  rw 0 0\nEOF\nmount -a"),
    /run\.sh:5: error: mounts NFS at configure/,
  ],
  [
    "fstab in Python",
    python("open('/etc/fstab', 'a').write('nas:/vol /data nfs rw 0 0\\n')\nrun_cmd(['mount', '/data'])"),
    /^acme:22: error: mounts NFS at configure/,
  ],
  [
    "a unit that mounts NFS",
    shell("systemctl daemon-reload\nsystemctl start data.mount", {
      for: "7 8",
      files: {
        "payload/etc/systemd/system/data.mount": "[Mount]\nWhat=nas:/vol\nWhere=/data\nType=nfs\n",
      },
    }),
    nfs,
  ],
  // Who reads a program
  [
    "an interpreter without a name",
    payload("#!/usr/bin/env\necho\n"),
    /run\.sh:1: error: #!\/usr\/bin\/env names no/,
  ],
  [
    "an interpreter of a package that no one installs",
    payload("#!/usr/bin/ruby\nputs 1\n"),
    /run\.sh:1: warning: #!\/usr\/bin\/ruby is not a program that every guest has/,
  ],
  [
    "an interpreter that env would look for",
    payload("#!/usr/bin/env node\n1\n"),
    /run\.sh:1: warning: .*node is not a program that every guest has/,
  ],
  [
    "a spelling mistake in the interpreter",
    payload("#!/bin/bsah\n"),
    /run\.sh:1: error: #!\/bin\/bsah is not a program of the release.*bash/,
  ],
  [
    "bash where OL6 has none",
    payload("#!/usr/bin/bash\n", { for: "6" }),
    /run\.sh:1: error: ol6 has no \/usr\/bin\/bash/,
  ],
  [
    "perl where OL6 has none",
    payload("#!/bin/perl\n1;\n", { for: "6" }),
    /run\.sh:1: error: ol6 has no \/bin\/perl/,
  ],
  [
    "the Python of another release",
    payload("#!/usr/bin/python2.6\nprint 1\n", { for: "7" }),
    /run\.sh:1: error: ol7 has no program python2\.6/,
  ],
  [
    "python2 on OL9",
    payload("#!/usr/bin/python2\nprint 1\n", { for: "9" }),
    /run\.sh:1: error: ol9 has no program python2/,
  ],
  [
    "module.yaml that names another interpreter",
    payload("#!/usr/bin/perl\nprint 1;\n", { yaml: ", interpreter: bash" }),
    /run\.sh:1: error: .*perl.*module\.yaml.*bash/,
  ],
];

describe("a broken program is reported with file, line and remedy:", () => {
  it.each(broken)("%s", async (_, pieces, wanted) => {
    const found = await findings(pieces);
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(wanted)]));
    for (const line of found) expect(line).toMatch(/^\S+:[1-9]\d*: (?:error|warning): \S.*\. \S/);
  });
});

const good: readonly (readonly [string, Pieces])[] = [
  [
    "hands its secret on, and shows none",
    shell(`umask 077
set -x; date; set +x
printf '%s\\n' "$DB_PASSWORD" | passwd --stdin acme
printf '%s' "$DB_PASSWORD" > /etc/acme/secret
{ echo "[client]"; echo "password=$DB_PASSWORD"; } > /root/.my.cnf
cat > /etc/acme.conf <<EOF
password = $DB_PASSWORD
EOF
password() { echo "$DB_PASSWORD"; }
password | chpasswd
hash=$(echo "$DB_PASSWORD" | sha256sum); echo "the hash is of \${#DB_PASSWORD} letters"
echo "password: \${DB_PASSWORD:+given}"
[ -n "$DB_PASSWORD" ] && echo 'it is in $DB_PASSWORD'
env | grep -c '^PEERS_' || :
set -- a b; set -u; env LANG=C date; export LANG; echo "$DB_PASSWORD" | tee /etc/acme/two > /dev/null
tee /etc/acme/three > /dev/null <<< "$DB_PASSWORD"; exec 3> /etc/acme/four; echo "$DB_PASSWORD" >&3`),
  ],
  [
    "traces a program without secrets",
    { configure: "run_cmd(['/opt/acme/run.sh'])", run: "#!/bin/bash -x\nset -x\nenv\n" },
  ],
  [
    "says in Python that it has a secret",
    python(
      `pw = ${pw}
print('password: %s' % (pw and 'given' or 'missing'))
print('password: %s' % ('given' if pw else 'missing'))
print('%d letters' % len(pw))
print(pw != '', bool(pw))
sys.stdout.write('%s\\n' % param['${key}.code'])
log = logging.getLogger('acme')
log.info('code %s', param['${key}.code'])
open('/etc/acme', 'w').write('x=%s' % pw)
print(sorted(param.keys()))`,
      "import logging, os, sys",
    ),
  ],
  [
    "writes a secret to a file in Perl",
    perl(
      'open(my $f, ">", "/etc/acme") or die;\nprint $f "p=$ENV{DB_PASSWORD}\\n";\nprint {$f} $ENV{DB_PASSWORD};\nprint FILE "$ENV{DB_PASSWORD}";\nprint "given\\n" if $ENV{DB_PASSWORD};\nprint length($ENV{DB_PASSWORD}), "\\n";',
    ),
  ],
  [
    "reads what it is given",
    shell(`while IFS= read -r line; do echo "$line"; done < /etc/hosts
printf 'a\\n' | { read -r first; echo "$first"; }
cat /etc/hosts | tr a b
cat <<EOF > /etc/acme
a
EOF
read -r one _ < /proc/uptime; read -r -t 5 two || :
filter() { cat; }; echo a | filter
lines() { while read -r one; do echo "$one"; done; }; lines < /etc/hosts
xargs -a /etc/acme.list touch; find / -name acme -print0 | xargs -0 rm -f
exec < /etc/acme; read -r three; cat`),
  ],
  ["reads its values as JSON", shell("values=$(cat)\nread -r more\necho done", { yaml: ", input: json" })],
  [
    "reads its values as JSON in Python",
    own("import json, sys\nvalues = json.load(sys.stdin)\nx = sys.stdin.read()", {
      yaml: ", interpreter: python, input: json",
    }),
  ],
  [
    "reads its values as JSON in Perl",
    perl('use strict;\nmy $text = join "", <STDIN>;', { yaml: ", input: json" }),
  ],
  [
    "answers all questions itself",
    shell(`mysql --defaults-file=/root/.my.cnf -e 'select 1'; mysql -uroot -P 3306 --port=1 --protocol=tcp db < /a.sql
rm -rf /x; rm -f -- -i; cp -a /a /b; mv -f /a /b; crontab -l; crontab -u acme /etc/acme.cron; crontab - < /a
printf 'n\\np\\n1\\n\\n\\nw\\n' | fdisk /dev/xvdb; fdisk -l; sfdisk /dev/xvdb < /layout; parted -s /dev/xvdb mklabel gpt
openssl req -new -x509 -nodes -subj /CN=a -keyout /k -out /c; openssl req -new -config /a.cnf -key /k; openssl req -in /c -noout -text
/etc/init.d/oracleasm configure -u grid -g asmadmin -e -s y; printf 'grid\\nasmadmin\\ny\\ny\\n' | /etc/init.d/oracleasm configure
kinit -k -t /etc/krb5.keytab host/a; printf '%s' "$DB_PASSWORD" | kinit admin; vgremove vg0; lvremove -y vg0/a; vgcreate vg0 /dev/xvdb
smbpasswd -s -a acme < /p; htpasswd -i -c /u admin < /p; cryptsetup -q luksFormat /dev/xvdb /key; gpg --batch --gen-key /a; gpg --import /k
/u01/stage/grid/runInstaller -silent -responseFile /a.rsp; chage -M 99999 acme; chage -l acme
sqlplus -s / as sysdba < /a.sql; sqlplus -S /nolog <<EOF
exit
EOF
psql -c 'select 1'; ssh -o BatchMode=yes a true; sudo -u acme id; su - acme -c id; vi -c wq /a; passwd -e acme`),
  ],
  [
    "ends, or goes on in the background",
    shell(
      `python -m json.tool /a.json; nohup python3 -m http.server 80 > /dev/null 2>&1 & nc -z a 22; nc -w 5 a 22 < /dev/null
ping -c 3 10.0.0.1; ping -c1 -W2 a; ping -w 5 a; timeout 5 ping a; journalctl -u acme; journalctl -n 5; top -b -n 1; vmstat 1 3; vmstat
httpd -t; nginx -t; nginx -s reload; nginx; sshd -t; tcpdump -c 1 -i eth0; inotifywait -t 5 /etc; udevadm settle; yes | head -5; yes '' | acmectl
dmesg; ip monitor & ip addr; watchdog; /opt/acme/watch now; timeout 10 watch date; tail -n 5 /x; nc -l 4000 & wait 5; iostat 1 2; sar 1 1`,
      { for: "7" },
    ),
  ],
  [
    "starts a server in a thread",
    python(
      "server = HTTPServer(('', 80), BaseHTTPRequestHandler)\nthread = threading.Thread(target=server.serve_forever)\nthread.daemon = True\nthread.start()\nserver.handle_request()",
      "import threading\nfrom BaseHTTPServer import HTTPServer, BaseHTTPRequestHandler",
    ),
  ],
  [
    "brings a daemon that its unit starts",
    shell("systemctl enable acme", {
      for: "7 8",
      files: {
        "payload/opt/acme/daemon.py": "#!/usr/bin/python3\nimport time\nwhile True:\n    time.sleep(5)\n",
        "payload/etc/systemd/system/acme.service":
          "[Service]\nExecStart=/usr/bin/python3 /opt/acme/daemon.py\n[Install]\nWantedBy=multi-user.target\n",
      },
    }),
  ],
  [
    "has loops in Perl that end",
    perl(
      "my $n = 0;\nwhile (1) { last if $n++ > 5; sleep 1; }\nwhile (1) { die 'late' if -e '/x'; $n++ < 10 or exit 1; }\nfor (my $i = 0; $i < 3; $i++) { print $i; }",
    ),
  ],
  [
    "writes NFS into fstab, and leaves the mounting to the boot",
    shell(`echo "nas:/vol/data /data nfs _netdev 0 0" >> /etc/fstab
mkdir -p /data; mount /u01; mount -a -t xfs; mount -a -O no_netdev; mount -at ext4,nonfs; umount /data; mount | grep nfs`),
  ],
  [
    "mounts what is not NFS in fstab",
    shell('echo "LABEL=u01 /u01 xfs defaults 0 0" >> /etc/fstab\nmount -a; mount /u01'),
  ],
  [
    "has NFS in fstab that is not mounted with all",
    shell('echo "nas:/vol /data nfs noauto 0 0" >> /etc/fstab\nmount -a'),
  ],
  [
    "is written in Perl with care",
    perl(
      'use strict;\nuse warnings;\nuse POSIX qw(strftime);\nmy %h = (a => 1);\nforeach my $k (sort keys %h) { printf "%s no use %d\\n", $k, $h{$k}; }\nsystem("true") == 0 or die "no: $!";',
    ),
  ],
  [
    "is written in Perl with code that runs when it is read",
    perl('BEGIN { unlink "/tmp/tbuild-perl-ran"; }\nuse Acme::Missing;\nprint 1;'),
  ],
  ["has a program for env", payload("#!/usr/bin/env bash\necho\n")],
  [
    "has an interpreter in its package",
    { yaml: " }\npackages: [ruby]\n# {", run: "#!/usr/bin/ruby\nputs 1\n" },
  ],
  [
    "has an interpreter of its own",
    payload("#!/opt/acme/bin/acmesh\nx\n", { files: { "payload/opt/acme/bin/acmesh": "x" } }),
  ],
  ["has a filter for awk", payload("#!/bin/awk -f\nBEGIN { print 1 }\n")],
  ["has Python 3 on OL8", payload("#!/usr/bin/python3.6\nprint(1)\n", { for: "8" })],
  ["has bash in /usr/bin on OL8", payload("#!/usr/bin/bash\necho\n", { for: "7 8 9" })],
];

describe("nothing is found in a module that", () => {
  it.each(good)("%s", async (_, pieces) => expect(await findings(pieces)).toEqual([]));
});

describeWith(["ksh"], "a program in ksh", () => {
  it("that ksh refuses is reported", async () =>
    expect(await findings(payload("#!/bin/ksh\nif true; then\nprint a\n"))).toEqual([
      expect.stringMatching(/run\.sh:\d: error: ksh refuses it: .*(?:if|then|fi)/),
    ]));

  it("may have what only ksh knows", async () =>
    expect(
      await findings(
        payload(
          "#!/bin/ksh\ntypeset -Z3 n=1\nfunction f { print -r -- $1; }\nf a |&\nprint $RANDOM\ncase $n in {2}(0)1) ;; esac\n",
        ),
      ),
    ).toEqual([]));
});

it("no program in Perl is run to read it, and the report says so", async () => {
  const ran = join(tmpdir(), `tbuild-perl-${process.pid}`);
  const { findings: found, reports } = await report(
    perl(`my $text = <<'END';\n__END__\nEND\nBEGIN { system 'touch ${ran}' }\nif (`),
  );
  expect([found, reports[0]?.unchecked.map((one) => one.why)]).toEqual([
    [],
    [expect.stringMatching(/^perl runs a part of a program to read it/)],
  ]);
  expect(existsSync(ran)).toBe(false);
});

it.each([
  ["Perl that only module.yaml names", "1;\n", ", interpreter: perl"],
  ["Perl in UTF-16", Buffer.from("\ufeff#!/usr/bin/perl\nBEGIN { 1 }\n", "utf16le").toString("latin1"), ""],
  ["zsh", "#!/bin/zsh\nprint -P x\n", ""],
  ["a language that nobody reads here", "#!/opt/acme/bin/acmesh\nx\n", ""],
])("the report says that a program was not read: %s", async (_, text, yaml) => {
  const { reports } = await report(payload(text, { yaml }));
  expect(reports[0]?.unchecked.map(({ file }) => file.replace(/^.*\//, ""))).toEqual(["run.sh"]);
});
