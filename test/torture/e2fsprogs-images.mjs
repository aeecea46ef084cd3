// make torture: the damaged and unusual file systems that e2fsck is tested with, 222 or more, from the Debian source of
// e2fsprogs. Each is given to every command that opens images, as it is and with a guest that debugfs writes into it. No
// command may crash or hang; one that fails leaves the image as it was; and what was sealed comes back by an undo.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve(".tbuild/e2fsprogs-images");
const main = resolve("dist/bin/main.js");
const [pristine, work] = [join(folder, "pristine"), join(folder, "work")];
const [secondsAtMost, inOne] = [60, 40];

for (const one of [pristine, work]) {
  rmSync(one, { recursive: true, force: true });
  mkdirSync(one, { recursive: true });
}
const tests = join(fetched(), "tests");
const seen = { images: 0, guests: 0, undone: 0 };
const faults = [];
for (const name of readdirSync(tests)) {
  const file = ["gz", "bz2"].map((end) => join(tests, name, `image.${end}`)).find(existsSync);
  if (!file) continue;
  const { stdout } = run([file.endsWith("gz") ? "gzip" : "bzip2", "-dc", file]);
  const image = join(pristine, `${name}.img`);
  writeFileSync(image, stdout);
  seen.images++;
  const guest = join(pristine, `${name}-guest.img`);
  copyFileSync(image, guest);
  if (withGuest(guest)) seen.guests++;
  else rmSync(guest);
}
const names = readdirSync(pristine).sort();
const before = new Map(names.map((name) => [name, digest(join(pristine, name))]));
tried("scan", ["scan", work], names);
for (const argv of [
  ["seal", "--yes", "--scrub"],
  ["repair", "--yes"],
  ["seal", "--check", "--residue"],
  ["seal", "--plan", "--fsck"],
  ["convert", "--check"],
])
  for (let from = 0; from < names.length; from += inOne) {
    console.error(`${argv.join(" ")}: ${from} of ${names.length}`);
    const some = names.slice(from, from + inOne);
    tried(argv.join(" "), [...argv, ...some.map((name) => join(work, name))], some);
  }
for (const name of names) tried("inspect", ["inspect", join(work, name)], [name]);
rmSync(work, { recursive: true });
rmSync(pristine, { recursive: true });
console.log(`${JSON.stringify(seen)}, ${faults.length} faults`);
process.exit(faults.length === 0 && seen.images > 0 ? 0 : 1);

// One command for many images, of which one that fails stops no other. Which of them a crash is about, each alone tells.
function tried(what, argv, some) {
  rmSync(work, { recursive: true });
  mkdirSync(work);
  for (const name of some) copyFileSync(join(pristine, name), join(work, name));
  const why = failureOf(argv, some.length);
  if (why !== undefined && some.length > 1 && argv.length > some.length) {
    const words = argv.slice(0, -some.length);
    for (const name of some) tried(what, [...words, join(work, name)], [name]);
    return;
  }
  if (why !== undefined) fault(`${what} ${some[0]}: ${why}`);
  const isChanged = (name) => digest(join(work, name)) !== before.get(name);
  const records = () => readdirSync(work).filter((name) => name.includes(".tbuild-undo-"));
  const changed = new Set(records().map((name) => name.replace(/\.tbuild-undo-.*/, "")));
  for (const name of some)
    if (isChanged(name) && !changed.has(name)) fault(`${what} ${name}: is changed without a record`);
  if (changed.size > 0) {
    const undo = failureOf(["undo", ...[...changed].map((name) => join(work, name))], changed.size);
    if (undo !== undefined) fault(`${what}, undone: ${undo}`);
    seen.undone += changed.size;
  }
  for (const name of some) if (isChanged(name)) fault(`${what} ${name}: an undo does not bring it back`);
  const left = readdirSync(work).filter((name) => !some.includes(name));
  if (left.length > 0) fault(`${what}: leaves ${left.join(" ")}`);
}

function failureOf(argv, images) {
  const { status, signal, stderr } = spawnSync("node", [main, ...argv], {
    encoding: "utf8",
    timeout: secondsAtMost * 1000 * images,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 30,
  });
  if (signal) return `no end after ${secondsAtMost * images} s`;
  return status <= 6 ? undefined : `exit code ${status}: ${stderr.slice(-400)}`;
}

function fault(what) {
  faults.push(what);
  console.log(what);
}

// Whether the file system takes it: many are too damaged, too small, or of a kind that debugfs does not write.
function withGuest(image) {
  const file = join(folder, "guest-file");
  const files = {
    "oracle-release": "Oracle Linux Server release 6.10\n",
    fstab: "/dev/sda / ext4 defaults 1 1\n",
    shadow: "root:$6$a$b:1::::::\n",
  };
  const lines = ["mkdir /etc", "cd /etc"];
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(`${file}-${name}`, text);
    lines.push(`write ${file}-${name} ${name}`);
  }
  writeFileSync(`${file}s`, `${lines.join("\n")}\n`);
  spawnSync("debugfs", ["-w", "-f", `${file}s`, image], { timeout: 20_000 });
  const { stdout } = spawnSync("debugfs", ["-R", "cat /etc/shadow", image], { timeout: 20_000 });
  return stdout?.toString() === files.shadow;
}

function digest(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

// With lists of its own, so that this machine's sources stay as they are.
function fetched() {
  const found = () => readdirSync(folder).find((name) => /^e2fsprogs-[\d.]+$/.test(name));
  if (!found()) {
    mkdirSync(join(folder, "lists/partial"), { recursive: true });
    const key = "/usr/share/keyrings/debian-archive-keyring.gpg";
    writeFileSync(
      join(folder, "sources.list"),
      `deb-src [signed-by=${key}] http://deb.debian.org/debian bookworm main\n`,
    );
    const options = Object.entries({
      "Dir::Etc::sourcelist": join(folder, "sources.list"),
      "Dir::Etc::sourceparts": "-",
      "Dir::State::lists": join(folder, "lists"),
      "APT::Sandbox::User": "root",
    }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    run(["apt-get", ...options, "-q", "update"]);
    run(["apt-get", ...options, "-q", "source", "--download-only", "e2fsprogs"]);
    const archive = readdirSync(folder).find((name) => /^e2fsprogs_.*\.orig\.tar\.gz$/.test(name));
    run(["tar", "-xzf", archive]);
  }
  return join(folder, found());
}

function run(argv) {
  const done = spawnSync(argv[0], argv.slice(1), { cwd: folder, maxBuffer: 1 << 30 });
  if (done.status !== 0) throw new Error(`${argv.join(" ")}: ${done.status}\n${done.stderr}`);
  return done;
}
