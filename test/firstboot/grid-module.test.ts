import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readModule } from "../../src/firstboot/module.ts";
import { type Rehearsal, rehearseModule } from "../../src/firstboot/rehearse/rehearse.ts";
import { localHost } from "../../src/host/local.ts";
import { describeWith } from "../fakes/missing.ts";
import { gridResponses } from "./grid-responses.ts";

const password = "Wel_come-1#x";
const needs = ["root", "unshare", "setpriv", "mknod", "unzip", "su"];

/**
 * Replaces runInstaller and gridSetup.sh: refuses the same input as Oracle's, and anything forbidden, and records its
 * input.
 */
const installer = `#!/bin/bash
set -u
secret=$(cat /u01/secret)
no() { echo "[FATAL] $*"; exit 255; }
[ "$(id -un)" = grid ] || no "runs as $(id -un)"
case " $* " in *' -silent '*) ;; *) no "not silent" ;; esac
rsp=
while [ $# -gt 0 ]; do
  case $1 in
    -responseFile) rsp=$2; shift ;;
    -silent|-waitforcompletion|-ignorePrereq) ;;
    -executeConfigTools) [ -e /u01/app/grid/rooted ] || no "root.sh was not run"; echo "config tools" >> /u01/app/grid/steps; exit 0 ;;
    *) no "option $1" ;;
  esac
  shift
done
case $rsp in /*) ;; *) no "response file $rsp" ;; esac
[ "$(stat -c '%a %U' "$rsp")" = '600 grid' ] || no "others can read the response file: $(stat -c '%a %U' "$rsp")"
grep -qxF "oracle.install.asm.SYSASMPassword=$secret" "$rsp" || no "no SYSASMPassword"
grep -qxF "oracle.install.asm.monitorPassword=$secret" "$rsp" || no "no monitorPassword"
for process in /proc/[0-9]*; do
  ! tr '\\0' '\\n' < "$process/cmdline" 2> /dev/null | grep -qF "$secret" || no "the password is on a command line"
done
! env | grep -qF "$secret" || no "the password is in my environment"
echo "installer $(basename "$0")" >> /u01/app/grid/steps
home=$(cat /u01/app/grid/home)
mkdir -p "$home/bin" "$home/cfgtoollogs"
: > "$home/bin/crsctl"; chmod 755 "$home/bin/crsctl"
echo 'echo "orainstRoot by $(id -un)" >> /u01/app/grid/steps' > /u01/app/oraInventory/orainstRoot.sh
echo 'echo "root.sh by $(id -un) on $(hostname)" >> /u01/app/grid/steps; touch /u01/app/grid/rooted' > "$home/root.sh"
printf '%s\\n' '#!/bin/sh' 'file=\${1#RESPONSE_FILE=}' '[ "$(stat -c "%a %U" "$file")" = "600 grid" ] || exit 9' \\
  'grep -qxF "oracle.assistants.asm|S_ASMPASSWORD=$(cat /u01/secret)" "$file" || exit 8' 'echo "config tools" >> /u01/app/grid/steps' > "$home/cfgtoollogs/configToolAllCommands"
chmod 755 "$home/cfgtoollogs/configToolAllCommands"
[ ! -e /u01/fails ] || no "the installer failed"
exit 6
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tbuild-grid-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
/** The files of a guest: the Grid home, two disks, and programs that only a running guest has. */
function guest(home: string, more: Readonly<Record<string, string>> = {}): string {
  const root = join(folder, String(count++));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    if (text.startsWith("#!")) chmodSync(join(root, path), 0o755);
  };
  write("usr/bin/udevadm", "#!/bin/sh\n");
  write(
    "usr/bin/ip",
    "#!/bin/sh\ncase $* in *eth0*) echo 10.0.0.0/24 ;; *eth1*) echo 192.168.7.0/24 ;; esac\n",
  );
  write("u01/app/grid/home", home);
  write("u01/secret", password);
  chmodSync(join(root, "u01/app/grid"), 0o777);
  mkdirSync(join(root, home.slice(1)), { recursive: true });
  chmodSync(join(root, home.slice(1)), 0o777);
  mkdirSync(join(root, "u01/app/oraInventory"));
  chmodSync(join(root, "u01/app/oraInventory"), 0o777);
  mkdirSync(join(root, "dev"));
  for (const disk of ["xvdd", "xvde"]) spawnSync("mknod", [join(root, "dev", disk), "b", "202", "48"]);
  for (const [path, text] of Object.entries(more)) write(path, text);
  return root;
}

/** A folder with the ZIP file of a home, as Oracle ships them from 12.2 on. */
function zipOf(root: string, text: string): void {
  const made = `import sys, zipfile
z = zipfile.ZipFile(sys.argv[1], 'w')
i = zipfile.ZipInfo('gridSetup.sh')
i.external_attr = 0o100755 << 16
z.writestr(i, sys.stdin.read())`;
  mkdirSync(join(root, "u01/stage/grid"), { recursive: true });
  const { status } = spawnSync(
    "python3",
    ["-c", made, join(root, "u01/stage/grid/LINUX.X64_grid_home.zip")],
    { input: text },
  );
  expect(status).toBe(0);
}

async function rehearse(files: string, values: Readonly<Record<string, string>>): Promise<Rehearsal> {
  const module = await readModule(join(import.meta.dirname, "../../recipes/modules/grid"));
  return rehearseModule(localHost(), module, {
    target: "configure",
    values: new Map(Object.entries(values).map(([name, value]) => [`org.tbuild.grid.${name}`, value])),
    secrets: [],
    files,
    deadlineSeconds: 60,
  });
}

/** The text of a file that the module made. */
const added = ({ changes }: Rehearsal, path: string) =>
  (changes.find((one) => one.path === path)?.patch ?? [])
    .filter((line) => line.startsWith("+"))
    .map((line) => line.slice(1));

const standalone = { mode: "standalone", "asm-disks": "/dev/xvdd,/dev/xvde", "asm-password": password };

describeWith(needs, "the module grid", () => {
  it.each(Object.entries(gridResponses))(
    "installs Grid %s after the boot, with its keys and its installer, once",
    async (release, expected) => {
      const home = `/u01/app/${release}/grid`;
      const root = guest(home, expected.image ? {} : { "u01/stage/grid/runInstaller": installer });
      if (expected.image) zipOf(root, installer);
      const done = await rehearse(root, standalone);
      const said = done.afterBoot?.said.join("\n") ?? "";
      expect({ failed: done.failed, said: done.failed === undefined ? "" : said }).toEqual({
        failed: undefined,
        said: "",
      });
      expect(done.runs[0]?.said.join("\n")).toContain(
        `grid: standalone prepared for Grid ${release}, 2 ASM disks`,
      );
      expect(said).toContain(`grid: Grid ${release} is installed`);
      expect(JSON.stringify(done)).not.toContain(password);
      expect(added(done, "/etc/oracle/grid.rsp").sort()).toEqual([...expected.standalone].sort());
      expect(added(done, "/u01/app/grid/steps")).toEqual([
        `installer ${expected.image ? "gridSetup.sh" : "runInstaller"}`,
        "orainstRoot by root",
        "root.sh by root on clone.example",
        "config tools",
      ]);
      // No password remains, nothing is pending, and a second run changes nothing.
      const paths = done.changes.map(({ path }) => path);
      expect(paths).toContain("/var/lib/tbuild/grid/installed");
      expect(
        paths.filter((path) => /after-boot\/grid|tbuild\/grid\/.*(?:rsp|properties)$/.test(path)),
      ).toEqual([]);
      expect(done.again).toEqual([]);
      expect(paths).toEqual(
        expect.arrayContaining(["/etc/oraInst.loc", "/etc/security/limits.d/90-grid.conf"]),
      );
      expect(added(done, "/etc/udev/rules.d/98-oracle-asm-named.rules")).toHaveLength(2);
    },
  );

  it.each(Object.entries(gridResponses))(
    "writes the response file of a cluster for Grid %s",
    async (release, expected) => {
      const done = await rehearse(guest(`/u01/app/${release}/grid`), {
        ...standalone,
        mode: "cluster",
        "cluster-name": "rac",
        "scan-name": "rac-scan.example.com",
        nodes: "clone:clone-vip,n2:n2-vip",
      });
      expect(done.failed).toBeUndefined();
      expect(added(done, "/etc/oracle/grid.rsp").sort()).toEqual([...expected.cluster].sort());
      expect(done.afterBoot?.said.join("\n")).toContain("grid: there is no installer: ");
    },
  );

  it("says that there is no installer, is not a failure, and tries again at the next boot", async () => {
    const done = await rehearse(guest("/u01/app/12.1.0/grid"), standalone);
    expect(done.failed).toBeUndefined();
    expect(done.afterBoot?.said).toEqual([
      "after-boot: /opt/tbuild/grid/install.sh",
      "grid: there is no installer: /u01/stage/grid/runInstaller is missing. Nothing was installed.",
      "after-boot: not yet; the next boot tries again, or: service tbuild-after-grid start",
    ]);
    const waiting = done.changes.find(({ path }) => path === "/var/lib/tbuild/after-boot/grid");
    expect(waiting?.mode).toBe("0600 root:root");
  });

  const two = { ...standalone, mode: "cluster", "cluster-name": "rac", "scan-name": "rac-scan" };

  it("on the first node of a cluster lets the others run root.sh after its own, and then the assistants", async () => {
    // Replaces ssh to a node whose grid user answers that root.sh succeeded.
    const ssh = `#!/bin/sh
echo "$(id -un) ssh $*" >> /u01/app/grid/steps
case $* in *'cat /var/lib/tbuild/grid/answer') echo 0 ;; esac
`;
    const files = { "u01/stage/grid/runInstaller": installer, "usr/bin/ssh": ssh };
    const done = await rehearse(guest("/u01/app/12.1.0/grid", files), {
      ...two,
      nodes: "clone:clone-vip,n2:n2-vip,n3:n3-vip",
    });
    expect(done.failed).toBeUndefined();
    const state = "/var/lib/tbuild/grid";
    const asked = (node: string) => [
      `grid ssh -o BatchMode=yes -n ${node} rm -f ${state}/answer && touch ${state}/request`,
      `grid ssh -o BatchMode=yes -n ${node} cat ${state}/answer`,
    ];
    expect(added(done, "/u01/app/grid/steps")).toEqual([
      "installer runInstaller",
      "orainstRoot by root",
      "root.sh by root on clone.example",
      ...asked("n2"),
      ...asked("n3"),
      "config tools",
    ]);
  });

  it("on another node runs root.sh when the first one asks, and answers with the result", async () => {
    const root = guest("/u01/app/19.0.0/grid", {
      "u01/app/19.0.0/grid/root.sh": 'echo "root.sh by $(id -un)" > /etc/rooted\n',
      "var/lib/tbuild/grid/request": "",
    });
    const done = await rehearse(root, { ...two, nodes: "n1:n1-vip,clone:clone-vip" });
    expect(done.failed).toBeUndefined();
    expect(added(done, "/etc/rooted")).toEqual(["root.sh by root"]);
    expect(added(done, "/var/lib/tbuild/grid/answer")).toEqual(["0"]);
    expect(done.changes.find(({ path }) => path === "/var/lib/tbuild/grid/request")?.how).toBe("removed");
    expect(done.afterBoot?.said).toContain("grid: node n1 installs; waits for it to ask for root.sh here");
  });

  it("on a machine that is not one of the nodes says so", async () => {
    const done = await rehearse(guest("/u01/app/19.0.0/grid"), { ...two, nodes: "n1:n1-vip,n2:n2-vip" });
    expect(done.failed).toContain("clone.example is none of the nodes n1:n1-vip,n2:n2-vip");
  });

  it.each([
    ["an installer that fails", { "u01/fails": "" }, {}, /runInstaller: exit code 255; its log is in/],
    ["no password", {}, { "asm-password": "" }, /asm-password is not given, so nothing was installed/],
    ["no disks", {}, { "asm-disks": "" }, /asm-disks is not given, so nothing was installed/],
  ])("explains the problem with %s, and leaves no password", async (_name, files, values, words) => {
    const done = await rehearse(
      guest("/u01/app/11.2.0/grid", { "u01/stage/grid/runInstaller": installer, ...files }),
      { ...standalone, ...values },
    );
    expect(done.failed).toMatch(words);
    expect(done.runs).toHaveLength(1);
    expect(
      done.changes.map(({ path }) => path).filter((path) => /\/grid\.rsp$|\.properties$/.test(path)),
    ).toEqual(["/etc/oracle/grid.rsp"]);
  });

  it.each([
    ["mode", "both", /mode is "both"/],
    ["version", "12.2.0", /version is 12.2.0, and \/u01\/app\/19.0.0\/grid is Grid 19.0.0/],
    ["asm-disks", "/dev/xvdz", /\/dev\/xvdz: no such disk/],
    ["asm-disks", "/dev/../etc", /bad asm-disks/],
    ["redundancy", "HIGH", /redundancy HIGH in mode standalone needs 3 disks; asm-disks has 2/],
    ["disk-group", "DATA;x", /bad disk-group/],
    ["software", "/x y", /bad software/],
    ["asm-password", "two words", /asm-password has a blank/],
    ["asm-password", "back\\slash", /asm-password has a blank, a backslash/],
  ])("refuses %s=%s before it changes anything", async (name, value, words) => {
    const done = await rehearse(guest("/u01/app/19.0.0/grid"), { ...standalone, [name]: value });
    expect(done.failed).toMatch(words);
    // No values are left for a later boot.
    expect(done.changes).toEqual([]);
    expect(done.failed).not.toContain("two words");
  });
});
