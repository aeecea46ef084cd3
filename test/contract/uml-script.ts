import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { quickStart } from "../../src/image/ways/uml-machine.ts";
import { host } from "./dirty-image.ts";

/**
 * Runs a shell script as root in User-mode Linux, with `disks` as /dev/ubda, /dev/ubdb and so on, and returns its output.
 * It has the kernel's modules for MD and device-mapper, and its own /run. Throws if the script fails.
 */
export async function inUml(disks: readonly string[], script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-uml-script-"));
  const file = (name: string) => join(folder, name);
  await writeFile(file("do"), `set -ex\n${script}\n`);
  await writeFile(
    file("init"),
    [
      "#!/bin/sh",
      "export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C",
      "mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /run",
      "k=/usr/lib/uml/modules/$(uname -r)/kernel/drivers/md",
      "for m in md-mod raid1 dm-mod; do insmod $k/$m.ko; done",
      `sh ${file("do")} > ${file("out")} 2>&1`,
      `echo $? > ${file("code")}`,
      "echo o > /proc/sysrq-trigger; sleep 60",
      "",
    ].join("\n"),
  );
  await chmod(file("init"), 0o755);
  const ubd = disks.map((disk, index) => `ubd${index}=${resolve(disk)}`);
  await host.run(
    [
      ...[
        "timeout",
        "120",
        "linux.uml",
        "mem=256M",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "rw",
      ],
      ...[...ubd, `init=${file("init")}`, "con=null", "con0=null,null", ...quickStart, `uml_dir=${folder}/`],
    ],
    { allow: [0, 1] },
  );
  const out = await readFile(file("out"), "utf8").catch(() => "it did not start");
  const code = await readFile(file("code"), "utf8").catch(() => "none");
  await rm(folder, { recursive: true });
  if (code.trim() !== "0") throw new Error(`in User-mode Linux: exit code ${code.trim()}\n${out}`);
  return out;
}
