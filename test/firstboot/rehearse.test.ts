import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readModule } from "../../src/firstboot/module.ts";
import { type RehearseOptions, rehearseModule } from "../../src/firstboot/rehearse/rehearse.ts";
import { localHost } from "../../src/host/local.ts";
import { describeWith } from "../fakes/missing.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tbuild-rehearse-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
async function rehearse(
  body: string,
  values: Record<string, string> = {},
  options: Partial<RehearseOptions> = {},
  payload: Record<string, string> = {},
) {
  const place = join(folder, String(count++), "mine");
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(place, path)), { recursive: true });
    writeFileSync(join(place, path), text);
  };
  for (const [path, text] of Object.entries(payload)) {
    write(`payload/${path}`, text);
    chmodSync(join(place, "payload", path), 0o755);
  }
  write(
    "mine",
    `#!/usr/bin/python
### BEGIN PLUGIN INFO
# name: mine
# configure: 60
# description: test
### END PLUGIN INFO
import json, os, sys, time
from templateconfig.cli import main
from templateconfig.common import run_cmd
def do_enumerate(target):
    return json.dumps([{'key': 'x.y'}])
def do_configure(param):
    param = json.loads(param)
${body.replace(/^/gm, "    ")}
    return json.dumps(param)
if __name__ == '__main__':
    main(do_enumerate, {'configure': do_configure})
`,
  );
  return rehearseModule(localHost(), await readModule(place), {
    target: "configure",
    values: new Map(Object.entries(values)),
    secrets: [],
    deadlineSeconds: 30,
    ...options,
  });
}

describeWith(["root", "unshare", "python3"], "module rehearse", () => {
  it("shows a module's output and changes, and that a second run changes nothing", async () => {
    const { runs, changes, again, failed } = await rehearse(
      "run_cmd(['/opt/mine/go', param['x.y']])",
      { "x.y": "a word" },
      {},
      {
        "opt/mine/go":
          "#!/bin/sh\nset -e\necho said $1\ngrep -q mine /etc/hosts || echo 10.0.0.1 mine >> /etc/hosts\nmkdir -p /etc/mine.d; chmod 750 /etc/mine.d; echo $1 > /etc/mine.d/word; rm -f /etc/fstab; touch /usr/bin/made; chmod 600 /etc/passwd\nid mine || useradd -m mine\nchown mine /etc/mine.d/word; hostname other; ln -sf word /etc/mine.d/link",
      },
    );
    expect(failed).toBeUndefined();
    expect(runs.map(({ exitCode, late }) => ({ exitCode, late }))).toEqual([
      { exitCode: 0, late: false },
      { exitCode: 0, late: false },
    ]);
    expect(runs[0]?.said).toContain("said a word");
    const byPath = Object.fromEntries(changes.map(({ path, ...rest }) => [path, rest]));
    expect(byPath["/etc/hosts"]).toMatchObject({
      how: "changed",
      patch: expect.arrayContaining(["+10.0.0.1 mine"]),
    });
    expect(byPath["/etc/mine.d"]).toMatchObject({ how: "added", kind: "dir", mode: "0750 root:root" });
    expect(byPath["/etc/mine.d/word"]).toMatchObject({
      how: "added",
      mode: "0644 1000:0",
      patch: expect.arrayContaining(["+a word"]),
    });
    expect(byPath["/etc/mine.d/link"]).toMatchObject({ kind: "link", what: ["to word"] });
    expect(byPath["/etc/fstab"]).toMatchObject({ how: "removed" });
    expect(byPath["/usr/bin/made"]).toMatchObject({ how: "added" });
    expect(byPath["/etc/passwd"]).toMatchObject({ how: "changed", what: ["mode was 0644"] });
    expect(byPath["/etc"]).toBeUndefined();
    expect(again).toEqual([]);
  });

  it("shows what a second run changes", async () => {
    const { again } = await rehearse(
      "open('/etc/hosts', 'a').write('10.0.0.1 mine\\n')\nif os.path.exists('/once'): os.unlink('/once')\nelse: open('/once', 'w')",
    );
    expect(again).toEqual([
      expect.objectContaining({ path: "/etc/hosts", how: "changed" }),
      expect.objectContaining({ path: "/once", how: "removed" }),
    ]);
  });

  it("a failure is shown with the module's output, and there is no second run", async () => {
    const { runs, failed, again } = await rehearse("run_cmd(['sh', '-c', 'echo why; exit 3'])");
    expect(runs).toHaveLength(1);
    expect(runs[0]?.said[0]).toBe("why");
    expect(failed).toMatch(/^configure failed with exit code 1: RuntimeError: sh -c .*: exit code 3$/);
    expect(again).toBeUndefined();
  });

  it("one that hangs ends at the deadline, with the processes that it started", async () => {
    const { failed, runs } = await rehearse(
      "os.spawnlp(os.P_NOWAIT, 'sleep', 'sleep', '1234'); time.sleep(600)",
      {},
      { deadlineSeconds: 2 },
    );
    expect(failed).toMatch(/^configure did not end before the deadline of 2 seconds, and was killed$/);
    expect(runs[0]).toMatchObject({ late: true, left: ["sleep 1234"] });
  });

  it("a module has no network, no devices, no clock, and nothing of this machine but /usr", async () => {
    const { failed, runs } = await rehearse(
      `import socket
def refused(what, work):
    try:
        work()
    except (OSError, IOError, socket.error):
        return
    raise SystemExit('it could ' + what)
refused('connect', lambda: socket.create_connection(('192.0.2.1', 80), 2))
refused('make a node', lambda: os.mknod('/node', 0o60600, os.makedev(254, 0)))
refused('set the clock', lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
refused('see this machine', lambda: os.listdir('${join(import.meta.dirname)}'))
refused('leave by proc', lambda: os.listdir('/proc/1/root/'))
refused('write to the kernel', lambda: open('/proc/sys/kernel/panic', 'w').write('1'))
refused('write to its drivers', lambda: open('/sys/kernel/profiling', 'w').write('1'))
for folder in ('/proc/sys', '/sys'):
    assert os.system('mount -o remount,rw ' + folder + ' 2>/dev/null || mount -o remount,bind,rw ' + folder + ' 2>/dev/null')
    assert os.system('umount ' + folder + ' 2>/dev/null')
assert os.system('mkdir /p && mount -t proc proc /p 2>/dev/null && echo 1 > /p/sys/kernel/panic')
assert os.system('mkdir /s && mount -t sysfs s /s 2>/dev/null && touch /s/kernel/profiling && echo 1 > /s/kernel/profiling')
assert os.getuid() == 0`,
    );
    expect({ failed, said: runs[0]?.said }).toEqual({ failed: undefined, said: [] });
  });

  it("secrets are not shown", async () => {
    const said = await rehearse(
      "sys.stderr.write(param['x.y'] + '\\n'); open('/etc/secret', 'w').write(param['x.y']); raise SystemExit(param['x.y'])",
      { "x.y": "hush-hush" },
      { secrets: ["hush-hush"] },
    );
    expect(JSON.stringify(said)).toContain("/etc/secret");
    expect(JSON.stringify(said)).not.toContain("hush-hush");
  });

  it("an answer that is not JSON is a failure: the next module would get nothing", async () => {
    const { failed } = await rehearse("return 'done'");
    expect(failed).toMatch(/^configure did not return a JSON object/);
  });

  it("the files of a guest are read, and stay unchanged", async () => {
    const tree = join(folder, "tree");
    mkdirSync(join(tree, "etc"), { recursive: true });
    const { failed } = await rehearse("pass", {}, { tree });
    expect(failed).toMatch(/^--enumerate failed with exit code 127: .*not found/);
  });
});
