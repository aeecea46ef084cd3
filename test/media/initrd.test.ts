import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { escapedLabel, installCommandLine } from "../../src/media/command-line.ts";
import { appendToInitrd, newcCpio } from "../../src/media/initrd.ts";
import { sampleMedium as medium } from "./sample-medium.ts";

it("writes an archive that cpio reads", () => {
  const archive = newcCpio([
    { path: "ks.cfg", data: Buffer.from("install\n") },
    { path: "init", data: Buffer.from("#!/bin/sh\n"), mode: 0o755 },
  ]);
  expect(execFileSync("cpio", ["-tv", "--quiet"], { input: archive }).toString()).toMatch(
    /-rw-r--r--.* 8 .*ks\.cfg\n-rwxr-xr-x.* 10 .*init/,
  );
});

it.each([0, 1, 2, 3])("appends to an initrd of 4n+%i bytes at a multiple of four", async (more) => {
  const folder = mkdtempSync(join(tmpdir(), "tbuild-initrd-"));
  writeFileSync(join(folder, "initrd"), Buffer.alloc(400 + more, 1));
  await appendToInitrd(
    join(folder, "initrd"),
    [{ path: "ks.cfg", data: Buffer.from("install\n") }],
    join(folder, "out"),
  );
  const data = readFileSync(join(folder, "out"));
  const start = more === 0 ? 400 : 404;
  expect(gunzipSync(data.subarray(start)).toString("latin1")).toContain("install\n");
  rmSync(folder, { recursive: true });
});

it.each([
  [
    5,
    "ks=file:/ks.cfg cmdline headless noipv6 ksdevice=eth0 lang=en_US keymap=us console=tty0 console=ttyS0,115200",
  ],
  [6, "ks=file:/ks.cfg cmdline ksdevice=eth0 lang=en_US keymap=us console=tty0 console=ttyS0,115200"],
  [
    7,
    "inst.ks=file:/ks.cfg inst.stage2=hd:LABEL=OL-7.9\\x20Server.x86_64 inst.cmdline inst.geoloc=0 net.ifnames=0 biosdevname=0 console=tty0 console=ttyS0,115200",
  ],
  [
    9,
    "inst.ks=file:/ks.cfg inst.stage2=hd:LABEL=OL-7.9\\x20Server.x86_64 inst.cmdline inst.geoloc=0 net.ifnames=0 biosdevname=0 inst.notmux inst.ksstrict console=tty0 console=ttyS0,115200",
  ],
])("starts the installer of OL%i as it wants to be started", (major, line) => {
  expect(installCommandLine({ ...medium, major })).toBe(line);
});

it("escapes a label as udev does", () => {
  expect(escapedLabel("OL6.10 x86_64 Disc 1 20180625")).toBe("OL6.10\\x20x86_64\\x20Disc\\x201\\x2020180625");
});
