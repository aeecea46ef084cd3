// make bench: a repair and a seal of one 10 GiB image, by tbuild and by other tools, in one run. Medians of wall seconds.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { makeImage } from "./guest.mjs";

const folder = resolve(".tbuild/bench");
mkdirSync(folder, { recursive: true });
const [master, image] = [`${folder}/master.img`, `${folder}/System.img`];
const place = `${image}?offset=1048576`;
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
// libguestfs hangs if /dev/kvm exists but does not work.
const environment = {
  ...process.env,
  LIBGUESTFS_BACKEND: "direct",
  LIBGUESTFS_BACKEND_SETTINGS: "force_tcg",
};
const run = (argv, options = {}) => {
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), {
    env: environment,
    encoding: "utf8",
    ...options,
  });
  if (status !== 0) throw new Error(`${argv.join(" ")}: ${status}\n${stderr}`);
};
const tbuild = (...args) => ["node", "dist/bin/main.js", ...args];
const fresh = () => {
  rmSync(`${image}.tbuild-undo-1`, { force: true });
  execFileSync("cp", ["--sparse=always", master, image]);
  execFileSync("sync", [image]);
};

function median(times, work, { before = () => {}, after = () => {} } = {}) {
  const seconds = [];
  for (let time = 0; time < times; time++) {
    before();
    const begun = performance.now();
    work();
    seconds.push((performance.now() - begun) / 1000);
    after();
  }
  return seconds.sort((a, b) => a - b)[Math.floor(times / 2)];
}

makeImage(master);
fresh();
const ours = (times, ...args) =>
  median(times, () => run(tbuild(...args, "--yes", image)), { after: () => run(tbuild("undo", image)) });
const flag = "INITIAL_CONFIG=yes\n";
const script = (text) => ({ input: text });
const peers = Number(process.env.BENCH_PEER_RUNS ?? 3);

const repair = ours(7, "repair");
const seal = ours(7, "seal");
const unsearched = ours(7, "seal", "--no-search");
const scrub = ours(3, "seal", "--scrub");
const rows = [
  ["tbuild repair", repair, repair],
  ["tbuild seal", seal, seal],
  ["tbuild seal --no-search", unsearched, seal],
  ["tbuild seal --scrub", scrub, seal],
];
const other = (name, than, times, work, before) => rows.push([name, median(times, work, { before }), than]);

execFileSync("sh", ["-c", `printf '${flag.trim()}\\n' > ${folder}/ovmd`]);
other("debugfs rm+write (loses the label)", repair, 5, () =>
  run(
    ["debugfs", "-w", "-f", "-", place],
    script(`rm /etc/sysconfig/ovmd\nwrite ${folder}/ovmd /etc/sysconfig/ovmd\n`),
  ),
);
other("losetup, mount, sed -i (root)", repair, 5, () =>
  run([
    "bash",
    "-ec",
    `mkdir -p ${folder}/mnt; mount -o loop,offset=1048576 ${image} ${folder}/mnt
    sed -i s/^INITIAL_CONFIG.*/INITIAL_CONFIG=yes/ ${folder}/mnt/etc/sysconfig/ovmd; umount ${folder}/mnt`,
  ]),
);
other("guestfish write", repair, peers, () =>
  run(["guestfish", "--rw", "-a", image, "-m", "/dev/sda1", "write", "/etc/sysconfig/ovmd", flag]),
);
other("virt-customize --edit", repair, peers, () =>
  run([
    "virt-customize",
    "-q",
    "-a",
    image,
    "--edit",
    "/etc/sysconfig/ovmd:s/^INITIAL_CONFIG.*/INITIAL_CONFIG=yes/",
  ]),
);
other("virt-sysprep", seal, peers, () => run(["virt-sysprep", "-q", "-a", image]), fresh);

console.log(`\none 10 GiB ext4 image, 32 000 files; libguestfs under TCG; median wall seconds`);
for (const [name, seconds, than] of rows)
  console.log(
    `${name.padEnd(38)} ${seconds.toFixed(3).padStart(8)} s   ${(seconds / than).toFixed(1).padStart(7)} × ours`,
  );
console.log("\nleft after virt-sysprep's defaults:");
const left = spawnSync("node", ["dist/bin/main.js", "seal", "--check", "--residue", image], {
  encoding: "utf8",
});
console.log(left.stdout);
