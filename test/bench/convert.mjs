// tbuild convert --to kvm compared with virt-v2v, on one PV guest: node test/bench/convert.mjs [IMAGE]
// Shows how long each takes, whether the result boots under qemu, and which traces of Xen remain in its files.
// IMAGE is a raw or qcow2 disk of a guest that was converted to PVM; the default is ol6-grid of the rehearsal.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
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

const tbuild = (...args) =>
  execFileSync(process.execPath, [join(root, "dist/bin/main.js"), ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
const shown = (value) => (typeof value === "number" ? `${value.toFixed(1)} s` : (value ?? ""));
const row = (what, seconds, up, left) =>
  [what.padEnd(10), shown(seconds).padStart(9), `  ${shown(up).padEnd(18)}`, left].join("");

// Seconds until the guest's first program runs from a virtio disk. Its writes are discarded.
async function boots(image, mostSeconds = 240) {
  const machine = ["-machine", "pc", "-accel", "tcg", "-cpu", "qemu64", "-m", "512", "-display", "none"];
  const drive = `if=virtio,format=raw,cache=unsafe,file=${image}`;
  const quiet = ["-nodefaults", "-no-reboot", "-serial", "stdio", "-snapshot", "-nic", "none"];
  const start = performance.now();
  const child = spawn("qemu-system-x86_64", [...machine, ...quiet, "-drive", drive], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const timer = setTimeout(() => child.kill(), mostSeconds * 1000);
  let said = "";
  let up;
  child.stdout.on("data", (data) => {
    said += data;
    if (up !== undefined || !/INIT: Entering runlevel|Welcome to |login:|GUEST-RUNS/.test(said)) return;
    up = (performance.now() - start) / 1000;
    child.kill();
  });
  await new Promise((done) => child.on("close", done));
  clearTimeout(timer);
  return up;
}

function leftOfXen(image) {
  const menus = ["grub/grub.conf", "grub/menu.lst", "grub/device.map", "grub/grub.cfg", "grub2/grub.cfg"];
  const files = ["fstab", "inittab", "securetty", "modprobe.conf", "default/grub"];
  const found = [];
  for (const file of [...menus.map((one) => `/boot/${one}`), ...files.map((one) => `/etc/${one}`)]) {
    let text = "";
    try {
      text = tbuild("cat", `${image}:${file}`);
    } catch {
      continue; // is not there
    }
    const lines = text.split("\n").filter((line) => /^[^#]*(?:\bxvd[a-z]|\b[hx]vc0|\bxen)/.test(line));
    if (lines.length > 0) found.push(`${file} ${lines.length}`);
  }
  return found;
}

try {
  const raw = join(folder, "guest.img");
  run(["qemu-img", "convert", "-O", "raw", image, raw]);
  const out = join(folder, "out");
  mkdirSync(out);
  // Both make a new raw disk, so both write all of it.
  const theirs = timed(() => run(["virt-v2v", "-i", "disk", raw, "-o", "local", "-os", out, "-of", "raw"]));
  const own = join(folder, "kvm.img");
  const ours = timed(() => tbuild("convert", "--to", "kvm", "--out", own, raw));
  const disk = readdirSync(out).find((file) => file.endsWith("-sda")) ?? "";
  console.log(row("", "takes", "user space after", "lines that name Xen's devices"));
  for (const [what, seconds, result] of [
    ["virt-v2v", theirs, join(out, disk)],
    ["tbuild", ours, own],
    ["(before)", undefined, raw],
  ]) {
    const up = await boots(result);
    console.log(row(what, seconds, up ?? "does not boot", leftOfXen(result).join("; ") || "none"));
  }
  console.log(`tbuild is ${(theirs / ours).toFixed(0)} times as fast`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
