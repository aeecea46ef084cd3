// make bench: inspects images with tbuild and with other tools, in one run. 100 images of 10 GiB with the files of one
// guest.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { makeImage } from "./guest.mjs";

const folder = resolve(".tbuild/bench-scan");
rmSync(folder, { recursive: true, force: true });
mkdirSync(`${folder}/VirtualDisks`, { recursive: true });
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const environment = {
  ...process.env,
  LIBGUESTFS_BACKEND: "direct",
  LIBGUESTFS_BACKEND_SETTINGS: "force_tcg",
};
const timed = (argv, codes = [0]) => {
  const begun = performance.now();
  const { status, stderr } = spawnSync(argv[0], argv.slice(1), { env: environment, encoding: "utf8" });
  if (!codes.includes(status)) throw new Error(`${argv.join(" ")}: ${status}\n${stderr}`);
  return (performance.now() - begun) / 1000;
};
const best = (times, argv, codes) => Math.min(...Array.from({ length: times }, () => timed(argv, codes)));

const master = `${folder}/master.raw`;
makeImage(master);
const disks = Array.from({ length: 100 }, (_, index) => `${folder}/VirtualDisks/${index}.qcow2`);
// Full copies would fill the disk. Overlays on one base are as many files, each with its own tables.
const [first] = disks;
timed(["qemu-img", "create", "-q", "-f", "qcow2", "-b", master, "-F", "raw", first]);
for (const disk of disks.slice(1)) copyFileSync(first, disk);

const file = "/etc/sysconfig/ovmd";
const rows = [
  ["scan of 100 images", best(3, ["node", "dist/bin/main.js", "scan", `${folder}/VirtualDisks`], [0, 1])],
  ["inspect one image", best(3, ["node", "dist/bin/main.js", "inspect", master])],
  ["read one file, in process", best(3, ["node", "-e", reading()])],
  ["debugfs cat", best(3, ["debugfs", "-R", `cat ${file}`, `${master}?offset=1048576`])],
];
for (const [name, argv] of [
  ["guestfish cat", ["guestfish", "--ro", "-a", master, "-m", "/dev/sda1", "cat", file]],
  ["virt-cat", ["virt-cat", "-a", master, file]],
])
  if (spawnSync(argv[0], ["--version"]).status === 0) rows.push([name, best(1, argv)]);
for (const [name, seconds] of rows) console.log(`${name.padEnd(28)} ${seconds.toFixed(3).padStart(8)} s`);

function reading() {
  const from = (module) => JSON.stringify(resolve("dist", module));
  return `(async () => {
    const { openImageFile } = await import(${from("image/open.js")});
    const { localHost } = await import(${from("host/local.js")});
    const image = await openImageFile(localHost(), ${JSON.stringify(master)}, { readOnly: true });
    if ((await image.tree.text(${JSON.stringify(file)})) === undefined) process.exit(1);
    await image[Symbol.asyncDispose]();
  })()`;
}
