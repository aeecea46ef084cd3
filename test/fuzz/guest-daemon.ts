import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { additions } from "../../src/firstboot/additions.ts";
import { ovfEnvironment } from "../../src/firstboot/ovf-environment.ts";
import type { Entrance } from "./entrance.ts";

const environment = ovfEnvironment(
  [
    { key: "com.oracle.linux.network.hostname", value: "a&<b>", password: false },
    { key: "com.oracle.linux.root-password", value: "ü", password: true },
  ],
  "vm001",
);
// Entities that grow, also where a search for their declaration in bytes does not find it.
const growing = `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "${"a".repeat(1000)}">${Array.from({ length: 9 }, (_, i) => `<!ENTITY b${i} "${(i === 0 ? "&a;" : `&b${i - 1};`).repeat(20)}">`).join("")}]><x>&b8;</x>`;
const messages = `${JSON.stringify({ key: "a.b", value: "c" })}\n${JSON.stringify({ key: "x", value: "ü\n" })}\n{"key": ["a"], "value": {}}\n`;

/** What xenstored answers, as whole packets. */
const packets = () =>
  Buffer.concat(
    (
      [
        [1, 1, "a_b\0c@2D\0"],
        [2, 2, "value"],
        [1, 3, "1\x002\0"],
        [2, 4, "more"],
        [15, 0, "data/tbuild/in\0messages\0"],
        [16, 5, "ENOENT\0"],
        [13, 6, "OK\0"],
        [22, 7, "5\0a\0b\0\0"],
      ] as const
    ).map(([kind, number, text]) => {
      const header = Buffer.alloc(16);
      for (const [i, value] of [kind, number, 0, Buffer.byteLength(text)].entries())
        header.writeUInt32LE(value, i * 4);
      return Buffer.concat([header, Buffer.from(text)]);
    }),
  );

async function disc(folder: string): Promise<Buffer[]> {
  await mkdir(join(folder, "cd"));
  await writeFile(join(folder, "cd/ovf-env.xml"), environment);
  return Promise.all(
    ["-r", "-J", "-iso-level 1"].map(async (names, number) => {
      const file = join(folder, `${number}.iso`);
      spawnSync("xorriso", [
        ...["-as", "mkisofs", "-quiet", ...names.split(" ")],
        ...["-o", file, join(folder, "cd")],
      ]);
      return readFile(file);
    }),
  );
}

const inputs: Readonly<Record<string, (folder: string) => Promise<(Buffer | string)[]>>> = {
  ovf: async () => [environment, growing, Buffer.from(`\ufeff${growing}`, "utf16le")],
  disc,
  port: async () => [messages],
  xenstore: async () => [packets()],
  request: async () => ['{"verb": "set", "key": "a", "value": "b"}', '{"verb": "get", "key": ["a"]}'],
  node: async () => ["com_oracle_linux_root-password", "a@5Fb@C3@BC"],
  lines: async () => ['{"a": "1"}\n{"com.oracle.linux.root-password": "x"}\n'],
  header: async () => [
    "#!/usr/bin/python\n### BEGIN PLUGIN INFO\n# name: a\n# configure: 50\n### END PLUGIN INFO\n",
  ],
  record: async () => ["# macs\n00:21:f6:00:00:01\ntemplate\n"],
  bond: async () => ["Slave Interface: eth0\nPermanent HW addr: 00:21:f6:00:00:01\n"],
  addresses: async () => ["2: eth0    inet 10.0.2.15/24 brd 10.0.2.255 scope global eth0\n"],
};

/** The readers of tbuild's guest additions: in Python, so in a process of their own that all tries share. */
export const daemonEntrances: readonly Entrance[] = Object.entries(inputs).map(([reader, make]) => ({
  name: `the guest additions' reader of: ${reader}`,
  needs: ["python3", ...(reader === "disc" ? ["xorriso"] : [])],
  tries: 60,
  inputs: make,
  async enter(input: Buffer) {
    const said = await ask(`${reader} ${input.toString("base64")}`);
    if (said !== "ok") throw new Error(said);
  },
}));

let running: { readonly child: ChildProcess; readonly lines: AsyncIterator<string> } | undefined;

async function ask(line: string): Promise<string> {
  running ??= start();
  const { child, lines } = running;
  child.stdin?.write(`${line}\n`);
  const { value, done } = await lines.next();
  if (!done) return value;
  running = undefined;
  return "the process ended";
}

function start() {
  const child = spawn("python3", [join(import.meta.dirname, "guest-readers.py"), additions], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  // The tests end while it waits for more; its input ends with them.
  child.unref();
  for (const stream of [child.stdin, child.stdout]) (stream as unknown as { unref?(): void })?.unref?.();
  return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
}
