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
const main = resolve("dist/main.js");
const [pristine, image] = [join(folder, "pristine.img"), join(folder, "work/disk.img")];
const secondsAtMost = 60;
const bugExit = 70;

mkdirSync(join(folder, "work"), { recursive: true });
const tests = join(fetched(), "tests");
const only = process.argv[2];
const packed = readdirSync(tests)
  .filter((name) => only === undefined || name === only)
  .flatMap((name) => ["gz", "bz2"].map((end) => ({ name, file: join(tests, name, `image.${end}`) })))
  .filter(({ file }) => existsSync(file));
const seen = { images: 0, guests: 0, sealed: 0, commands: 0 };
const faults = [];
for (const { name, file } of packed) {
  const { stdout } = run([file.endsWith("gz") ? "gzip" : "bzip2", "-dc", file]);
  writeFileSync(pristine, stdout);
  seen.images++;
  tried(name);
  if (!withGuest()) continue;
  seen.guests++;
  tried(`${name}, with a guest`);
}
rmSync(join(folder, "work"), { recursive: true });
console.log(`${JSON.stringify(seen)}, ${faults.length} faults`);
for (const fault of faults) console.log(fault);
process.exit(faults.length === 0 && seen.images > 0 ? 0 : 1);

function tried(name) {
  const before = digest(pristine);
  for (const argv of [
    ["inspect"],
    ["scan"],
    ["seal", "--check", "--residue"],
    ["seal", "--plan", "--fsck"],
    ["convert", "--check"],
    ["repair", "--yes"],
    ["seal", "--yes", "--scrub"],
  ]) {
    rmSync(join(folder, "work"), { recursive: true });
    mkdirSync(join(folder, "work"));
    copyFileSync(pristine, image);
    const what = `${name}: tbuild ${argv.join(" ")}`;
    const { status } = tbuild(what, [...argv, argv[0] === "scan" ? join(folder, "work") : image]);
    const isChanged = digest(image) !== before;
    const undo = readdirSync(join(folder, "work")).find((file) => file.includes(".tbuild-undo-"));
    if (isChanged && !undo)
      faults.push(`${what}: exit code ${status}, and the image is changed without a record`);
    if (undo) {
      if (argv[0] === "seal") seen.sealed++;
      tbuild(`${what}, undone`, ["undo", image], [0]);
      if (digest(image) !== before) faults.push(`${what}: an undo does not bring it back`);
    }
    const left = readdirSync(join(folder, "work")).filter((file) => file !== "disk.img");
    if (left.length > 0) faults.push(`${what}: leaves ${left.join(" ")}`);
  }
}

function tbuild(what, argv, allowed = [0, 1, 2, 3, 4, 5, 6]) {
  seen.commands++;
  const { status, signal, stderr } = spawnSync("node", [main, ...argv], {
    encoding: "utf8",
    timeout: secondsAtMost * 1000,
    killSignal: "SIGKILL",
  });
  if (signal) faults.push(`${what}: no end after ${secondsAtMost} s`);
  else if (!allowed.includes(status))
    faults.push(
      `${what}: exit code ${status}${status === bugExit ? ", a crash" : ""}: ${stderr.slice(0, 400)}`,
    );
  return { status };
}

// Whether the file system takes it: many are too damaged, too small, or of a kind that debugfs does not write.
function withGuest() {
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
  spawnSync("debugfs", ["-w", "-f", `${file}s`, pristine], { timeout: 20_000 });
  const { stdout } = spawnSync("debugfs", ["-R", "cat /etc/shadow", pristine], { timeout: 20_000 });
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
