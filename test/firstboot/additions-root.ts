import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll } from "vitest";
import { additions } from "../../src/firstboot/additions.ts";

const repository = resolve(import.meta.dirname, "../..");

/** The machine's own Python 3, and those of OL7 and OL8 where this machine has them. */
export const pythons = [{ name: "Python 3", path: "/usr/bin/python3" }, ...pythonsOf("2.7", "3.6")];

/** All Pythons of this machine, from OL7's to the newest. */
export const everyPython = [...pythons, ...pythonsOf("3.7", "3.8", "3.9", "3.10", "3.12", "3.13")];

function pythonsOf(...versions: readonly string[]): { readonly name: string; readonly path: string }[] {
  return versions.flatMap((version) => {
    const path = [`/usr/bin/python${version}`, ...pyenv(version)].find((one) => existsSync(one));
    return path === undefined ? [] : [{ name: `Python ${version}`, path }];
  });
}

function pyenv(version: string): string[] {
  return Array.from(
    { length: 30 },
    (_, patch) => `${process.env.HOME}/.pyenv/versions/${version}.${patch}/bin/python${version}`,
  );
}

/** The requirements of a throw-away root. */
export const rootNeeds = ["root", "unshare", "chroot", "/usr/bin/python3"];

export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/**
 * Runs shell lines in a throw-away root: this machine's files, with the additions installed as their RPMs install them, under the
 * given Python, and with those of `tree`. Nothing that it writes stays, no process outlives it, and there is no network.
 */
export function inGuest(
  python: string,
  script: string,
  files: Readonly<Record<string, string>> = {},
  tree?: string,
): Said {
  const folder = mkdtempSync(join(tmpdir(), "tbuild-additions-"));
  try {
    const upper = join(folder, "files");
    if (tree !== undefined) cpSync(tree, upper, { recursive: true, verbatimSymlinks: true });
    cpSync(installed(python), upper, { recursive: true, preserveTimestamps: true });
    for (const [path, text] of Object.entries(files)) write(join(upper, path), text, 0o755);
    cpSync(join(repository, "test/fakes/xenstored.py"), join(upper, "usr/lib/fakes/xenstored.py"));
    write(join(upper, "script"), script, 0o755);
    const { status, stdout, stderr } = spawnSync(
      "unshare",
      ["-m", "-p", "-n", "-u", "-i", "-f", "--kill-child", "sh", "-ec", enter, "sh", folder],
      { encoding: "utf8", timeout: 60_000, env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" } },
    );
    return { code: status, out: stdout, err: stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const enter = `
mkdir $1/space $1/root
mount -t tmpfs tmpfs $1/space
mkdir $1/space/upper $1/space/work
cp -a $1/files/. $1/space/upper/
mount -t overlay overlay -o lowerdir=/,upperdir=$1/space/upper,workdir=$1/space/work $1/root
mount -t proc proc $1/root/proc
mount --rbind /dev $1/root/dev
mount -t tmpfs tmpfs $1/root/run
exec chroot $1/root sh -e /script
`;

const roots = new Map<string, string>();
afterAll(() => {
  for (const root of roots.values()) rmSync(root, { recursive: true, force: true });
});

/** The additions for a Python, installed once and compiled, so that no test waits for that. */
function installed(python: string): string {
  const known = roots.get(python);
  if (known !== undefined) return known;
  const root = mkdtempSync(join(tmpdir(), "tbuild-additions-"));
  // Its copy becomes the guest's root folder, which every user reads.
  chmodSync(root, 0o755);
  install(root, python);
  const { status, stderr } = spawnSync(python, ["-m", "compileall", "-q", join(root, "usr/lib")], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  roots.set(python, root);
  return root;
}

function install(root: string, python: string): void {
  for (const name of ["ovmd", "ovm-template-config", "ovm-chkconfig"])
    program(join(additions, "sbin", name), join(root, "usr/sbin", name), python);
  program(join(additions, "sbin/tbuild-clone"), join(root, "usr/libexec/tbuild-clone"), python);
  for (const name of ["clonedetect", "templateconfig", "ovmdaemon"])
    cpSync(join(additions, name), join(root, "usr/lib/tbuild-clone", name), { recursive: true });
  const modules = "authentication datetime firewall network selinux ssh system user".split(" ");
  for (const name of modules)
    program(join(additions, "scripts", name), join(root, "etc/template.d/scripts", name), python);
  for (const name of ["templateconfig", "ovmdaemon"])
    cpSync(join(additions, name), join(root, "usr/lib/python-templateconfig", name), { recursive: true });
}

function program(from: string, to: string, python: string): void {
  write(to, readFileSync(from, "utf8").replace(/^#!.*/, `#!${python}`), 0o755);
}

function write(path: string, text: string, mode: number): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

/** Every Python file of the additions: path and text. */
export const additionFiles: readonly (readonly [string, string])[] = readdirSync(additions, {
  recursive: true,
  withFileTypes: true,
})
  .filter((entry) => entry.isFile() && !entry.name.endsWith(".pyc"))
  .map((entry) => join(entry.parentPath, entry.name))
  .map((path) => [path.slice(additions.length), readFileSync(path, "utf8")] as const)
  // These two run on the machine that makes RPMs.
  .filter(([path]) => !/^(?:layout|rpms)\.py$/.test(path))
  .filter(([path, text]) => path.endsWith(".py") || /^#!.*python/.test(text));
