import { describe, expect, it } from "vitest";
import { parseContract } from "../../src/firstboot/contract.ts";
import { incompatibleSyntax } from "../../src/firstboot/python/features.ts";
import { missingFromLibrary } from "../../src/firstboot/python/library.ts";
import { withPython } from "../../src/firstboot/python/script.ts";
import { describeWith, itWith } from "../fakes/missing.ts";
import { additionFiles, inGuest, pythons, rootNeeds } from "./additions-root.ts";

describe("tbuild's guest additions", () => {
  it("use nothing that the Python of OL5 lacks", async () => {
    expect(additionFiles.length).toBeGreaterThan(15);
    for (const [path, text] of additionFiles)
      expect(
        // As the RPM for OL5 has it (layout.py).
        await withPython(text.replace("#!/usr/bin/python3\n", "#!/usr/bin/python\n"), (script) => [
          ...incompatibleSyntax(script, [2, 4]),
          ...missingFromLibrary(script, [2, 4]),
        ]),
        path,
      ).toEqual([]);
  });
});

const python3 = "/usr/bin/python3";
const guest = (script: string, files: Record<string, string> = {}, python = python3) =>
  inGuest(python, script, files);

// A module that prints its input and the requested text.
const module = (name: string, priority: number, body: string) => `#!/usr/bin/python3
### BEGIN PLUGIN INFO
# name: ${name}
# configure: ${priority}
# description: test
### END PLUGIN INFO
import json, os, sys
from templateconfig.cli import main
from templateconfig.common import run_cmd
def do_enumerate(target):
    return json.dumps([{'key': 'x.${name}', 'description': 'of ${name}', 'hidden': True}, {'key': 'x.pin', 'password': True}])
def do_configure(param):
    param = json.loads(param)
${body.replace(/^/gm, "    ")}
    return json.dumps(param)
if __name__ == '__main__':
    main(do_enumerate, {'configure': do_configure})
`;
const withModules = (...modules: readonly [string, number, string][]) => ({
  files: Object.fromEntries(
    modules.map(([name, priority, body]) => [`etc/template.d/scripts/${name}`, module(name, priority, body)]),
  ),
  add: modules.map(([name]) => `ovm-chkconfig --add ${name}`).join("\n"),
});

for (const { name, path } of pythons)
  describeWith(rootNeeds, `under ${name}`, () => {
    it("the console asks for passwords without echo, and for hidden values if one module is named", () => {
      // Python 3's pty is the terminal, whatever Python the additions have.
      const typed = `import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execvp('ovm-template-config', ['ovm-template-config', '-s', 'asks', '--console-input', 'configure'])
for line in ['shown', 'hush-hush', 'hush-hush']:
    time.sleep(1.5)
    os.write(terminal, (line + '\\n').encode())
said = b''
try:
    while True:
        said += os.read(terminal, 1000)
except OSError:
    pass
sys.stdout.write(said.decode().replace('\\r', ''))
`;
      const { files, add } = withModules([
        "asks",
        60,
        'sys.stderr.write("got %s %s\\n" % (param.get("x.asks"), len(param.get("x.pin", ""))))',
      ]);
      const { out } = guest(
        `${add}\n/usr/bin/python3 /typed; cut -d' ' -f3- /var/log/ovm-template-config.log`,
        { ...files, typed },
        path,
      );
      expect(out).toContain("of asks [x.asks]: shown");
      expect(out).toContain("[x.pin]: ");
      expect(out).not.toContain("hush");
      expect(out).toContain("got shown 9");
    });

    it("a module that hangs is killed at its own deadline, with its processes, and no further module runs", () => {
      const hangs =
        'sys.stderr.write("waits for the share, pin 4711-secret\\n"); sys.stderr.flush(); run_cmd(["sleep", "1000"])';
      const { files, add } = withModules(["hangs", 60, hangs], ["after", 70, 'open("/after", "w")']);
      const late = Object.entries(files).map(([at, text]) => [
        at,
        at.endsWith("/hangs") ? text.replace("import json", "# tbuild-timeout: 1\nimport json") : text,
      ]);
      const { out } = guest(
        `${add}; echo '{"x.pin": "4711-secret"}' | ovm-template-config --stdin configure 2>&1 || echo "rc $?"
ls /after 2> /dev/null || echo "not run"
# A killed process is listed until the kernel has taken it away.
for try in $(seq 50); do ! ps ax | grep -q '[s]leep 1000' && break; sleep 0.1; done
ps ax | grep -c '[s]leep 1000' || :; cut -d' ' -f3- /var/log/ovm-template-config.log`,
        Object.fromEntries(late),
        path,
      );
      const why =
        "did not end within 1 seconds, and was killed; its last line: waits for the share, pin ********";
      expect(out.split("\n")).toEqual([
        "ovm-template-config: hangs: waits for the share, pin ********",
        `hangs: ${why}`,
        ...["rc 1", "not run", "0"],
        "configure: hangs: starts",
        "configure: hangs: | waits for the share, pin ********",
        `configure: hangs: ${why}`,
        "",
      ]);
    });

    it("after a module that fails, an operator can still log in: only network and authentication run", () => {
      const { files, add } = withModules(
        ["early", 40, 'raise SystemExit("no disks")'],
        ["network", 50, 'open("/network", "w")'],
        ["late", 60, 'open("/late", "w")'],
        ["authentication", 90, 'sys.stderr.write("given %s\\n" % param.get("x.asks")); open("/login", "w")'],
      );
      const { out } = guest(
        `${add}; echo '{"x.asks": "this", "com.oracle.linux.root-password": "hush-hush"}' | ovm-template-config --stdin configure 2>&1 || echo "rc $?"
ls /network /late /login 2> /dev/null || :; cut -d' ' -f3- /var/log/ovm-template-config.log | sed 's/ after .*//'`,
        files,
        path,
      );
      expect(out.split("\n")).toEqual(
        [
          ...["ovm-template-config: early: no disks", "early: no disks", "rc 1", "/login", "/network"],
          ...["early: starts", "early: | no disks", "early: failed with exit code 1"],
          ...["network: starts", "network: done"],
          ...["authentication: starts", "authentication: | given this", "authentication: done"],
          "",
        ].map((line) =>
          line.replace(/^(?=early: (?:starts|\||failed)|network|authentication)/, "configure: "),
        ),
      );
    });

    it("ovm-chkconfig adds, lists, switches and deletes modules", () => {
      const { code, out, err } = guest(
        "ovm-chkconfig --add network; ovm-chkconfig --add early; ls /etc/template.d/configure; ovm-chkconfig --list; ovm-chkconfig --target=configure network off\novm-chkconfig --list network; ovm-chkconfig --del early; ls -d /etc/template.d/*/*-*",
        withModules(["early", 5, ""]).files,
        path,
      );
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toMatch(/^05-early\n50-network\n/);
      expect(out).toMatch(/^early +on:05 +off/m);
      expect(out).toMatch(/^network +on:50 +off +off +on:50/m);
      expect(out).toMatch(/^network +off +off +off +on:50/m);
      expect(out).toMatch(/\n\/etc\/template.d\/cleanup\/50-network\n$/);
    });

    it("the contract is that of the modules, as JSON and as Python 2 prints it", () => {
      const all = "ls /etc/template.d/scripts | xargs -n1 ovm-chkconfig --add";
      const json = guest(`${all}; ovm-template-config --enumerate configure`, {}, path);
      const human = guest(`${all}; ovm-template-config -e --human-readable configure`, {}, path);
      expect({ code: json.code, err: json.err }).toEqual({ code: 0, err: "" });
      expect(human.out).toMatch(/^\[\('30',\s+'selinux',\s+\[\{u'description': u'SELinux mode:/);
      expect(human.out).not.toMatch(/[[ {]'key'/);
      const contract = parseContract(json.out);
      expect(contract.map(({ key }) => key)).toEqual(
        expect.arrayContaining(["com.oracle.linux.ssh.host-rsa-key", "com.oracle.linux.user.uid.0"]),
      );
      expect(parseContract(human.out)).toEqual(contract);
    });

    it("--stdin configures once it gets the root password, and not before", () => {
      const { files, add } = withModules(["one", 10, "open('/ran', 'a').write(param.get('a', '') + ';')"]);
      const { code, out, err } = guest(
        `${add}; ovm-chkconfig --add authentication
         echo '{"a": "1"}' | ovm-template-config --stdin configure || echo "code $?"
         test ! -e /ran
         (echo '{"a": "2"}'; echo '{"com.oracle.linux.root-password": "secret-ä"}'; echo '{"a": "late"}'; sleep 2) | ovm-template-config --stdin configure
         cat /ran; python3 -W ignore -c "
import crypt
said = [line for line in open('/etc/shadow') if line.startswith('root:')][0].split(':')[1]
print(crypt.crypt('secret-ä', said) == said)"`,
        files,
        path,
      );
      expect({ code, out }).toEqual({ code: 0, out: "code 1\n2;True\n" });
      expect(err).toBe(
        "ovm-template-config: the input ended without com.oracle.linux.root-password, which starts the configuration: nothing was configured\n",
      );
    });

    it("a module's output is in the log with its name, all lines, and without secrets", () => {
      const { files, add } = withModules(
        [
          "good",
          10,
          "print('hello'); run_cmd(['sh', '-c', 'echo from a command; echo pin is ' + param['x.pin']])",
        ],
        ["bad", 20, "run_cmd(['sh', '-c', 'echo first; echo second; exit 3'])"],
        ["never", 30, "open('/ran', 'w')"],
      );
      const { code, out, err } = guest(
        `${add}\necho '{"x.pin": "12345"}' | ovm-template-config --stdin configure || echo "code $?"; test ! -e /ran; cut -d' ' -f3- /var/log/ovm-template-config.log; stat -c %a /var/log/ovm-template-config.log`,
        { "var/log/ovm-template-config.log.none": "", ...files },
        path,
      );
      expect(code).toBe(0);
      expect(out.replace(/[\d.]+ s$/gm, "N s")).toContain(
        `configure: good: starts
configure: good: | hello
configure: good: | from a command
configure: good: | pin is ********
configure: good: done after N s
configure: bad: starts
configure: bad: | first
configure: bad: | second
configure: bad: | Traceback (most recent call last):
`,
      );
      expect(out).toMatch(/configure: bad: failed with exit code 1 after [\d.]+ s\n600\n$/);
      expect(`${out}${err}`).not.toContain("12345");
      expect(err).toContain("bad: second\n");
      expect(err).toMatch(/\nbad: RuntimeError: sh -c .*: exit code 3\n$/);
    });

    it("--input and --output name the files for input and output, and --script runs one module", () => {
      const { files, add } = withModules(
        ["one", 10, "param['b'] = param['a'] + '!'"],
        ["two", 20, "param['b'] += '?'"],
      );
      const { code, out, err } = guest(
        `${add}\necho '{"a": "ü"}' > /in; ovm-template-config --input 3 --output 4 configure 3</in 4>/out; cat /out; ovm-template-config -s one --input 3 --output 4 configure 3</in 4>/out; cat /out; ovm-template-config -e -s one --output 4 configure 4>/out; cat /out`,
        files,
        path,
      );
      expect({ code, err }).toEqual({ code: 0, err: "" });
      const [both, one, contract] = out.trim().split("\n");
      expect(JSON.parse(both ?? "")).toEqual({ a: "ü", b: "ü!?" });
      expect(JSON.parse(one ?? "")).toEqual({ a: "ü", b: "ü!" });
      expect(parseContract(contract ?? "").map(({ key }) => key)).toEqual(["x.one", "x.pin"]);
    });

    it("--console-input asks for secrets without echo, and for hidden keys with --script", () => {
      const { files, add } = withModules([
        "one",
        10,
        "open('/got', 'w').write(json.dumps(param, sort_keys=True))",
      ]);
      const talk = (arguments_: string, ...answers: [string, string][]) =>
        `python3 -c "
import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execv('/usr/sbin/ovm-template-config', ['ovm-template-config'] + '${arguments_}'.split())
said = b''
def until(what):
    global said
    while what not in said:
        said += os.read(fd, 1000)
for asked, answer in ${JSON.stringify(answers)}:
    until(asked.encode()); seen = said; said = b''
    os.write(fd, (answer + chr(10)).encode())
try:
    while True:
        more = os.read(fd, 1000)
        if not more: break
        said += more
except OSError: pass
print('echoed' if b'hush' in said else 'quiet', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"; cat /got; echo`.replace(/"(?=[^\n]*:\n)/g, "'");
      const script = [
        add,
        talk("--console-input configure", ["x.pin", "hush"], ["Again", "hush"]),
        talk(
          "-s one --console-input configure",
          ["x.one", "shown"],
          ["x.pin", "hush"],
          ["Again", "other"],
          ["x.pin", "hush"],
          ["Again", "hush"],
        ),
      ].join("\n");
      const { code, out, err } = guest(script, files, path);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toBe('quiet 0\n{"x.pin": "hush"}\nquiet 0\n{"x.one": "shown", "x.pin": "hush"}\n');
    });

    it("ovmd keeps parameters, several at once, and there is one daemon", () => {
      const { code, out, err } = guest(
        `ovmd -f /run/own.pid; kill -0 $(cat /run/own.pid)
         ovmd && exit 9 || echo "code $?"
         ovmd -p a=1 -p b=2=3 --set-param c=; ovmd -l; ovmd -g b; ovmd -g none || echo "code $?"
         ovmd -r a; ovmd -r a || echo "code $?"
         ovmd -x; ovmd -l; stat -c %a /run/ovmd.sock
         kill $(cat /run/own.pid); sleep 0.3; ls /run/own.pid /run/ovmd.sock 2>/dev/null || true
         ovmd -l || echo "code $?"; ovmd; ovmd -l`,
        {},
        path,
      );
      expect({ code, out }).toEqual({
        code: 0,
        out: 'code 1\n{"a": "1"}\n{"b": "2=3"}\n{"c": ""}\n2=3\ncode 1\ncode 1\n600\ncode 1\n',
      });
      expect(err).toBe(
        "ovmd: is running already\novmd: the daemon is not running; start it with: service ovmd start\n",
      );
    });

    it("ovmd configures from its parameters, in the right order", () => {
      const { files, add } = withModules(["one", 10, "open('/got', 'w').write(param['x.one'])"]);
      const { code, out, err } = guest(
        `${add}; ovm-chkconfig --add authentication; ovmd
         (ovmd -i; echo "code $?") > /said 2>&1 & sleep 0.5
         ovmd -p x.one=first -p com.oracle.linux.root-password=hush-hush; wait; cat /said /got; echo; ovmd -l`,
        files,
        path,
      );
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toBe(
        'ovmd: waiting for the first-boot configuration messages\novmd: configuring\ncode 0\nfirst\n{"x.one": "first"}\n',
      );
    });

    it("ovmd -l prints the root password last, so that its lines can be the input of ovm-template-config", () => {
      const { files, add } = withModules(["one", 10, "open('/got', 'w').write(param['x.one'])"]);
      const { code, out, err } = guest(
        `${add}; ovm-chkconfig --add authentication; ovmd
         ovmd -p x.one=first -p com.oracle.linux.root-password=hush-hush -p a=1
         ovmd -l | cut -d: -f1; ovmd -l | ovm-template-config --stdin configure; cat /got`,
        files,
        path,
      );
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).toBe('{"a"\n{"x.one"\n{"com.oracle.linux.root-password"\nfirst');
    });

    it("an OVF environment on a CD is read, by ovmd and by ovm-template-config", () => {
      const { files, add } = withModules([
        "one",
        10,
        "open('/got', 'w').write(json.dumps(param, sort_keys=True))",
      ]);
      const environment = `<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="vm">
<PropertySection><Property oe:key="com.oracle.linux.network.hostname" oe:value="clöne &amp; co"/><Property oe:key="empty" oe:value=""/></PropertySection>
<Entity oe:id="other"><PropertySection><Property oe:key="foreign" oe:value="x"/></PropertySection></Entity>
</Environment>`;
      for (const names of ["-r", "-J", "-iso-level 1"]) {
        const { code, out, err } = guest(
          `${add}
           mkdir /cd; mv /env /cd/ovf-env.xml; xorriso -as mkisofs -quiet ${names} -o /cd.iso /cd 2>/dev/null
           python3 -c "
import sys; sys.path.insert(0, '/usr/lib/python-templateconfig')
from ovmdaemon.ovf import properties, read_environment
print(sorted(properties(read_environment('/cd.iso')).items()))"`,
          { env: environment, ...files },
          path,
        );
        expect({ code, err, out }).toEqual({
          code: 0,
          err: "",
          out: "[('com.oracle.linux.network.hostname', 'clöne & co'), ('empty', '')]\n",
        });
      }
    });

    it("sets users, keys and time from the messages, and a second run changes nothing", () => {
      const values = {
        "com.oracle.linux.user.name.0": "grid",
        "com.oracle.linux.user.uid.0": "54322",
        "com.oracle.linux.user.group.0": "oinstall",
        "com.oracle.linux.user.password.0": "secret-ü",
        "com.oracle.linux.user.name.17": "seventeen",
        "com.oracle.linux.ssh.user.20": "seventeen",
        "com.oracle.linux.ssh.authorized-keys.20": "ssh-ed25519 AAAA seventeen@x",
        "com.oracle.linux.ssh.user.0": "grid",
        "com.oracle.linux.ssh.authorized-keys.0": "ssh-ed25519 AAAA grid@x",
        "com.oracle.linux.ssh.private-key.0": "-----BEGIN X-----\\nabc\\n-----END X-----",
        "com.oracle.linux.ssh.private-key-type.0": "ed25519",
        "com.oracle.linux.ssh.known-hosts.0": "host ssh-ed25519 AAAA",
        "com.oracle.linux.datetime.timezone": "Europe/Zurich",
        "com.oracle.linux.datetime.utc": "False",
        "com.oracle.linux.datetime.ntp": "False",
      };
      const show = `id grid; cat /home/seventeen/.ssh/authorized_keys; tail -n +1 /home/grid/.ssh/*; stat -c '%n %a %U' /home/grid/.ssh /home/grid/.ssh/*; cat /etc/adjtime; readlink /etc/localtime; md5sum /etc/shadow /etc/ssh/ssh_host_*`;
      const { code, out, err } = guest(
        `for m in user ssh datetime; do ovm-chkconfig --add $m; done
         rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -t rsa -N '' -f /hostkey
         python3 -c "
import json, sys
values = json.loads(sys.argv[1]); values['com.oracle.linux.ssh.host-rsa-key'] = open('/hostkey').read().replace(chr(10), chr(92) + 'n')
print(json.dumps(values))" '${JSON.stringify(values)}' > /values
         ovm-template-config --stdin configure < /values
         cmp /hostkey /etc/ssh/ssh_host_rsa_key; cut -d' ' -f1,2 /hostkey.pub > /a; cut -d' ' -f1,2 /etc/ssh/ssh_host_rsa_key.pub | cmp - /a
         (${show.replace("md5sum /etc/shadow", "md5sum")}) > /first; cat /first; ovm-template-config --stdin configure < /values; (${show.replace("md5sum /etc/shadow", "md5sum")}) | cmp - /first`,
        {},
        path,
      );
      expect(err).toBe("");
      expect(out).toMatch(/uid=54322\(grid\) gid=\d+\(oinstall\)/);
      expect(out).toContain("ssh-ed25519 AAAA seventeen@x\n");
      expect(out).toContain("-----BEGIN X-----\nabc\n-----END X-----\n");
      expect(out).toContain("/home/grid/.ssh 700 grid\n/home/grid/.ssh/authorized_keys 600 grid\n");
      expect(out).toContain("\nLOCAL\n../usr/share/zoneinfo/Europe/Zurich\n");
      expect(code).toBe(0);
    });
  });

describeWith(rootNeeds, "each program of the additions", () => {
  it("says that it is tbuild's, with its version", () => {
    const { code, out } = guest("for one in ovmd ovm-template-config ovm-chkconfig; do $one --version; done");
    expect({ code, out: out.split("\n") }).toEqual({
      code: 0,
      out: [
        expect.stringMatching(/^ovmd \d+\.\d+\.\d+ .*tbuild/),
        expect.stringMatching(/^ovm-template-config \d+\.\d+\.\d+ .*tbuild/),
        expect.stringMatching(/^ovm-chkconfig \d+\.\d+\.\d+ .*tbuild/),
        "",
      ],
    });
  });
});

describeWith(rootNeeds, "the module datetime", () => {
  const recorder = (name: string) => `#!/bin/sh\necho ${name} "$@" >> /ran\n`;
  const files = {
    "usr/sbin/chkconfig": recorder("chkconfig"),
    "usr/sbin/service": recorder("service"),
    "usr/bin/systemctl": recorder("systemctl"),
  };
  const ntp = (value: string) =>
    `ovm-chkconfig --add datetime; echo '{"com.oracle.linux.datetime.ntp": "${value}"}' | ovm-template-config --stdin configure || echo "code $?"; cat /ran`;

  it.each([
    ["True", "chkconfig ntpd on\nservice ntpd start\n"],
    ["False", "chkconfig ntpd off\nservice ntpd stop\n"],
  ])("turns NTP on and off under SysV: %s", (value, ran) => {
    const { out, err } = guest(ntp(value), { ...files, "etc/rc.d/init.d/ntpd": "#!/bin/sh\n" });
    expect({ out, err }).toEqual({ out: ran, err: "" });
  });

  it("turns chronyd on under systemd", () => {
    const { out, err } = guest(`mkdir -p /run/systemd/system; ${ntp("True")}`, {
      ...files,
      "etc/systemd/system/chronyd.service": "[Service]\n",
    });
    expect({ out, err }).toEqual({
      out: "systemctl enable chronyd.service\nsystemctl start chronyd.service\n",
      err: "",
    });
  });
});

describeWith(rootNeeds, "what the programs of the additions refuse", () => {
  const refused: readonly [string, number, RegExp][] = [
    ["ovmd -t abc", 2, /--time takes a number of seconds/],
    ["ovmd -t 0", 2, /--time/],
    ["ovmd -d 3", 2, /--debug takes 0, 1 or 2, not "3"/],
    ["ovmd -p =v", 2, /the key may not be empty/],
    ["ovmd -p a=1 -p b", 2, /--set-param takes KEY=VALUE/],
    ["ovmd -s bogus", 2, /no such target: bogus\. The targets are: configure/],
    ["ovmd --bogus", 2, /option --bogus not recognized/],
    ["ovmd word", 2, /what is "word"\?/],
    ["ovmd -l", 1, /the daemon is not running/],
    ["ovmd -f /nowhere/pid; ! test -e /var/run/ovmd.sock || exit 9; exit 1", 1, /No such file.*nowhere\/pid/],
    ["setpriv --reuid 65534 --clear-groups ovmd", 1, /ovmd: .*Permission denied/],
    ["setpriv --reuid 65534 --clear-groups ovmd -l", 1, /the daemon is not running/],
    ["setpriv --reuid 65534 --clear-groups ovm-chkconfig --add network", 1, /Permission denied/],
    [
      "setpriv --reuid 65534 --clear-groups ovm-template-config cleanup",
      1,
      /ovm-template-config: .*Permission denied/,
    ],
    ["ovm-template-config --output 9 configure", 2, /--output 9: /],
    ["ovm-template-config configure cleanup", 2, /it takes one target/],
    ["ovm-template-config -e --human-readable", 2, /it takes one target/],
    ["ovm-chkconfig --add network --del network", 2, /one action per call/],
    ["ovm-chkconfig --target=configure network maybe", 2, /on or off/],
    ["ovm-chkconfig", 2, /one action per call/],
    ["ovm-chkconfig --target=bogus network on", 2, /no such target: bogus/],
    ["ovm-chkconfig --target=shutdown network on", 1, /has no priority for shutdown/],
    ["ovm-chkconfig --target=configure nosuch off", 1, /nosuch: no such module/],
    ["ovm-chkconfig --del nosuch", 1, /nosuch: no such module/],
    ["ovm-chkconfig --add ../../x", 1, /no such module/],
    ["ovm-chkconfig --list nosuch", 1, /no such module/],
    ["ovm-chkconfig --add headless", 1, /names no target/],
    ["ovm-template-config bogus", 2, /it takes one target/],
    ["ovm-template-config -s nosuch configure", 1, /nosuch: no such module is enabled/],
    ["ovm-template-config --input x configure", 2, /--input takes the number/],
    ["ovm-template-config --input 9 configure", 2, /--input 9: /],
    ["ovm-template-config --stdin --input 0 configure", 2, /from one place/],
    ["echo not-json | ovm-template-config --stdin cleanup", 1, /line 1 of the input is not JSON$/m],
    ["echo [1] | ovm-template-config --stdin cleanup", 1, /line 1 of the input is not a JSON object/],
    ["ovm-template-config --ovf-transport-iso configure", 1, /no CD drive has an OVF environment/],
  ];
  const script = refused.map(
    ([line], number) =>
      `(${line}) >/dev/null 2>/err && code=0 || code=$?; echo "${number} $code $(tr '\\n' '~' </err)"`,
  );
  let lines: string[] | undefined;
  itWith([], "is said with a reason and an exit code of its own", () => {
    const { code, out, err } = guest(`ovm-chkconfig --add system\n${script.join("\n")}`, {
      "etc/template.d/scripts/headless": "#!/bin/sh\n",
    });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    lines = out.trim().split("\n");
    expect(lines).toHaveLength(refused.length);
  });
  it.each(refused.map(([line, code, words], number) => [line, code, words, number] as const))(
    "%s",
    (_line, code, words, number) => {
      const [, got, said] = /^\d+ (\d+) (.*)$/.exec(lines?.[number] ?? "") ?? [];
      expect(Number(got)).toBe(code);
      expect(said?.replaceAll("~", "\n")).toMatch(words);
      expect(said).not.toContain("Traceback");
    },
  );
});
