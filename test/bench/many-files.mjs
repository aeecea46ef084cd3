// make bench: guests with a thousand to a million files, in one folder and in many. The time per file and the memory must
// not grow with the number of files. Needs root for a loop mount, because mke2fs -d takes hours for a folder of a million.
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const [least, most] = [Number(process.argv[3] ?? 1000), Number(process.argv[2] ?? 1_000_000)];
const folder = resolve(".tbuild/bench-many-files");
const [image, at] = [join(folder, "images/disk.img"), join(folder, "at")];
const run = (argv) => {
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), { encoding: "utf8" });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${status}\n${stderr}`);
};
process.on("exit", () => {
  spawnSync("umount", ["-q", at]);
  rmSync(folder, { recursive: true, force: true });
});

const guest = {
  "etc/oracle-release": "Oracle Linux Server release 6.10\n",
  "etc/fstab": "/dev/sda / ext4 defaults 1 1\n",
  "etc/rc.d/init.d/ovmd": "#!/bin/sh\n# chkconfig: 3 08 92\n",
  "etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=build7.example.com\n",
  "etc/shadow": "root:$6$a$b:1::::::\n",
};

// A seal removes all files in /tmp, and searches files in other folders.
const layouts = {
  "one folder, to be removed": (number) => `tmp/file-${number}`,
  "1000 a folder, to be removed": (number) => `tmp/${Math.floor(number / 1000)}/file-${number}`,
  "1000 a folder, to be searched": (number) => `opt/data/${Math.floor(number / 1000)}/file-${number}`,
};

console.log("files, and microseconds a file (MiB of memory)");
console.log(
  `${"".padEnd(42)}${["seal --plan", "seal --check", "inspect", "scan"].map((s) => s.padStart(18)).join("")}`,
);
for (const [layout, place] of Object.entries(layouts))
  for (let files = least; files <= most; files *= 10) {
    makeImage(files, place);
    const cells = [
      ["seal", "--plan", image],
      ["seal", "--check", image],
      ["inspect", image],
      ["scan", dirname(image)],
    ].map((argv) => {
      const { seconds, mebibytes } = measured(argv);
      return `${((seconds * 1e6) / files).toFixed(1)} (${mebibytes})`.padStart(18);
    });
    console.log(`${`${files} in ${layout}`.padEnd(42)}${cells.join("")}`);
  }

function measured(argv) {
  const memory =
    'data:text/javascript,process.on("exit",()=>process.stderr.write("\\nmaxrss "+process.resourceUsage().maxRSS))';
  const begun = performance.now();
  const { status, stderr } = spawnSync("node", ["--import", memory, "dist/bin/main.js", ...argv], {
    encoding: "utf8",
    stdio: ["ignore", openSync("/dev/null", "w"), "pipe"],
    timeout: 1_800_000,
  });
  if (status !== 0 && status !== 1) throw new Error(`${argv.join(" ")}: ${status}\n${stderr}`);
  const kibibytes = Number(/maxrss (\d+)/.exec(stderr)?.[1]);
  return { seconds: (performance.now() - begun) / 1000, mebibytes: Math.round(kibibytes / 1024) };
}

function makeImage(files, place) {
  mkdirSync(dirname(image), { recursive: true });
  mkdirSync(at, { recursive: true });
  rmSync(image, { force: true });
  run(["truncate", "-s", `${64 + Math.ceil((files * 5) / 1024)}M`, image]);
  run(["mke2fs", "-q", "-F", "-t", "ext4", "-N", String(files + 5000), image]);
  run(["mount", "-o", "loop", image, at]);
  for (const [path, text] of Object.entries(guest)) {
    mkdirSync(dirname(join(at, path)), { recursive: true });
    writeFileSync(join(at, path), text);
  }
  const made = new Set();
  for (let number = 0; number < files; number++) {
    const path = join(at, place(number));
    if (!made.has(dirname(path)))
      made.add(mkdirSync(dirname(path), { recursive: true }) ?? dirname(path)).add(dirname(path));
    const file = openSync(path, "w");
    writeFileSync(file, `value ${number}\n`);
    closeSync(file);
  }
  run(["umount", at]);
}
