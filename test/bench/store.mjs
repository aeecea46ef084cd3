// make bench: a 10 GiB sparse image with 2 GiB of data (or as many GiB as the first argument says) and a second version of
// it, stored by tbuild and by the best other tools, in one run on one machine. Compare the ratios.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localHost } from "../../dist/host/local.js";
import { folderStore } from "../../dist/store/folder/folder-store.js";

const dataBytes = Number(process.argv[2] ?? 2) * 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), "tbuild-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const shell = (script) =>
  execFileSync("bash", ["-ec", script], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
const has = (program) => shell(`command -v ${program} || true`) !== "";
const timed = async (work) => {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
};
const mib = (path) => `${shell(`du -sm --apparent-size ${path}`).split("\t")[0]} MiB`;
const row = (what, seconds, space = "") =>
  console.log(`${what.padEnd(58)} ${seconds.toFixed(1).padStart(7)} s ${space.padStart(10)}`);

// Data that compresses about as well as an installed system: programs of this machine, in eight places on the disk.
function makeImage(name, bytes) {
  shell(
    `truncate -s 10G ${name}; (tar -cf - /usr/bin /usr/lib /usr/share || true) | head -c ${bytes} > data`,
  );
  for (let i = 0; i < 8; i++)
    shell(
      `dd if=data of=${name} bs=1M skip=${(i * bytes) / 8 / 2 ** 20} count=${bytes / 8 / 2 ** 20} seek=${100 + i * 1200} conv=notrunc`,
    );
  shell("rm data");
}

makeImage("half.img", dataBytes / 2);
makeImage("one.img", dataBytes);
// The second version: forty small changes.
shell(`cp --sparse=always one.img two.img
  for i in $(seq 0 39); do head -c 20000 /dev/urandom | dd of=two.img bs=4K seek=$((26000 + i * 7000)) conv=notrunc; done`);

const openStore = (name) => folderStore(localHost(), join(folder, name));
const store = openStore("store");
let disk;
await openStore("half").putDisk(join(folder, "half.img"), "System");
rmSync(join(folder, "half"), { recursive: true });
row(
  "store, half the data",
  await timed(() => openStore("half").putDisk(join(folder, "half.img"), "System")),
  mib("half"),
);
row(
  "store",
  await timed(async () => (disk = await store.putDisk(join(folder, "one.img"), "System"))),
  mib("store"),
);
row(
  "store, the second version",
  await timed(() => store.putDisk(join(folder, "two.img"), "System")),
  mib("store"),
);
row("store: restore, checked", await timed(() => store.restoreDisk(disk, join(folder, "back.img"))));
row("store: verify", await timed(() => store.verify()));
const other = (what, script, space) =>
  timed(() => shell(script)).then((seconds) => row(what, seconds, space && mib(space)));
await other("sha256sum", "sha256sum one.img");
await other("tar -S | pigz -p2", "tar -S -cf - one.img | pigz -p2 > one.tgz", "one.tgz");
await other("qemu-img convert -c", "qemu-img convert -c -O qcow2 one.img one.qcow2", "one.qcow2");
await other(
  "qemu-img convert -c -o compression_type=zstd -W -m 8",
  "qemu-img convert -c -W -m 8 -o compression_type=zstd -O qcow2 one.img two.qcow2",
  "two.qcow2",
);
shell("rm back.img one.tgz one.qcow2 two.qcow2");
if (has("borg")) {
  const borg = `export BORG_BASE_DIR=${folder}/borg-base BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes; borg`;
  shell(`${borg} init -e none repo`);
  await other("borg create --sparse, zstd,3", `${borg} create --sparse -C zstd,3 repo::one one.img`, "repo");
  await other("borg, the second version", `${borg} create --sparse -C zstd,3 repo::two two.img`, "repo");
  await other("borg extract --sparse", `mkdir x; cd x; ${borg} extract --sparse ../repo::one; rm -r ../x`);
}
if (has("casync")) {
  await other(
    "casync make, zstd",
    "casync make --compression=zstd --store=cas.castr one.caibx one.img",
    "cas.castr",
  );
  await other(
    "casync, the second version",
    "casync make --compression=zstd --store=cas.castr two.caibx two.img",
    "cas.castr",
  );
  await other("casync extract", "casync extract --store=cas.castr one.caibx back.img");
}
