// make bench: packs a 10 GiB sparse image with 1 GiB of data (or as many GiB as the first argument says) with tbuild and
// with the usual tools, in one run on one machine. Compare the ratios. The last rows show that the time grows with the
// data. They count processor time, because wall time depends more on other work of the machine.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packAll } from "../../dist/bundles/write/index.js";
import { localHost } from "../../dist/host/local.js";
import { folderStore } from "../../dist/store/folder/folder-store.js";

const dataBytes = Number(process.argv[2] ?? 1) * 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), "tbuild-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const shell = (script) => execFileSync("bash", ["-ec", script], { cwd: folder });
const timed = async (work) => {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
};

// Data that compresses about as well as an installed system: programs of this machine, in eight places on the disk.
function makeImage(name, bytes) {
  shell(`truncate -s 10G ${name}; tar -cf - /usr/bin /usr/lib 2>/dev/null | head -c ${bytes} > data || true`);
  for (let i = 0; i < 8; i++)
    shell(
      `dd if=data of=${name} bs=1M skip=${(i * bytes) / 8 / 2 ** 20} count=${bytes / 8 / 2 ** 20} seek=${100 + i * 1200} conv=notrunc status=none`,
    );
}

const store = folderStore(localHost(), join(folder, "store"));
async function templateOf(name, bytes) {
  if (bytes > 0) makeImage(name, bytes);
  else shell(`truncate -s 10G ${name}`);
  const disk = await store.putDisk(join(folder, name), "System");
  return {
    schema: 1,
    kind: "template",
    name: "bench",
    version: "1.0.0",
    made: "",
    summary: "",
    rehearsal: false,
    release: { name: "", major: 6, update: 10 },
    domainType: "XEN_PVM",
    machine: { vcpus: 1, memoryMib: 1024, nics: ["public"] },
    disks: [disk],
    kernel: "",
    recipe: "",
    recipeText: "",
    inputs: {},
    packages: [],
    contract: [],
    operations: [],
    trial: [],
    bundles: [],
    timings: {},
    tbuild: "",
  };
}

const whole = await templateOf("System.img", dataBytes);
const half = await templateOf("half.img", dataBytes / 2);
const pack = (template, format) => timed(() => packAll(template, store, join(folder, "out"), [format], {}));
const mib = (file) => `${Math.round(statSync(join(folder, file)).size / 2 ** 20)} MiB`;
const row = (what, one, than, other) =>
  console.log(
    `${what.padEnd(26)} ${one.toFixed(1).padStart(6)} s   ${than.padEnd(42)} ${other.toFixed(1).padStart(6)} s   ratio ${(one / other).toFixed(2)}`,
  );

const others = {
  "ovm-tgz": [
    "tar -S | pigz -p2 -6",
    "tar -S -cf - System.img | pigz -p2 -6 > other.tgz",
    "out/bench-1.0.0.tgz",
    "other.tgz",
  ],
  ova: [
    "qemu-img convert, streamOptimized",
    "qemu-img convert -O vmdk -o subformat=streamOptimized System.img other.vmdk",
    "out/bench-1.0.0.ova",
    "other.vmdk",
  ],
  qcow2: [
    "qemu-img convert -c",
    "qemu-img convert -c -O qcow2 System.img other.qcow2",
    "out/bench-1.0.0.qcow2",
    "other.qcow2",
  ],
  raw: [
    "cp --sparse=always, sha256sum",
    "cp --sparse=always System.img other.img; sha256sum other.img",
    "out/bench-1.0.0.img",
    "other.img",
  ],
};
const took = {};
for (const [format, [than, script, file, other]] of Object.entries(others)) {
  took[format] = await pack(whole, format);
  row(format, took[format], than, await timed(() => shell(script)));
  console.log(`${"".padEnd(26)} ${mib(file).padStart(8)}   ${"".padEnd(42)} ${mib(other).padStart(8)}`);
}
row(
  "qcow2",
  took.qcow2,
  "qemu-img convert -c -W -m 8 (never the same)",
  await timed(() => shell("qemu-img convert -c -W -m 8 -O qcow2 System.img other.qcow2")),
);

const empty = await templateOf("empty.img", 0);
const worked = async (template, format) => {
  const before = process.cpuUsage();
  await pack(template, format);
  const { user, system } = process.cpuUsage(before);
  return `${((user + system) / 1e6).toFixed(1).padStart(6)} s`;
};
console.log(
  `${"cores worked".padEnd(26)} ${"all of it".padStart(8)} ${"half".padStart(10)} ${"none".padStart(10)}`,
);
for (const format of Object.keys(others))
  console.log(
    `${format.padEnd(26)} ${await worked(whole, format)}   ${await worked(half, format)}   ${await worked(empty, format)}`,
  );
