import type { Output } from "../../src/host/host.ts";
import { type Attributes, GuestTree, parentOf, type RawTree, type Stat } from "../../src/image/tree.ts";

export interface MemoryFile {
  readonly data: string | Uint8Array;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly label?: string;
}

export interface MemoryOptions {
  readonly links?: Readonly<Record<string, string>>;
  readonly dirs?: readonly string[];
  /** Makes the tree one that runs programs. */
  readonly run?: (argv: readonly string[], tree: MemoryTree) => Promise<Output> | Output;
}

type Node = { readonly stat: Stat; readonly data?: Uint8Array };

/** A tree in memory that changes immediately. `snapshot` shows all of it. */
export class MemoryTree extends GuestTree {
  readonly nodes: Map<string, Node>;

  constructor(nodes: Map<string, Node>, run?: MemoryOptions["run"]) {
    super(rawTree(nodes, run && (async (argv) => run(argv, this))));
    this.nodes = nodes;
  }

  /** One line for each file, with everything that must not change. */
  snapshot(): string[] {
    return [...this.nodes]
      .map(([path, { stat, data }]) => {
        const { kind, mode, uid, gid, label = "", target = "" } = stat;
        const content = data ? Buffer.from(data).toString("latin1") : "";
        return `${path} ${kind} ${mode.toString(8)} ${uid}:${gid} ${label} ${target} ${JSON.stringify(content)}`;
      })
      .sort();
  }
}

export function memoryTree(
  files: Readonly<Record<string, string | Uint8Array | MemoryFile>> = {},
  options: MemoryOptions = {},
): MemoryTree {
  const nodes = new Map<string, Node>([["/", dirNode()]]);
  const withParents = (path: string): void => {
    if (nodes.has(path)) return;
    withParents(parentOf(path));
    nodes.set(path, dirNode());
  };
  for (const dir of options.dirs ?? []) withParents(dir);
  for (const [path, file] of Object.entries(files)) {
    withParents(parentOf(path));
    const isData = typeof file === "string" || file instanceof Uint8Array;
    const { data, mode = 0o644, uid = 0, gid = 0, label }: MemoryFile = isData ? { data: file } : file;
    const bytes = Buffer.from(data);
    const attributes = { mode, uid, gid, ...(label !== undefined && { label }) };
    nodes.set(path, { stat: { kind: "file", size: bytes.length, ...attributes }, data: bytes });
  }
  for (const [path, target] of Object.entries(options.links ?? {})) {
    withParents(parentOf(path));
    nodes.set(path, linkNode(target));
  }
  return new MemoryTree(nodes, options.run);
}

function rawTree(nodes: Map<string, Node>, run?: (argv: readonly string[]) => Promise<Output>): RawTree {
  const childrenOf = (dir: string) =>
    [...nodes.keys()].filter((path) => path !== "/" && parentOf(path) === dir);
  return {
    stat: async (path) => nodes.get(path)?.stat,
    list: async (dir) => childrenOf(dir).map((path) => path.slice(path.lastIndexOf("/") + 1)),
    async readFile(path) {
      const data = nodes.get(path)?.data;
      if (!data) throw new Error(`${path}: not a file`);
      return data;
    },
    async writeFile(path, data, attributes) {
      nodes.set(path, { stat: { kind: "file", size: data.length, ...attributes }, data });
    },
    async makeDir(path, attributes) {
      nodes.set(path, dirNode(attributes));
    },
    async makeLink(path, target, label) {
      nodes.set(path, linkNode(target, label));
    },
    async unlink(path) {
      if (childrenOf(path).length > 0) throw new Error(`${path}: not empty`);
      if (!nodes.delete(path)) throw new Error(`${path}: not there`);
    },
    ...(run && { run }),
    async [Symbol.asyncDispose]() {},
  };
}

function dirNode(attributes: Attributes = { mode: 0o755, uid: 0, gid: 0 }): Node {
  return { stat: { kind: "dir", size: 0, ...attributes } };
}

function linkNode(target: string, label?: string): Node {
  const stat = { kind: "link" as const, mode: 0o777, uid: 0, gid: 0, size: target.length, target };
  return { stat: { ...stat, ...(label !== undefined && { label }) } };
}
