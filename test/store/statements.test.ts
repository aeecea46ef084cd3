import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import type { Registry } from "../../src/store/exchange/oci/registry.ts";
import {
  countsFor,
  pushStatements,
  readStatements,
  statementsIn,
  takeStatements,
} from "../../src/store/exchange/oci/statements.ts";
import { type Records, recordsIn } from "../../src/store/records/records.ts";

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
    async *readBlob() {},
    putManifest: async (which, data) => void manifests.set(which, data),
    getManifest: async (which) => manifests.get(which),
    tags: async () => [...manifests.keys()],
  };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const name = "ol6-sample";
const person = (who: string) => recordsIn(localHost(), join(folder, who));
const push = async (records: Records) =>
  pushStatements(registry, await statementsIn(records, name), (text) => records.signStatement(text));
const refresh = async (records: Records) =>
  takeStatements(records, await readStatements(registry, name, countsFor(records)));
const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const digest = `sha256:${"a".repeat(64)}` as const;

describe("what is said of versions travels through a registry", () => {
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

  it("what was taken back does not come back from an older copy", async () => {
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

  it("where signers are listed, only theirs takes a warning away or moves a channel", async () => {
    const [a, c] = [person("a"), person("c")];
    await c.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await writeFile(join(c.folder, "allowed_signers"), "");
    await a.revoke(name, "1.0.0", { reason: "it hangs", since: at(1) });
    await a.revoke(name, "1.0.0", undefined);
    await a.revoke(name, "1.1.0", { reason: "it leaks", since: at(1) });
    await a.setChannel(name, "stable", { version: "1.1.0", digest, since: at(5), before: [] });
    await push(a);
    expect(await refresh(c)).toEqual([`${name}@1.1.0 was revoked: it leaks`]);
    expect((await c.revocation(name, "1.0.0"))?.reason).toBe("it hangs");
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
