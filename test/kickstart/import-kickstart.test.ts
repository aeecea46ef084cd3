import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kickstartFaults } from "../../src/kickstart/check-recipe.ts";
import {
  importedText,
  importKickstart,
  releaseOfKickstart,
} from "../../src/kickstart/import/import-kickstart.ts";
import { noSecrets, renderKickstart } from "../../src/kickstart/render.ts";
import { commands } from "../../src/kickstart/table.ts";
import { readWhole } from "../../src/provision/acts.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { rules } from "../../src/recipe/rules.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

const recipes = resolve(import.meta.dirname, "../../recipes");
const releases = ["ol5", "ol6", "ol7", "ol8", "ol9"] as const;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-import-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Imports, loads what came out with all its rules, and renders it: the release must take every line. */
async function around(text: string, release: (typeof releases)[number]) {
  const base = await loadRecipe(recipes, `${release}-base`, rules);
  const imported = await importKickstart(text, "mine", base.recipe);
  const file = join(folder, "mine.yaml");
  await writeFile(file, importedText(imported, "anaconda-ks.cfg"));
  const loaded = await loadRecipe(recipes, file, rules);
  const rendered = await renderKickstart(loaded.recipe, await kickstartTemplate(release), noSecrets);
  expect(kickstartFaults(rendered, loaded)).toEqual([]);
  return { recipe: loaded.recipe, left: imported.left };
}

describe("a kickstart", () => {
  it("is imported for the release whose installer refuses the least of it", () => {
    expect(releaseOfKickstart("cdrom\nfirewall --service ssh\nnetwork --onboot yes --ipv6 off\n")).not.toBe(
      "ol5",
    );
    expect(releaseOfKickstart("unsupported_hardware\nuser --name=u --plaintext\n%packages\n@core\n")).toBe(
      "ol6",
    );
    expect(releaseOfKickstart("install\nkey --skip\n%packages\n@core\n")).toBe("ol5");
  });

  it("has all ports of a firewall that says them one by one", async () => {
    const { recipe } = await around(
      "firewall --ssh --port=7001:udp --port 4241:tcp --service=http --service=ntp\n",
      "ol6",
    );
    expect(recipe.ports).toEqual(["7001:udp", "4241:tcp", "80:tcp", "123:udp"]);
  });

  it("reports everything that a command line may not have", async () => {
    const { recipe } = await loadRecipe(recipes, "ol9-base", rules);
    for (const [name, rule] of Object.entries(commands)) {
      const words = Array.from({ length: Math.min(3, rule.words?.[1] ?? 0) }, (_, i) => `/w${i}`);
      const text = `${name} ${words.join(" ")} spare --odd=1\n`;
      const { left } = await importKickstart(text, "mine", recipe);
      expect([name, left[0]?.line]).toEqual([name, 1]);
    }
  });

  it("says what of arrays, volume groups, time sources and locked accounts it cannot keep", async () => {
    const { recipe, left } = await around(
      `part raid.1 --size=4000 --grow
part raid.2 --size=4000
raid / --device=md0 --level=1 --fstype=ext4 --fsoptions=noatime --encrypted raid.1 raid.2
part /boot --size=500 --fstype=ext3 -ondisk=sda
part pv.1 --size=100
volgroup v pv.1 --reserved-percent=5
timesource --ntp-server=a.example --ntp-pool=b.example
keyboard us --vckeymap=de
user --name=u --password=x --lock
%packages spare
%end
%post --log=/root/x.log
%include /tmp/more
echo
%end
`,
      "ol9",
    );
    expect(recipe.layout).toContainEqual(
      expect.objectContaining({ mount: "/", fs: "ext4", options: "noatime", grow: true }),
    );
    expect(recipe.ntp).toEqual(["a.example", "b.example"]);
    expect(recipe.users).toEqual([expect.not.objectContaining({ password: expect.anything() })]);
    const why = (line: number) => left.filter((one) => one.line === line).map((one) => one.why);
    expect(why(3)).toEqual([expect.stringMatching(/one disk.*--encrypted/)]);
    expect(why(4)).toEqual([expect.stringMatching(/is not used here: -ondisk=sda/)]);
    expect(why(6)).toEqual([expect.stringMatching(/--reserved-percent/)]);
    expect(why(8)).toEqual([expect.stringMatching(/one keymap/)]);
    expect(why(9)).toEqual([expect.stringMatching(/is locked/)]);
    expect(why(10)).toEqual([expect.stringMatching(/is not used here: spare/)]);
    expect(why(12)).toEqual([expect.stringMatching(/not in \/root\/x\.log.*another file/)]);
  });

  it("becomes a recipe with everything that a recipe can express, and lists the rest", async () => {
    const { recipe, left } = await around(
      `install
url --url=http://mirror/ol6
lang de_CH.UTF-8
keyboard sg-latin1
timezone --utc Europe/Zurich
rootpw --iscrypted $1$x$y
selinux --enforcing
firewall --enabled --service=ssh,http --port=1521:tcp
network --bootproto=static --device=eth0 --ip=10.0.0.2 --netmask=255.255.255.0
network --device=eth1 --bootproto=dhcp
bootloader --location=mbr --append="crashkernel=128M rhgb quiet"
part /boot --fstype ext3 --size 200
part pv.01 --size=1 --grow
volgroup VolGroup00 pv.01
logvol / --vgname=VolGroup00 --name=LogVol00 --fstype=ext4 --size=4096 --grow
logvol swap --vgname=VolGroup00 --name=LogVol01 --size=1024
group --name=dba --gid=502
user --name=oracle --uid=501 --groups=dba,wheel --password=hush
repo --name="Oracle addons" --baseurl=http://h/addons
services --enabled=ntpd --disabled=cups,kudzu
xconfig --startxonboot
reboot
%packages --nobase
@core
@Development Tools
ksh # the shell
-plymouth
%end
%post --log=/root/post.log
echo '%end of story' > /etc/motd
false
%end
%post --interpreter=/usr/bin/python
print(1)
%end
`,
      "ol6",
    );
    expect(recipe).toMatchObject({
      lang: "de_CH.UTF-8",
      keyboard: "sg-latin1",
      timezone: "Europe/Zurich",
      selinux: "enforcing",
      ports: ["1521:tcp", "80:tcp"],
      nics: ["public", "interconnect"],
      kernelArguments: ["crashkernel=128M"],
      volumeGroup: "VolGroup00",
      layout: [
        { mount: "/boot", fs: "ext3", size: 200 },
        { mount: "/", fs: "ext4", size: 4096, grow: true, volume: "LogVol00" },
        { mount: "swap", fs: "swap", size: 1024, volume: "LogVol01" },
      ],
      packages: { base: ["@Development Tools", "ksh"], exclude: ["plymouth"] },
      services: { enable: ["ovmd", "ntpd"], disable: ["cups", "kudzu"] },
    });
    expect(recipe.users).toMatchObject([
      { name: "oracle", uid: 501, groups: ["dba", "wheel"], password: { env: "ORACLE_PASSWORD" } },
    ]);
    expect(recipe.repositories.at(-1)).toMatchObject({ id: "Oracle_addons", url: "http://h/addons" });
    expect(recipe.scripts).toEqual([
      {
        name: "post-1",
        run: "set +eu +o pipefail; trap 'kill $(jobs -p) 2>/dev/null; exit 0' EXIT\necho '%end of story' > /etc/motd\nfalse\n",
      },
    ]);
    expect(JSON.stringify([recipe, left])).not.toMatch(/hush|\$1\$x/);
    expect(left.map(({ line }) => line)).toEqual([2, 6, 9, 11, 18, 21, 22, 23, 29, 33]);
  });

  it("keeps every partition, logical volume and mirror on its one disk, and says what became of each", async () => {
    const { recipe, left } = await around(
      `part raid.11 --size=700 --ondisk=sda
part raid.21 --size=700 --ondisk=sdb
raid /boot --fstype=xfs --device=md0 --level=1 raid.11 raid.21
part pv.7 --fstype="lvmpv" --size=1 --grow --ondisk=sda
part /boot/efi --fstype=efi --size=200
part swap --recommended
part /scratch/ --fstype=ext2 --size=900 --ondisk=sdc --maxsize=9000 --grow
part None --fstype="PPC PReP Boot" --size=8
volgroup rhel-vg --pesize=8192 pv.7
volgroup data pv.8
logvol none --thinpool --name=pool --vgname=rhel-vg --size=9000
logvol / --thin --poolname=pool --vgname=rhel-vg --name=root-lv --size=5000 --fsty xfs
logvol /srv --vgname=data --name=root_lv --percent=30 --useexisting --fsoptions="nodev,nosuid"
%packages
%end
`,
      "ol7",
    );
    expect(recipe.layout).toEqual([
      { mount: "/boot", fs: "xfs", size: 700, grow: false },
      { mount: "swap", fs: "swap", size: 2048, grow: false },
      { mount: "/scratch", fs: "ext3", size: 900, grow: true },
      { mount: "/", fs: "xfs", size: 5000, grow: false, volume: "root_lv" },
      { mount: "/srv", fs: "xfs", size: 1024, grow: false, volume: "data_root_lv", options: "nodev,nosuid" },
    ]);
    expect(recipe.volumeGroup).toBe("rhel_vg");
    expect(recipe.machine.disk).toBeGreaterThanOrEqual(12 * 1024);
    expect(new Set(left.map(({ line }) => line))).toEqual(
      new Set(Array.from({ length: 13 }, (_, index) => index + 1)),
    );
  });

  it("makes further disks of file systems on other disks, where their size is said", async () => {
    const { recipe, left } = await around(
      `part /boot --fstype=ext4 --size=500 --ondisk=sda
part / --fstype=ext4 --size=5000 --ondisk=/dev/sda
part /u02 --fstype=ext4 --size=9000 --grow --fsoptions=noatime --ondisk=sdb
part /u03 --fstype=ext4 --size=1 --grow --ondisk=sdc
part swap --size=900 --ondisk=sdb
`,
      "ol6",
    );
    expect(recipe.disks).toEqual([{ size: 9000, fs: "ext4", mount: "/u02", options: "noatime" }]);
    expect(recipe.layout.map(({ mount }) => mount)).toEqual(["/boot", "/", "/u03", "swap"]);
    expect(left.map(({ line }) => line)).toEqual([3, 4, 5]);
  });

  it("keeps an account whose groups have numbers, and takes the number of a group line further down", async () => {
    const { recipe, left } = await around(
      "user --name=oracle --homedir=/home/oracle/ --groups=dba(54322),oper(54333)\ngroup --name=dba --gid=54323\n",
      "ol8",
    );
    expect(recipe.users).toMatchObject([{ name: "oracle", groups: ["dba", "oper"], home: "/home/oracle" }]);
    expect(recipe.groups).toEqual([
      { name: "dba", gid: 54323 },
      { name: "oracle", gid: 1000 },
      { name: "oper", gid: 54333 },
    ]);
    expect(left).toMatchObject([
      { line: 1, why: "no number is given; it gets 1000; the group dba has the number 54323, not 54322" },
    ]);
  });

  it("says why it leaves out an account, and keeps an account without a group that it cannot express", async () => {
    const { recipe, left } = await around(
      "user --name=svc$\nuser --name=ann --uid=1500 --groups=dba(54322),oper\n",
      "ol6",
    );
    expect(recipe.users).toMatchObject([{ name: "ann", groups: ["oper"] }]);
    expect(left).toMatchObject([
      { line: 1, why: "a recipe cannot express it under groups" },
      { line: 2, why: "a recipe cannot express the group dba(54322)" },
    ]);
  });

  it("says that the percentage of a volume with a size is left out", async () => {
    const { left } = await around(
      "part /boot --fstype=ext4 --size=500\npart pv.1 --size=1 --grow\nvolgroup v pv.1\nlogvol / --vgname=v --name=r --size=1 --grow --percent=50 --fstype=ext4\n",
      "ol6",
    );
    expect(left).toMatchObject([
      { line: 4, why: "a recipe has sizes in MiB, no percentages; --size is used" },
    ]);
  });

  it("takes a btrfs of Fedora for what the release can have", async () => {
    const text = `part btrfs.1 --fstype=btrfs --size=6000 --grow
part /boot --fstype=ext4 --size=600
btrfs none --label=pool btrfs.1
btrfs / --subvol --name=root LABEL=pool
btrfs /home --subvol --name=home pool
`;
    const seven = await around(text, "ol7");
    expect(seven.recipe.layout).toMatchObject([
      { mount: "/boot", size: 600 },
      { mount: "/", fs: "btrfs", size: 6000, grow: true },
    ]);
    expect(seven.left.map(({ line }) => line)).toEqual([4, 5]);
    const nine = await around(text, "ol9");
    expect(nine.recipe.layout).toMatchObject([{}, { mount: "/", fs: "xfs", size: 6000 }]);
  });

  it("with seven partitions keeps them all: the installer puts the last ones into an extended one", async () => {
    const mounts = ["/boot", "swap", "/", "/usr", "/var", "/tmp", "/home"];
    const text = mounts.map((mount) => `part ${mount} --fstype=ext3 --size=900`).join("\n");
    const { recipe } = await around(text, "ol5");
    expect(recipe.layout.map(({ mount }) => mount)).toEqual(mounts);
    const rendered = await renderKickstart(recipe, await kickstartTemplate("ol5"), noSecrets);
    const primary = rendered.text.split("\n").filter((line) => /^part .*--asprimary/.test(line));
    expect(primary).toHaveLength(3);
  });

  it("counts each nic once, and those of bonds and bridges for what they are made of", async () => {
    const nics = async (text: string) => (await around(text, "ol7")).recipe.nics.length;
    expect(await nics("network --device=eth0 --bootproto=dhcp\nnetwork --hostname=x --device=eth0")).toBe(1);
    expect(await nics("network --bootproto=dhcp --device=link\nnetwork --hostname=a")).toBe(1);
    expect(await nics("network --device=bond0 --bondslaves=em1,em2 --bootproto=dhcp")).toBe(2);
    expect(await nics('network --device=t0 --teamslaves="p1\'{\\"prio\\": -10}\',p2" --bootproto=dhcp')).toBe(
      2,
    );
    expect(await nics("network --device=br0 --bridgeslaves=em1 --ip=10.0.0.1 --bootproto=static")).toBe(1);
  });

  it("lists every option that it could not convert, without secrets", async () => {
    const { recipe, left } = await around(
      `timezone Europe/Rome --nontp
keyboard --vckeymap=de --xlayouts='us','de' --switch='grp:x'
lang en_US.UTF-8 --addsupport=de_DE
firewall --service=ssh,https,zabbix --port=8080 --trust=eth1
bootloader --location=partition --append="rhgb quiet audit=1 rd.lvm.lv=rhel/root console=hvc0 dm=\\"a b\\"" --password=geheim
user --name=joe --gecos="Joe Doe" --shell=/bin/zsh --group=wheel,docker --password=geheim --plaintext
user --name=root --password=geheim
repo --name=x --baseurl=http://joe:geheim@host/x --cost=1
repo --name=AppStream --baseurl=file:///run/install/repo/AppStream
autopart --encrypted --passphrase="geheim und lang" --type=thinp
key 49af-geheim
sshkey --username=root "ssh-rsa geheim"
rhsm --organization=1 --activation-key=geheim
logging --host=10.0.0.1
rootpw geheim
services --disabled="kdump, cups"
%packages --excludedocs --ignoremissing --nobase
@core --nodefaults
-@dial-up
-kernel-uek
@nodejs:10/development
%include more.ks
%end
%post --erroronfail --interpreter "/bin/bash"
echo 'joe:geheim' | chpasswd
%end
%post --nochroot
cp a b

%end
`,
      "ol8",
    );
    expect(recipe).toMatchObject({
      timezone: "Europe/Rome",
      keyboard: "de",
      kernel: "rhck",
      ports: ["8080:tcp", "443:tcp"],
      kernelArguments: ["audit=1"],
      groups: [{ name: "joe" }, { name: "docker" }],
      users: [{ name: "joe", groups: ["wheel", "docker"], password: { env: "JOE_PASSWORD" } }],
      packages: { base: ["@nodejs:10/development"], exclude: [] },
      services: { disable: ["kdump", "cups"] },
      scripts: [{ run: "set +eu +o pipefail\necho 'joe:geheim' | chpasswd\n" }],
    });
    expect(JSON.stringify(left)).not.toContain("geheim");
    const told = (line: number) =>
      left
        .filter((one) => one.line === line)
        .map(({ why }) => why)
        .join("; ");
    expect(told(1)).toMatch(/is in UTC.*--nontp/);
    expect(told(2)).toMatch(/one keymap.*--switch/);
    expect(told(3)).toMatch(/--addsupport/);
    expect(told(4)).toMatch(/ports of zabbix.*--trust/);
    expect(told(5)).toMatch(/console=hvc0.*lvm\.lv=rhel\/root.*MBR, not in partition/);
    expect(told(6)).toMatch(/--gecos, --shell/);
    expect(told(24)).toMatch(/may contain a secret/);
    expect(told(27)).toMatch(/lines 28 to 28/);
    for (const line of [7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18, 19, 22]) expect(told(line)).not.toBe("");
  });

  it("loses no lines if it is a template of another tool, or not text", async () => {
    const { recipe, left } = await around(
      "\uFEFF% if x:\r\nlang de_DE\r\n{% endif %}\r\n$SNIPPET('x')\r\nurl --url=$tree\r\n%post\r\n% not a section\r\necho \uFFFD\r\n%end\r\n",
      "ol6",
    );
    expect(recipe.lang).toBe("de_DE");
    expect(recipe.scripts[0]?.run).toContain("% not a section\n");
    expect(left.map(({ line }) => line)).toEqual([1, 3, 4, 5, 6]);
    for (const release of releases)
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary", maxLength: 200 }), async (text) => {
          await around(text, release);
        }),
        { numRuns: 10 },
      );
  });

  it("ends with a script that goes on as the installer's did, whatever it reads", async () => {
    const { recipe } = await around(
      "services --disabled=sshd,cups\n%post\ntail -f /dev/null &\nexec < /dev/null\nfalse\necho reached\nread -r gone\nexit 3\n%end\n",
      "ol7",
    );
    expect(recipe.services.disable).toEqual(["cups"]);
    const run = promisify(execFile)("bash", ["-euo", "pipefail", "-s"]);
    run.child.stdin?.end(readWhole(Buffer.from(recipe.scripts[0]?.run ?? "")));
    expect((await run).stdout).toBe("reached\n");
  });

  it("of whatever lines gives a recipe that loads, and whose kickstart its release takes", async () => {
    const [, ...rows] = readFileSync(resolve(import.meta.dirname, "kickstart-lines.tsv"), "utf8")
      .trimEnd()
      .split("\n");
    const lines = rows.map((row) => (row.split("\t")[0] ?? "").split(" ⏎ ").join("\n"));
    const odd = fc.constantFrom(
      "part / --size=9999999999",
      "part",
      "user --name=Root",
      'lang "a',
      "repo --name=../x --baseurl=javascript:x",
      "timezone",
      "timezone --utc Europe/Zurch",
      "network --device=eth9",
      "services --enabled=a b,$(id)",
      "%packages\n%include x\n-\n@\n%end",
      "firewall --port=99999:tcp",
    );
    const text = fc
      .array(fc.oneof(fc.constantFrom(...lines), odd), { maxLength: 25 })
      .map((some) => some.join("\n"));
    await fc.assert(
      fc.asyncProperty(text, fc.constantFrom(...releases), async (one, release) => {
        await around(one, release);
      }),
      { numRuns: 100 },
    );
  });

  it("says where the key of a user goes", async () => {
    const { left } = await around(`user --name=joe\nsshkey --username=joe "ssh-rsa geheim"\n`, "ol8");
    expect(left.find(({ line }) => line === 2)?.why).toBe(
      "put the key of a user into files, such as /home/joe/.ssh/authorized_keys",
    );
    expect(JSON.stringify(left)).not.toContain("geheim");
  });

  it.each([
    ["key --skip\n%packages\n@core\n", "ol5"],
    ["install\n%packages\n%end\n", "ol6"],
    ["eula --agreed\n%end\n", "ol7"],
    ["install\npart / --fstype xfs --size=1\n%packages\n%end\n", "ol7"],
    ["authselect select minimal\n%end\n", "ol8"],
    ["timesource --ntp-disable\n%end\n", "ol9"],
    ["#version=RHEL8\ninstall\n", "ol8"],
    ["url --url=http://mirror/centos/6.10/os/x86_64/\nauthselect x\n", "ol6"],
    ["%packages\n@^minimal-environment\n%end\n", "ol8"],
  ])("%j looks like %s", (text, release) => {
    expect(releaseOfKickstart(text)).toBe(release);
  });
});
