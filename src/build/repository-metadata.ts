import { createGunzip } from "node:zlib";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type DownloadOptions, download, downloadAll } from "../io/download.ts";

/** The requested contents of a yum repository. */
export interface RepositoryContents {
  readonly packages: number;
  /** All names, for suggestions. */
  readonly names: ReadonlySet<string>;
  /**
   * `name.arch` of every package, including those of other architectures, because recipes may name packages
   * like that.
   */
  readonly builds: ReadonlySet<string>;
  /** What packages provide besides their names. */
  readonly provides: ReadonlySet<string>;
  /** Ids and names of its groups. */
  readonly groups: ReadonlySet<string>;
}

/** Reads the metadata of a repository: packages and groups. */
export async function readRepository(
  url: string,
  host: Host,
  options: DownloadOptions = {},
): Promise<RepositoryContents> {
  const base = url.endsWith("/") ? url : `${url}/`;
  const index = (await downloadAll(`${base}repodata/repomd.xml`, options)).toString("utf8");
  const primary = locationOf(index, ["primary"]);
  if (primary === undefined)
    throw new TbuildError("environment", `${base}repodata/repomd.xml: is not a repository index`);
  const found = {
    packages: 0,
    names: new Set<string>(),
    builds: new Set<string>(),
    provides: new Set<string>(),
  };
  const comps = locationOf(index, ["group", "group_gz", "group_xz"]);
  await tagsOf(new URL(primary, base).href, host, options, packageReader(found));
  const groups = new Set<string>();
  if (comps !== undefined) await tagsOf(new URL(comps, base).href, host, options, groupReader(groups));
  return { ...found, groups };
}

function locationOf(index: string, types: readonly string[]): string | undefined {
  for (const type of types) {
    const data = new RegExp(`<data type="${type}">([\\s\\S]*?)</data>`).exec(index)?.[1];
    const href = /<location[^>]*\bhref="([^"]+)"/.exec(data ?? "")?.[1];
    if (href !== undefined) return href;
  }
  return undefined;
}

/** Called with each tag and the text before it. */
type TagReader = (text: string, tag: string) => void;

function packageReader(found: {
  packages: number;
  names: Set<string>;
  builds: Set<string>;
  provides: Set<string>;
}): TagReader {
  let providing = false;
  let name = "";
  return (text, tag) => {
    if (tag === "/name") name = text;
    else if (tag === "/arch") {
      found.builds.add(`${name}.${text}`);
      if (!["x86_64", "noarch"].includes(text)) return;
      found.packages++;
      found.names.add(name);
    } else if (tag.startsWith("rpm:provides")) providing = !tag.endsWith("/");
    else if (tag === "/rpm:provides") providing = false;
    else if (providing && tag.startsWith("rpm:entry")) {
      const provided = /\bname="([^"]*)"/.exec(tag)?.[1];
      if (provided !== undefined) found.provides.add(provided);
    }
  };
}

function groupReader(groups: Set<string>): TagReader {
  return (text, tag) => {
    if (tag === "/id" || tag === "/name") groups.add(text);
  };
}

// Reads the metadata as a stream: that of ol7_latest has 200 MB.
async function tagsOf(url: string, host: Host, options: DownloadOptions, read: TagReader): Promise<void> {
  let rest = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of await plainOf(url, host, options)) {
      const pieces = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split(">");
      rest = pieces.pop() ?? "";
      for (const piece of pieces) {
        const open = piece.lastIndexOf("<");
        read(piece.slice(0, Math.max(0, open)), piece.slice(open + 1));
      }
    }
  } catch (error) {
    if (error instanceof TbuildError) throw error;
    throw new TbuildError("environment", `cannot be read: ${(error as Error).message}`, {
      subject: url,
      cause: error,
    });
  }
}

async function plainOf(url: string, host: Host, options: DownloadOptions): Promise<AsyncIterable<unknown>> {
  const program = { ".xz": "xz", ".zst": "zstd", ".bz2": "bzip2" }[/\.\w+$/.exec(url)?.[0] ?? ""];
  if (program !== undefined) {
    const input = await downloadAll(url, options);
    return chunksOf((await host.run([program, "-dc"], { input })).bytes);
  }
  const stream = await download(url, options);
  if (!url.endsWith(".gz")) return stream;
  const plain = createGunzip();
  stream.once("error", (error) => plain.destroy(error));
  return stream.pipe(plain);
}

async function* chunksOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1 << 20) yield bytes.subarray(at, at + (1 << 20));
}
