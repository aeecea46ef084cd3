import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import type { Registry } from "../../src/store/exchange/oci/registry.ts";
import {
  judgeBy,
  pushStatements,
  readStatements,
  statementsIn,
  takeStatements,
} from "../../src/store/exchange/oci/statements.ts";
import { type Records, recordsIn } from "../../src/store/records/records.ts";
import { describeWith } from "../fakes/missing.ts";

let folder: string;
let registry: Registry;
let manifests: Map<string, Uint8Array>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-statements-"));
  manifests = new Map();
  const blobs = new Map<string, Uint8Array>();
  registry = {
    hasBlob: async (digest) => blobs.has(digest),
    putBlob: async (digest, data) => void blobs.set(digest, data),
    mountBlob: async () => false,
    async *readBlob() {},
    putManifest: async (which, data) => void manifests.set(which, data),
    getManifest: async (which) => manifests.get(which),
    tags: async () => ({ names: [...manifests.keys()] }),
  };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const name = "ol6-sample";
const person = (who: string) => recordsIn(localHost(), join(folder, who));
const push = async (records: Records) =>
  pushStatements(
    registry,
    await statementsIn(records, name),
    (text) => records.signStatement(text),
    judgeBy(records),
  );
const refresh = async (records: Records) =>
  takeStatements(records, (await readStatements(registry, judgeBy(records))).statements);
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const digest = `sha256:${"a".repeat(64)}` as const;

describe("statements about versions travel through a registry", () => {
  it("revocations of two people who push at one time are both there for a third", async () => {
    const [a, b, c] = [person("a"), person("b"), person("c")];
    await a.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await b.revoke(name, "1.1.0", { reason: "it leaks", since: at(2) });
    await b.revoke(name, "1.0.0", { reason: "it crashes", since: at(3) });
    await Promise.all([push(a), push(b)]);
    expect(await refresh(c)).toHaveLength(2);
    expect((await c.revocation(name, "1.0.0"))?.reason).toBe("it crashes");
    expect((await c.revocation(name, "1.1.0"))?.reason).toBe("it leaks");
    expect(await refresh(c)).toEqual([]);
    expect(await push(c)).toBe(0);
  });

  it("a withdrawn statement does not return from an older copy", async () => {
    const [a, b] = [person("a"), person("b")];
    await a.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await push(a);
    await refresh(b);
    await b.revoke(name, "1.0.0", undefined);
    expect(await refresh(b)).toEqual([]);
    expect(await b.revocation(name, "1.0.0")).toBeUndefined();
    await push(b);
    expect(await push(a)).toBe(0);
    await refresh(a);
    expect(await a.revocation(name, "1.0.0")).toBeUndefined();
  });

  it("channels go to the newer place, and tags stay", async () => {
    const [a, b] = [person("a"), person("b")];
    await a.setChannel(name, "stable", { version: "1.0.0", digest, since: at(1), before: [] });
    await b.setChannel(name, "stable", { version: "1.1.0", digest, since: at(2), before: [] });
    await a.setTag(name, "audited", { version: "1.0.0", digest, since: at(1) });
    await push(b);
    await push(a);
    await refresh(a);
    await refresh(b);
    expect((await a.channel(name, "stable"))?.version).toBe("1.1.0");
    expect((await b.channel(name, "stable"))?.version).toBe("1.1.0");
    expect((await b.tags(name)).audited?.version).toBe("1.0.0");
  });

  it("if signers are listed, only their statements count, and others are shown with the reason", async () => {
    const [a, c] = [person("a"), person("c")];
    await c.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await writeFile(join(c.folder, "allowed_signers"), "");
    await a.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await a.revoke(name, "1.0.0", undefined);
    await a.revoke(name, "1.1.0", { reason: "it leaks", since: at(1) });
    await a.setChannel(name, "stable", { version: "1.1.0", digest, since: at(5), before: [] });
    await push(a);
    expect(await refresh(c)).toEqual([]);
    expect((await c.revocation(name, "1.0.0"))?.reason).toBe("it hangs");
    expect(await c.revocation(name, "1.1.0")).toBeUndefined();
    const { doubted } = await readStatements(registry, judgeBy(c));
    expect(doubted.map(({ statement, why }) => [statement.says, statement.version, why])).toEqual([
      ["revoked", "1.0.0", "it is not signed, but allowed_signers lists who may sign"],
      ["revoked", "1.1.0", "it is not signed, but allowed_signers lists who may sign"],
      ["channel", "1.1.0", "it is not signed, but allowed_signers lists who may sign"],
    ]);
    expect(await c.channel(name, "stable")).toBeUndefined();
  });

  it("is not believed when it is another's, damaged, or under a tag that is not its own", async () => {
    const a = person("a");
    await a.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await push(a);
    const [[tag, data] = ["", Buffer.from("")]] = manifests;
    manifests.clear();
    manifests.set(tag.replace("1.0.0", "1.0.1"), data);
    manifests.set(tag, data.subarray(0, 50));
    manifests.set(
      tag.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
      data,
    );
    expect(await refresh(person("c"))).toEqual([]);
  });
});

describeWith(["ssh-keygen"], "signed statements", () => {
  const keyOf = async (who: string) => {
    const key = join(folder, `${who}.key`);
    await localHost().run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]);
    return { key, line: `${who}@example.com ${(await readFile(`${key}.pub`, "utf8")).trim()}\n` };
  };
  const signer = (who: string, key: string) => recordsIn(localHost(), join(folder, who), key);

  it("count by the keys that are listed, and no newer one of another key hides them or keeps them out", async () => {
    const [ann, eve] = [await keyOf("ann"), await keyOf("eve")];
    const [a, e, reader] = [signer("a", ann.key), signer("e", eve.key), person("reader")];
    for (const records of [a, reader]) {
      await mkdir(records.folder, { recursive: true });
      await writeFile(join(records.folder, "allowed_signers"), ann.line);
    }
    await e.revoke(name, "2.0.0", { reason: "use mine", since: at(9) });
    await e.revoke(name, "1.0.0", { reason: "it was fine", since: at(1) });
    await e.revoke(name, "1.0.0", undefined);
    await e.setChannel(name, "stable", { version: "6.6.6", digest, since: at(50), before: [] });
    await push(e);
    await a.revoke(name, "1.0.0", { reason: "it hangs", since: at(2) });
    await a.setChannel(name, "stable", { version: "1.1.0", digest, since: at(3), before: [] });
    expect(await push(a)).toBe(2);
    expect(await refresh(reader)).toEqual([
      `${name}@1.0.0 was revoked: it hangs`,
      `${name}: stable points at 1.1.0`,
    ]);
    const { doubted } = await readStatements(registry, judgeBy(reader));
    expect(doubted.map(({ statement }) => statement.version).sort()).toEqual(["1.0.0", "2.0.0", "6.6.6"]);
    expect(doubted[0]?.why).toMatch(/^allowed_signers does not list the key that signed it, SHA256:/);
    expect(await push(a)).toBe(0);

    await a.revoke(name, "1.0.0", undefined);
    await push(a);
    expect(await refresh(reader)).toEqual([`${name}@1.0.0 is no longer revoked`]);
  });

  it("are signed afterwards where they were sent without a key, and not when one byte of them is another's", async () => {
    const ann = await keyOf("ann");
    const [plain, a, reader] = [person("a"), signer("a", ann.key), person("reader")];
    await mkdir(reader.folder, { recursive: true });
    await writeFile(join(reader.folder, "allowed_signers"), ann.line);
    await plain.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await push(plain);
    expect(await refresh(reader)).toEqual([]);
    expect(await push(a)).toBe(1);
    expect(await push(plain)).toBe(0);
    expect(await refresh(reader)).toEqual([`${name}@1.0.0 was revoked: it hangs`]);

    const [tag, data] = [...manifests][0] ?? expect.fail();
    const artifact = JSON.parse(Buffer.from(data).toString());
    const forged = `${JSON.stringify({ says: "revoked", name, version: "1.0.0", reason: "it is slow", since: at(5) })}\n`;
    artifact.layers[0].data = Buffer.from(forged).toString("base64");
    const hash = createHash("sha256").update(forged).digest("hex").slice(0, 12);
    manifests.set(
      tag.replace(/\.\d{8}T.*/, `.${at(5).replace(/[-:.]/g, "")}.${hash}`),
      Buffer.from(JSON.stringify(artifact)),
    );
    expect((await readStatements(registry, judgeBy(reader))).doubted[0]?.why).toMatch(/its signature is bad/);
    expect(await refresh(reader)).toEqual([]);
  });
});

it("of a clock that is far ahead does not count, and so can be taken back", async () => {
  const [a, b] = [person("a"), person("b")];
  const since = new Date(Date.now() + 400 * 24 * 3600 * 1000).toISOString();
  await a.revoke(name, "1.0.0", { reason: "it hangs", since });
  await push(a);
  expect(await refresh(b)).toEqual([]);
  expect((await readStatements(registry, judgeBy(b))).doubted[0]?.why).toBe(
    "its time is more than a day ahead",
  );
});

it("a push does not lead the registry's own tag back to where a channel was", async () => {
  const [a, b] = [person("a"), person("b")];
  const version = (number: string) => Buffer.from(JSON.stringify({ number, digest }));
  manifests.set("1.0.0", version("1.0.0"));
  manifests.set("1.1.0", version("1.1.0"));
  await a.setChannel(name, "stable", { version: "1.0.0", digest, since: at(1), before: [] });
  await b.setChannel(name, "stable", { version: "1.1.0", digest, since: at(2), before: [] });
  await push(b);
  await push(a);
  expect(manifests.get("stable")).toEqual(version("1.1.0"));
});
