import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Interrupted } from "../../src/errors.ts";
import { planJob } from "../../src/guest/offline.ts";
import { sealOperations } from "../../src/guest/seal/index.ts";
import { localHost } from "../../src/host/local.ts";
import { namedBy } from "../../src/io/escape.ts";
import { missing } from "../fakes/missing.ts";
import { extDisk, ol6Guest } from "../guest-image.ts";
import { sha256Of } from "./dirty-image.ts";

const lacking = missing("mke2fs");
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

// A title for the window, a new line with a false result, text that runs from right to left, and CSI in one character.
const names = [
  "\u001b]0;owned\u0007",
  "a\n  done; sealed",
  "\u202egnp.exe",
  "\u009b31m",
  "\\x1b]0;owned\\x07",
];
const token = `ghp_${"aB3d".repeat(9)}`;

describe.skipIf(lacking !== undefined)(`names of a guest${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  let image = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-names-"));
    image = join(folder, "hostile.img");
    const secret = names.map((name) => [`/opt/${name}`, `token ${token}\n`] as const);
    const gone = names.map((name) => [`/tmp/${name}`, "x"] as const);
    const files = {
      ...ol6Guest.files,
      ...Object.fromEntries([...secret, ...gone]),
      "/etc/oracle-release": "Oracle Linux Server release 6.10 \u001b]0;owned\u0007\n",
      "/etc/sysconfig/network": "HOSTNAME='build\u001b[2J7.example.com'\n",
      "/etc/tbuild-release": 'NAME="x\u001b]0;owned\u0007"\nVERSION="1"\nBUILD="b"\nID=""\n',
      "/boot/grub/grub.conf": "title \u001b]0;owned\u0007\n kernel /vmlinuz\n",
      "/etc/template.d/scripts/\u001b[2J": "### BEGIN PLUGIN INFO\n# name: x\n### END PLUGIN INFO\n",
    };
    await extDisk(image, { files, links: ol6Guest.links ?? {} });
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ["inspect"],
    ["inspect", "--json"],
    ["seal", "--plan"],
    ["seal", "--plan", "--json"],
    ["seal", "--check"],
    ["seal", "--check", "--json"],
    ["seal", "--plan", "--via", "debugfs"],
    ["repair", "--plan", "--json"],
    ["whois", "--store", "STORE"],
    ["twins", "IMAGE"],
    ["scan", "FOLDER"],
  ])("do not control the terminal: %s %s %s", async (...argv) => {
    const words = argv.map((word) => ({ IMAGE: image, STORE: join(folder, "store") })[word] ?? word);
    const { said } = await tbuild(
      ...words.filter((word) => word !== "FOLDER"),
      argv.includes("FOLDER") ? folder : image,
    );
    expect(said.length).toBeGreaterThan(20);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(said).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2028\u2029]/u);
    expect(said).not.toMatch(/^ {2}done; sealed/m);
  });

  it("are written to JSON so that each can be read back", async () => {
    const { stdout } = await tbuild("seal", "--check", "--json", image);
    const { leftovers, pending } = JSON.parse(stdout) as {
      leftovers: { found: { path: string }[] };
      pending: { name: string; done: string[] }[];
    };
    const found = leftovers.found.map(({ path }) => namedBy(path));
    const removed = pending.find(({ name }) => name === "temporary-files")?.done.map(namedBy);
    for (const name of names) {
      expect(found).toContain(`/opt/${name}`);
      expect(removed).toContain(`/tmp/${name}`);
    }
    expect(new Set(leftovers.found.map(({ path }) => path)).size).toBe(leftovers.found.length);
  });
});

it.skipIf(lacking !== undefined)("a plan of many files stops at a signal, and changes nothing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-ended-"));
  const image = join(folder, "many.img");
  const many = Object.fromEntries(Array.from({ length: 2000 }, (_, number) => [`/tmp/${number}`, ""]));
  await extDisk(image, { ...ol6Guest, files: { ...ol6Guest.files, ...many } });
  const before = await sha256Of(image);
  const ending = new AbortController();
  const progress = () => ending.abort();
  const job = { operations: sealOperations(), search: { keep: [], signal: ending.signal } };
  await expect(
    planJob(localHost(), image, job, { watch: { signal: ending.signal, progress } }),
  ).rejects.toThrow(Interrupted);
  expect(await sha256Of(image)).toBe(before);
  await rm(folder, { recursive: true });
});

async function tbuild(...argv: readonly string[]) {
  const child = spawn("node", [main, ...argv], { env: { ...process.env, NO_COLOR: "1" } });
  let [stdout, said] = ["", ""];
  child.stdout.on("data", (data: Buffer) => {
    stdout += data;
    said += data;
  });
  child.stderr.on("data", (data: Buffer) => {
    said += data;
  });
  await once(child, "close");
  return { stdout, said };
}
