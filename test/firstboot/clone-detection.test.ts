import { expect, it } from "vitest";
import { describeWith } from "../fakes/missing.ts";
import { everyPython, inGuest, rootNeeds } from "./additions-root.ts";

const original = "00:21:f6:00:00:01";
const clone = "00:21:f6:aa:bb:cc";

const module = `#!/usr/bin/python3
### BEGIN PLUGIN INFO
# name: one
# configure: 50
# cleanup: 50
### END PLUGIN INFO
import json
from templateconfig.cli import main
from templateconfig.common import load
def said(text):
    stream = open('/said', 'a')
    stream.write(text)
    stream.close()
def do_enumerate(target):
    return json.dumps([{'key': 'x.one'}])
def do_configure(param):
    param = load(param)
    said('configure one=%s;' % param.get('x.one', ''))
    if param.get('x.one') == 'bad':
        raise SystemExit('one cannot be bad')
    return json.dumps(param)
def do_cleanup(param):
    said('cleanup;')
    return param
if __name__ == '__main__':
    main(do_enumerate, {'configure': do_configure, 'cleanup': do_cleanup})
`;
const hook = `#!/bin/sh
echo "hook $TBUILD_MACS_BEFORE>$TBUILD_MACS $(cat);" >> /said
`;
// A boot runs both services, then shows what modules and hooks did.
const functions = `
card() { mkdir -p /sys/class/net/$1/device; echo $2 > /sys/class/net/$1/address; }
boot() { for word in detect configure; do /usr/libexec/tbuild-clone $word || echo "$word: code $?"; done; echo "-> $(cat /said 2>/dev/null)"; rm -f /said; }
verdict() { /usr/libexec/tbuild-clone status | sed 's/.*"verdict": "\\([a-z]*\\)".*/\\1/'; }
mkdir -p /etc/template.d/configure /etc/template.d/cleanup
ln -s ../scripts/one /etc/template.d/configure/50-one
ln -s ../scripts/one /etc/template.d/cleanup/50-one
mkdir -p /sys/class/net/lo /sys/class/net/br0
echo 00:00:00:00:00:00 > /sys/class/net/lo/address; echo ${original} > /sys/class/net/br0/address
`;
const guest = (script: string, python = "/usr/bin/python3", more: Record<string, string> = {}) =>
  inGuest(python, `${functions}${script}`, {
    "etc/template.d/scripts/one": module.replace("/usr/bin/python3", python),
    "etc/tbuild/clone.d/10-hook": hook,
    ...more,
  });

for (const { name, path } of everyPython)
  describeWith(rootNeeds, `clone detection under ${name}`, () => {
    it("configures a clone once, and leaves the machine itself alone", () => {
      const { code, out, err } = guest(
        `card eth0 ${original}; verdict; boot; verdict; boot
         card eth0 ${clone}; verdict; boot; boot; verdict; cat /var/lib/tbuild-clone/macs
         /usr/libexec/tbuild-clone arm; verdict; boot; verdict; boot`,
        path,
        { "etc/tbuild/clone.json": '{"x.one": "\u00fc"}' },
      );
      expect({ code, err }).toEqual({ code: 0, err: "" });
      const configured = `tbuild-clone: values from /etc/tbuild/clone.json
tbuild-clone: configuring
tbuild-clone: running one
tbuild-clone: configured
`;
      expect(out).toBe(`new
-> 
same
-> 
clone
tbuild-clone: clone: none of the recorded addresses (${original}) is here; here are ${clone}
${configured}-> cleanup;configure one=ü;hook ${original}>${clone} {"x.one": "\\u00fc"};
-> 
same
${clone}
template
tbuild-clone: template: this is the first boot of a clone of a sealed template
${configured}-> configure one=ü;hook >${clone} {"x.one": "\\u00fc"};
same
-> 
`);
    });
  });

describeWith(rootNeeds, "clone detection", () => {
  it("tries a failed configuration again at the next boot, without a second clean-up", () => {
    const { out, err, code } = guest(
      `card eth0 ${original}; boot; card eth0 ${clone}
       echo '{"x.one": "bad"}' > /etc/tbuild/clone.json; boot; verdict
       echo '{"x.one": "good"}' > /etc/tbuild/clone.json; boot; boot`,
    );
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("tbuild-clone: one: one cannot be bad\n");
    expect(out).toContain("the configuration failed; the next boot tries again\nconfigure: code 1\n");
    expect(out).toContain("-> cleanup;configure one=bad;\nclone\n");
    expect(out).toMatch(/is tried again\n[\s\S]*-> configure one=good;hook [^\n]*\n-> \n$/);
  });

  it("forgets that modules ran in the original, and remembers that they ran in this clone", () => {
    const { out } = guest(
      `mark() { mkdir -p /var/lib/tbuild/modules; touch /var/lib/tbuild/modules/$1; }
       card eth0 ${original}; boot; mark original; boot; ls /var/lib/tbuild/modules
       card eth0 ${clone}; echo '{"x.one": "bad"}' > /etc/tbuild/clone.json; boot; ls /var/lib/tbuild/modules
       mark first; boot; ls /var/lib/tbuild/modules`,
    );
    expect(out).toMatch(/^-> \n-> \noriginal\n/);
    expect(out.match(/^original$/gm)).toHaveLength(1);
    expect(out).toMatch(/\nfirst\n$/);
  });

  it("recognizes a machine while one of its cards is known, and does nothing without cards", () => {
    const { out } = guest(
      `verdict; boot
       card eth0 ${original}; card eth1 00:21:f6:00:00:02; boot
       card eth0 ${clone}; verdict; boot
       card eth1 00:21:f6:00:00:03; verdict
       rm -r /sys/class/net/eth*; verdict; boot`,
    );
    expect(out).toBe(`unknown
tbuild-clone: there is no network card, so there is no address to compare
-> 
-> 
same
-> 
same
unknown
tbuild-clone: there is no network card, so there is no address to compare
-> 
`);
  });

  it("recognizes the cards of a bond by their own addresses", () => {
    const { out } = guest(
      `card eth0 ${original}; card eth1 ${original}; mkdir /sys/class/net/bond0; echo ${original} > /sys/class/net/bond0/address
       python3 -c "
import sys; sys.path.insert(0, '/usr/lib/tbuild-clone')
from clonedetect import cards
cards.BONDS = '/bonding'
print(sorted(cards.cards().items()))"`,
      undefined,
      {
        "bonding/bond0": `Ethernet Channel Bonding Driver: v3.7.1

Slave Interface: eth0
MII Status: up
Permanent HW addr: 00:21:F6:00:00:0a

Slave Interface: eth1
Permanent HW addr: 00:21:F6:00:00:0b
`,
      },
    );
    expect(out).toBe("[('eth0', '00:21:f6:00:00:0a'), ('eth1', '00:21:f6:00:00:0b')]\n");
  });

  it("removes names and files of missing cards from a clone: kudzu's of EL5 and udev's of EL6", () => {
    const rule = (mac: string, name: string) =>
      `SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{address}=="${mac}", ATTR{type}=="1", KERNEL=="eth*", NAME="${name}"\n`;
    const { code, out, err } = guest(
      `rm -rf /etc/template.d/cleanup
       mkdir -p /var/lib/tbuild-clone; echo ${original} > /var/lib/tbuild-clone/macs
       card eth2 ${clone}; card eth3 00:21:f6:aa:bb:cd
       rm -f /usr/sbin/ip /usr/bin/ip; cp /fake-ip /usr/sbin/ip
       boot; cat /renamed /etc/udev/rules.d/70-persistent-net.rules
       tail -n +1 /etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/hwconf; stat -c %a /etc/sysconfig/network-scripts/ifcfg-eth0`,
      undefined,
      {
        "fake-ip": '#!/bin/sh\necho "$@" >> /renamed\n',
        "etc/udev/rules.d/70-persistent-net.rules": [
          rule(original, "eth0"),
          rule("00:21:f6:00:00:02", "eth1"),
          rule(clone, "eth2"),
          rule("00:21:f6:aa:bb:cd", "eth3"),
        ].join("\n"),
        "etc/sysconfig/network-scripts/ifcfg-eth0": `DEVICE=eth0\nHWADDR=${original.toUpperCase()}\nONBOOT=yes\n`,
        "etc/sysconfig/network-scripts/ifcfg-eth9": `DEVICE=eth9\nHWADDR="${clone}"\n`,
        "etc/sysconfig/hwconf": `class: NETWORK\nnetwork.hwaddr: ${original}\ndevice: eth0\n`,
      },
    );
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(
      "link set dev eth2 down\nlink set dev eth2 name eth0\nlink set dev eth3 down\nlink set dev eth3 name eth1\n",
    );
    expect(out).toContain(rule(clone, "eth0"));
    expect(out).toContain(rule("00:21:f6:aa:bb:cd", "eth1"));
    expect(out).not.toMatch(/NAME="eth[23]"/);
    expect(out).toContain("DEVICE=eth0\nONBOOT=yes\n");
    expect(out).toContain(`DEVICE=eth9\nHWADDR="${clone}"\n`);
    expect(out).toContain("class: NETWORK\ndevice: eth0\n");
    expect(out).toMatch(/\n755\n$/);
  });

  it("names the card as before where udev's rule of this boot is not yet among the others, as on EL6", () => {
    const rule = (mac: string, name: string) => `SUBSYSTEM=="net", ATTR{address}=="${mac}", NAME="${name}"\n`;
    const { code, out, err } = guest(
      `rm -rf /etc/template.d/cleanup
       mkdir -p /var/lib/tbuild-clone; echo ${original} > /var/lib/tbuild-clone/macs
       mkdir -p /udev; printf '%s' '${rule(clone, "eth1")}' > /udev/tmp-rules--70-persistent-net.rules
       sed -i 's|/dev/.udev/|/udev/|' /usr/lib/tbuild-clone/clonedetect/cards.py
       card eth1 ${clone}; rm -f /usr/sbin/ip /usr/bin/ip; cp /fake-ip /usr/sbin/ip
       boot; cat /renamed /etc/udev/rules.d/70-persistent-net.rules; ls /udev`,
      undefined,
      {
        "fake-ip": '#!/bin/sh\necho "$@" >> /renamed\n',
        "etc/udev/rules.d/70-persistent-net.rules": rule(original, "eth0"),
      },
    );
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("tbuild-clone: eth1 is eth0 now\n");
    expect(
      out.endsWith(`link set dev eth1 down\nlink set dev eth1 name eth0\n${rule(clone, "eth0")}`),
      out,
    ).toBe(true);
  });

  it("frees NetworkManager's connections of the original's address, and keeps names such as ens3", () => {
    const { out } = guest(
      `mkdir -p /var/lib/tbuild-clone; echo ${original} > /var/lib/tbuild-clone/macs
       rm -rf /etc/template.d/cleanup; card ens3 ${clone}; chmod 600 /etc/NetworkManager/system-connections/*; boot
       cd /etc/NetworkManager/system-connections; stat -c %a *; cat * /etc/sysconfig/network-scripts/ifcfg-ens3`,
      undefined,
      {
        "etc/sysconfig/network-scripts/ifcfg-ens3": `DEVICE=ens3\nHWADDR=${original}\n`,
        "etc/NetworkManager/system-connections/a.nmconnection": `[ethernet]\nmac-address=${original.toUpperCase()}\n[ipv4]\nmethod=auto\n`,
        "etc/NetworkManager/system-connections/b": `[ethernet]\nmac-address=${clone}\n`,
      },
    );
    expect(out).toMatch(
      new RegExp(
        `\n600\n600\n\\[ethernet\\]\n\\[ipv4\\]\nmethod=auto\n\\[ethernet\\]\nmac-address=${clone}\nDEVICE=ens3\n$`,
      ),
    );
  });

  it("goes on with a clone whose configuration failed after the original's card is back: it was cleaned", () => {
    const { out } = guest(
      `card eth0 ${original}; boot; card eth0 ${clone}
       echo '{"x.one": "bad"}' > /etc/tbuild/clone.json; boot
       card eth0 ${original}; boot; rm /etc/tbuild/clone.json; boot; boot; verdict`,
    );
    expect(out.match(/^-> .*/gm)).toEqual([
      "-> ",
      "-> cleanup;configure one=bad;",
      "-> configure one=bad;",
      `-> configure one=;hook ${original}>${original} {};`,
      "-> ",
    ]);
    expect(out).toMatch(/same\n$/);
  });

  it("takes a machine whose only card was replaced and put back for a clone each time, unless it was told before", () => {
    const { out } = guest(
      `for mac in ${original} ${original} ${clone} ${original} ${original}; do card eth0 $mac; boot; done
       /usr/libexec/tbuild-clone record ${clone.toUpperCase()}; card eth0 ${clone}; boot; cat /var/lib/tbuild-clone/macs
       /usr/libexec/tbuild-clone configure; echo "by hand: $?"`,
    );
    expect(out.match(/^(?:-> |by hand|..:).*/gm)).toEqual([
      "-> ",
      "-> ",
      `-> cleanup;configure one=;hook ${original}>${clone} {};`,
      `-> cleanup;configure one=;hook ${clone}>${original} {};`,
      "-> ",
      "-> ",
      clone,
      "by hand: 0",
    ]);
  });

  it("waits for NetworkManager before it configures, and not in a machine that is the same", () => {
    const { out } = guest(
      `mkdir -p /run/NetworkManager; cp /fake /usr/bin/nm-online
       card eth0 ${original}; boot; card eth0 ${clone}; boot; boot; cat /asked`,
      undefined,
      { fake: '#!/bin/sh\necho "nm-online $*" >> /asked; exit 1\n' },
    );
    expect(out).toContain("-> cleanup;configure");
    expect(out.match(/nm-online.*/g)).toEqual(["nm-online -s -q -t 60"]);
  });

  it("shows the output of a failed hook, without secrets, and kills a hook at its deadline", () => {
    const { out } = guest(
      `card eth0 ${clone}; /usr/libexec/tbuild-clone arm; chmod 644 /etc/tbuild/clone.d/30-no-program
       boot; grep -c hush /var/log/ovm-template-config.log || ls /ran 2>&1 || true
       python3 -c "
import sys; sys.path.insert(0, '/usr/lib/tbuild-clone')
from clonedetect.hooks import run_one
print(run_one('/slow', {'PATH': '/usr/bin:/bin'}, '', 0.3), run_one('/etc/tbuild/clone.d/30-no-program', {}, '', 1))"`,
      undefined,
      {
        "etc/tbuild/clone.json": '{"x.password": "hush-hush"}',
        "etc/tbuild/clone.d/20-fails": `#!/bin/sh\necho "the word is $(sed 's/.*password": "//; s/".*//')"; exit 7\n`,
        "etc/tbuild/clone.d/20-fails~": "#!/bin/sh\ntouch /ran\n",
        "etc/tbuild/clone.d/30-no-program": "#!/bin/sh\ntouch /ran\n",
        slow: "#!/bin/sh\nsleep 60 & sleep 60\n",
      },
    );
    expect(out).toContain(
      "tbuild-clone: /etc/tbuild/clone.d/20-fails: the word is ********\ntbuild-clone: /etc/tbuild/clone.d/20-fails: exit code 7\n",
    );
    expect(out).toContain("ls: cannot access '/ran'");
    expect(out).toMatch(/\n0\n[\s\S]*\n\(None, ''\) \(127, 'it cannot be started'\)\n$/);
  });

  it("configures nothing if a file of values is not JSON, and says so", () => {
    const { out } = guest(`card eth0 ${clone}; /usr/libexec/tbuild-clone arm; boot`, undefined, {
      "etc/tbuild/clone.json": "{",
    });
    expect(out).toContain("tbuild-clone: /etc/tbuild/clone.json is not JSON\n");
    expect(out).toMatch(/code 1\n-> \n$/);
  });

  const refused: readonly [string, RegExp][] = [
    ["", /Usage/],
    ["bogus", /Usage/],
    ["detect more", /Usage/],
    ["record", /there is no network card/],
    ["record 00:21:f6", /no MAC address: 00:21:f6/],
  ];
  it.each(refused)("refuses %j", (words, said) => {
    const { code, err } = guest(`/usr/libexec/tbuild-clone ${words}`);
    expect(code).toBeGreaterThan(0);
    expect(err).toMatch(said);
    expect(err).not.toContain("Traceback");
  });
});
