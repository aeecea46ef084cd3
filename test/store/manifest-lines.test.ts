import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../src/model/digest.ts";
import { lineOf, manifestDigest, manifestText, readManifest } from "../../src/model/manifest.ts";
import { openNews } from "../../src/store/compare/change-summary.ts";
import { type LinesOptions, linesIn } from "../../src/store/manifest-lines.ts";
import { sampleManifest } from "../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"d".repeat(64)}`, bytes: 1, dataBytes: 1 } as const;
const count = 30;
const long = new Date(Date.now() - 60_000);

describe("what lists show of manifests", () => {
  let root: string;
  let reads: string[];
  let options: LinesOptions;
  const fileOf = (version: string) => join(root, "templates/ol6-sample", `${version}.json`);
  const put = async (version: string, summary = "a summary") => {
    const text = manifestText(sampleManifest(disk, { version, summary }));
    await writeFile(fileOf(version), text);
    await utimes(fileOf(version), long, long);
    return digestOf(text);
  };
  /** The cache takes only files that changed a second ago at the latest; waits for that. */
  const settled = async () => {
    const { ctimeMs } = await stat(fileOf("1.0.29"));
    await new Promise((done) => setTimeout(done, Math.max(0, ctimeMs + 1050 - Date.now())));
  };
  const summaries = async () => {
    reads = [];
    return [...(await linesIn(root, options)).values()].map(({ summary }) => summary);
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "tbuild-lines-"));
    await mkdir(join(root, "templates/ol6-sample"), { recursive: true });
    options = {
      isManifest: /\.json$/,
      cache: join(root, "cache"),
      async read(file, text) {
        reads.push(file);
        const manifest = readManifest(file, text);
        return { digest: manifestDigest(manifest), line: lineOf(manifest) };
      },
    };
    for (let i = 0; i < count; i++) await put(`1.0.${i}`);
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it("are read once, and again when a file changed, came or went", async () => {
    await settled();
    expect(await summaries()).toHaveLength(count);
    expect(reads).toHaveLength(count);
    expect(await summaries()).toHaveLength(count);
    expect(reads).toEqual([]);
    const plain = await linesIn(root, { ...options, cache: undefined });
    expect(await linesIn(root, options)).toEqual(plain);
    reads = [];

    // Of the same size and time as before, as somebody would have it who wants it unseen.
    const digest = await put("1.0.3", "b summary");
    await rm(fileOf("1.0.4"));
    await put("1.1.0");
    const lines = await linesIn(root, options);
    expect(lines.size).toBe(count);
    expect(lines.get(digest)?.summary).toBe("b summary");
    expect([...lines.values()].some(({ version }) => version === "1.0.4")).toBe(false);
    expect(reads.sort()).toEqual([fileOf("1.0.3"), fileOf("1.1.0")]);
  });

  it("are read anew where the cache is damaged, and cannot be trusted or written", async () => {
    await settled();
    await summaries();
    const [name = ""] = await readdir(join(root, "cache"));
    const cache = join(root, "cache", name);
    const text = await readFile(cache, "utf8");
    for (const damaged of [text.replaceAll("a summary", "a forgery"), text.slice(0, 500), "", "{}\n[]"]) {
      await rm(cache);
      await writeFile(cache, damaged);
      expect(new Set(await summaries())).toEqual(new Set(["a summary"]));
      expect(reads).toHaveLength(count);
    }
    await rm(join(root, "cache"), { recursive: true });
    await writeFile(join(root, "cache"), "no folder");
    expect(await summaries()).toHaveLength(count);
  });

  it("say which manifest is damaged, each time", async () => {
    await settled();
    await writeFile(fileOf("1.0.7"), "{");
    for (let i = 0; i < 2; i++)
      await expect(summaries()).rejects.toThrow(`${fileOf("1.0.7")}: is not a manifest`);
  });

  it("remembers what changed between two versions by what they are", async () => {
    const [a, b] = ["1.0.0", "1.0.1"].map((version) => sampleManifest(disk, { version, summary: version }));
    if (!a || !b) return expect.fail();
    const file = join(root, "cache/news");
    let asked = 0;
    const say = async (tbuild: string) => {
      const news = await openNews(file, tbuild);
      const words = await news.between(manifestDigest(a), manifestDigest(b), async () => {
        asked++;
        return [a, b];
      });
      await news.save();
      return words;
    };
    expect(await say("1")).toBe("the template 1");
    expect(await say("1")).toBe("the template 1");
    expect(asked).toBe(1);
    await say("2");
    expect(asked).toBe(2);
    await writeFile(file, "garbage\n\0");
    expect(await say("1")).toBe("the template 1");
  });
});
