import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";

// A disk with three partitions. The guest is in the first; the contents of the others, and their names in fstab, vary.
const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const mib = 1024 * 1024;

describe("seal accounts for every file system of the disk", () => {
  let folder: string;
  let count = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-whole-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function diskWith(fstab: string, second: Readonly<Record<string, string>> | "zeros" | "noise") {
    const here = join(folder, String(count++));
    const guest = {
      "etc/oracle-release": "Oracle Linux Server release 8.10\n",
      "etc/os-release": 'ID="ol"\nVERSION_ID="8.10"\n',
      "etc/fstab": `LABEL=r / ext4 defaults 1 1\n${fstab}\n`,
      "var/.keep": "",
      "data/.keep": "",
    };
    const image = join(here, "i.img");
    await mkdir(here, { recursive: true });
    await writeFile(image, "");
    await truncate(image, 40 * mib);
    await host.run(["sfdisk", "-q", image], { input: "2048,40960,83\n43008,20480,83\n" });
    await volume(image, 1, 20, "r", guest, join(here, "guest"));
    if (second === "noise")
      await host.run([
        "dd",
        "if=/dev/urandom",
        `of=${image}`,
        "bs=4096",
        "seek=6000",
        "count=1",
        "conv=notrunc",
      ]);
    else if (second !== "zeros") await volume(image, 21, 10, "v", second, join(here, "second"));
    return image;
  }

  async function volume(
    image: string,
    at: number,
    size: number,
    label: string,
    files: Readonly<Record<string, string>>,
    from: string,
  ) {
    await mkdir(from, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(from, path, ".."), { recursive: true });
      await writeFile(join(from, path), text);
    }
    const offset = `offset=${at * mib}`;
    await host.run(["mke2fs", "-qF", "-t", "ext4", "-L", label, "-E", offset, "-d", from, image, `${size}M`]);
  }

  const seal = async (image: string, ...args: string[]) =>
    host.run(["node", main, "seal", image, "--skip=first-boot", ...args], { allow: [1, 6] });

  it.each([
    "/dev/disk/by-label/v /var ext4 defaults 1 2",
    "LABEL='v' /var ext4 defaults 1 2 # stray",
    "/dev/nvme0n1p2 /var ext4 noauto",
  ])("and seals what fstab mounts by %s", async (fstab) => {
    const image = await diskWith(fstab, { "log/messages": "a leak\n" });
    expect((await seal(image, "--yes")).exitCode).toBe(0);
    expect((await seal(image, "--check")).exitCode).toBe(0);
    const { stdout } = await host.run(["debugfs", "-R", "cat /log/messages", `${image}?offset=${21 * mib}`]);
    expect(stdout).toBe("");
  });

  it("and does not call it sealed while one is unread", async () => {
    const image = await diskWith("LABEL=other /var ext4 defaults 1 2", { "log/messages": "a leak\n" });
    const sealed = await seal(image, "--yes");
    expect(sealed.exitCode).toBe(6);
    expect(sealed.stdout).toContain("not inspected: p2 contains ext4");
    expect(sealed.stdout).toContain("\n  reset, in the inspected volumes: SSH keys, ");
    expect(sealed.stdout).toContain("/etc/fstab:2: /var is LABEL=other");
    const checked = await seal(image, "--check", "--json");
    expect(checked.exitCode).toBe(6);
    expect(JSON.parse(checked.stdout)).toMatchObject({
      sealed: "unknown",
      others: [{ name: "p2", state: "unknown" }],
    });
    expect((await seal(image, "--check", "--allow-unmounted")).exitCode).toBe(0);
  });

  it.each([
    ["an empty file system", {}],
    ["nothing at all", "zeros" as const],
  ])("and knows that %s has no data of the guest", async (_what, second) => {
    const image = await diskWith("", second);
    expect((await seal(image, "--yes")).exitCode).toBe(0);
    expect((await seal(image, "--check")).exitCode).toBe(0);
  });

  it("and does not report unknown contents as empty", async () => {
    const image = await diskWith("", "noise");
    const { exitCode, stdout } = await seal(image, "--yes");
    expect(exitCode).toBe(6);
    expect(stdout).toContain("p2 contains unknown data");
  });

  it("and names what the guest mounts from another disk", async () => {
    const image = await diskWith("/dev/sdb1 /u01 ext4 defaults 0 0", {});
    const { exitCode, stdout } = await seal(image, "--yes");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("not on this disk: /etc/fstab:2: /u01 is /dev/sdb1, which is on another disk");
  });

  it("and names a folder that a bind mount covers", async () => {
    const fstab = "LABEL=v /data ext4 defaults 1 2\n/data/var /var none bind 0 0";
    const image = await diskWith(fstab, { "var/log/messages": "a leak\n" });
    const { exitCode, stdout } = await seal(image, "--yes");
    expect(exitCode).toBe(6);
    expect(stdout).toContain(
      "not inspected: /var is a bind mount of /data/var in the running guest (/etc/fstab:3)",
    );
    const checked = await seal(image, "--check", "--json");
    expect(checked.exitCode).toBe(6);
    expect(JSON.parse(checked.stdout)).toMatchObject({ sealed: "unknown" });
    expect((await seal(image, "--check", "--allow-unmounted")).exitCode).toBe(0);
  });
});
