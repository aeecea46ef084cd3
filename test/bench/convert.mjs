// tbuild convert --to kvm beside virt-v2v, on one PV guest: node test/bench/convert.mjs [IMAGE]
// IMAGE is a raw or qcow2 disk of a guest that was converted to PVM; without it, the rehearsal's ol6-grid is taken.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const name = "ol6-grid-rehearsal-1.0.0";
const image = resolve(process.argv[2] ?? join(root, `.tbuild/bundles/${name}/${name}.qcow2`));
if (!existsSync(image)) {
  console.error(`${image}: is not there; make it: tbuild recipe ol6-grid --rehearse`);
  process.exit(2);
}
const folder = mkdtempSync(join(tmpdir(), "tbuild-bench-"));
const env = { ...process.env, LIBGUESTFS_BACKEND: "direct", LIBGUESTFS_BACKEND_SETTINGS: "force_tcg" };
const run = (argv, options = {}) =>
  execFileSync(argv[0], argv.slice(1), { stdio: ["ignore", "ignore", "inherit"], env, ...options });
const timed = (work) => {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1000;
};

try {
  const raw = join(folder, "guest.img");
  run(["qemu-img", "convert", "-O", "raw", image, raw]);
  const out = join(folder, "out");
  mkdirSync(out);
  // Both give a new raw disk, so that both write all of it.
  const theirs = timed(() => run(["virt-v2v", "-i", "disk", raw, "-o", "local", "-os", out, "-of", "raw"]));
  const ours = timed(() =>
    run([
      process.execPath,
      join(root, "dist/main.js"),
      "convert",
      "--to",
      "kvm",
      "--out",
      join(folder, "kvm.img"),
      raw,
    ]),
  );
  console.log(`virt-v2v  ${theirs.toFixed(1)} s`);
  console.log(`tbuild    ${ours.toFixed(1)} s  (${(theirs / ours).toFixed(0)} times as fast)`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
