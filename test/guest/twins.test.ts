import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { compareTwins, randomIn } from "../../src/guest/twins.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

describe("two clones", () => {
  it("are compared: shared data that should differ, and data that each generated, is named", async () => {
    const uuid = randomUUID();
    const volume = randomUUID();
    const both = {
      "/etc/agent/id": `${uuid}\n`,
      "/etc/fstab": `UUID=${volume} / ext4 defaults 1 1\nUUID=${randomUUID()} swap swap defaults 0 0\n`,
      "/boot/grub/grub.conf": `kernel /vmlinuz root=UUID=${volume}\n`,
      "/etc/tbuild-release": `ID=${randomUUID()}\n`,
      "/var/lib/agent/seed": randomBytes(64),
      "/etc/motd": "welcome\n",
      "/usr/share/x": randomUUID(),
    };
    const clone = () => memoryTree({ ...both, "/etc/machine-id": randomBytes(16).toString("hex") });
    const report = await compareTwins(clone(), clone(), { shared: [volume] });
    expect(report).toEqual({
      suspects: [
        { path: "/etc/agent/id", what: `a UUID (${uuid.slice(0, 8)}…)` },
        { path: "/var/lib/agent/seed", what: "random bytes" },
      ],
      madeAnew: ["/etc/machine-id"],
      common: 5,
      limits: [],
    });
  });

  it("are suspected for an ID in a name, and files that are too large are named", async () => {
    const [id, uuid] = [randomBytes(15).toString("hex"), randomUUID()];
    const names = [`/var/log/journal/a1${id}`, `/var/lib/agent/${uuid}.db`, `/boot/vmlinuz-0-rescue-a1${id}`];
    const files = {
      [`${names[0]}/system.journal`]: "x",
      [names[1] ?? ""]: "x",
      [names[2] ?? ""]: "x",
      "/srv/large": Buffer.alloc(17 * 1024 * 1024),
    };
    const report = await compareTwins(memoryTree(files), memoryTree(files), { shared: [] });
    expect(report.suspects).toEqual([
      { path: names[1], what: `a UUID (${uuid.slice(0, 8)}…) in its name` },
      { path: names[0], what: `an id (a1${id.slice(0, 6)}…) in its name` },
    ]);
    expect(report.limits).toEqual(["not compared, because larger than 16 MiB: /srv/large"]);
  });

  it.each([
    ["an id of 32 digits", randomBytes(16).toString("hex"), "an id"],
    ["a link address", "mac=52:54:00:12:34:56", "a link address"],
    [
      "a key in base64",
      `key ${randomBytes(64).toString("base64").replaceAll("/", "a").replaceAll("+", "b")}`,
      "a random word",
    ],
    ["512 random bytes", randomBytes(512), "random bytes"],
  ])("are suspected for %s", (_name, data, what) => {
    expect(randomIn(Buffer.from(data))).toMatch(what);
  });

  it.each([
    ["text", "The quick brown fox jumps over the lazy dog, 42 times, and then once more.\n"],
    ["a table", Buffer.from(new Uint32Array(300).map((_, at) => at).buffer)],
    ["packed data", Buffer.concat([Buffer.from("1f8b0800", "hex"), randomBytes(400)])],
    ["zeros for an id", `${"0".repeat(32)} 00000000-0000-0000-0000-000000000000`],
    ["a long path", "/very/long/path/that/goes/on/and/on/Through/Many2/folders/until/it/ends/somewhere"],
    ["nothing", ""],
  ])("are not suspected for %s", (_name, data) => {
    expect(randomIn(Buffer.from(data))).toBeUndefined();
  });
});
