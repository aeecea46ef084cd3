import { expect, it } from "vitest";
import { cpioArchive } from "../../src/guest/convert/cpio.ts";
import { lookInto } from "../../src/guest/fitness/early-userspace.ts";

const asked = { releases: new Set(["1"]), args: "", isModule: () => false };
const file = (path: string, data: string, mode = 0o755) => ({ path, mode, data: Buffer.from(data) });
const link = (path: string, target: string) => ({ path, mode: 0o777, target });

it.each([
  [
    "a link to a program",
    [link("init", "usr/lib/systemd/systemd"), file("usr/lib/systemd/systemd", "\x7fELF")],
  ],
  [
    "a script with a shell behind links",
    [
      file("init", "#! /bin/sh -e\n"),
      link("bin", "usr/bin"),
      link("usr/bin/sh", "bash"),
      file("usr/bin/bash", "\x7fELF"),
    ],
  ],
  [
    "a link that starts at the root",
    [link("init", "/sbin/init"), link("sbin", "./usr/sbin"), file("usr/sbin/init", "\x7fELF")],
  ],
] as const)("an initramfs starts by %s", async (_what, files) => {
  expect((await lookInto(cpioArchive(files), asked)).noInit).toBeUndefined();
});

it.each([
  ["a link in a circle", [link("init", "other"), link("other", "init")], "has no /init"],
  ["a link out of it", [link("init", "../../gone")], "has no /init"],
  ["a folder", [{ path: "init", mode: 0o755 }], "has no /init"],
  ["a file that nobody may start", [file("init", "\x7fELF", 0o644)], "has a /init that is not a program"],
] as const)("an initramfs does not start by %s", async (_what, files, why) => {
  expect((await lookInto(cpioArchive(files), asked)).noInit).toBe(why);
});

it("an initramfs starts the program of rdinit=", async () => {
  const image = cpioArchive([file("bin/own", "\x7fELF")]);
  expect((await lookInto(image, { ...asked, args: "ro rdinit=/bin/own" })).noInit).toBeUndefined();
  expect((await lookInto(image, asked)).noInit).toBe("has no /init");
});

it("a file with two names has its content under both", async () => {
  const one = cpioArchive([file("init", ""), file("bin/same", "\x7fELF")]);
  // Both get the inode of the first, and two links.
  const second = one.indexOf("070701", 6);
  one.write("00000001", second + 6);
  for (const at of [0, second]) one.write("00000002", at + 6 + 4 * 8);
  expect((await lookInto(one, asked)).noInit).toBeUndefined();
});
