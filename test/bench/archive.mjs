// make bench: a 4 GiB sparse image with 1 GiB of data, packed and stored by us and by the best other way, in one run.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localHost } from "../../dist/host/local.js";
import { packAll } from "../../dist/packaging/index.js";
import { folderStore } from "../../dist/store/folder-store.js";

const folder = mkdtempSync(join(tmpdir(), "tbuild-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const shell = (script) => execFileSync("bash", ["-ec", script], { cwd: folder });
const timed = async (work) => {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
};

// Data that compresses about as an installed system does: programs of this machine.
shell(`truncate -s 4G System.img
  tar -cf - /usr/bin /usr/lib 2>/dev/null | head -c 1073741824 | dd of=System.img bs=1M seek=100 conv=notrunc iflag=fullblock status=none`);
const store = folderStore(localHost(), join(folder, "store"));
let disk;
const put = await timed(async () => (disk = await store.putDisk(join(folder, "System.img"), "System")));
const sum = await timed(() => shell("sha256sum System.img"));
const manifest = {
  schema: 1, kind: "template", name: "bench", version: "1.0.0", made: "", summary: "", rehearsal: true, release: { name: "", major: 6, update: 10 },
  domainType: "XEN_PVM", machine: { vcpus: 1, memoryMib: 1024, nics: ["public"] }, disks: [disk], kernel: "", recipe: "", recipeText: "", inputs: {},
  packages: [], contract: [], operations: [], trial: [], bundles: [], timings: {}, tbuild: "",
};
const restore = await timed(() => store.openDisk(disk));
const ours = await timed(() => packAll(manifest, store, join(folder, "out"), ["ovm-tgz"], {}));
const pigz = await timed(() => shell("tar -S -cf - System.img | pigz -p2 -6 > other.tgz"));
const row = (what, one, than, other) => console.log(`${what.padEnd(28)} ${one.toFixed(1).padStart(6)} s   ${than.padEnd(24)} ${other.toFixed(1).padStart(6)} s   ratio ${(one / other).toFixed(2)}`);
row("store a disk, digested", put, "sha256sum", sum);
row("restore a disk, checked", restore, "sha256sum", sum);
row("ovm-tgz", ours, "tar -S | pigz -p2 -6", pigz);
