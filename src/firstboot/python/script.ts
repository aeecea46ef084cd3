import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Language, type Node, Parser } from "web-tree-sitter";

/** A node of a syntax tree. Its `type` is a name of tree-sitter-python's grammar, which covers Python 2 and 3. */
export type { Node };

/** A Python program that was parsed, not run. */
export interface PythonScript {
  readonly text: string;
  readonly root: Node;
  /** Every node of the tree, in the order of the text. Each step in the tree is slow, so it is walked once. */
  readonly nodes: readonly Node[];
  /** The parent of a node. The parser itself would search for it from the root. */
  above(node: Node): Node | undefined;
}

/**
 * Reads a Python program of any version from 2.3 to 3. Bad syntax gives a tree with `ERROR` and missing nodes in it.
 * The tree lives as long as `use` runs.
 */
export async function withPython<T>(text: string, use: (script: PythonScript) => T): Promise<T> {
  language ??= loadLanguage();
  const known = await language;
  const parser = new Parser();
  try {
    parser.setLanguage(known);
    const tree = parser.parse(text);
    if (tree === null) throw new Error("the Python parser gave no tree");
    try {
      return use(new Script(text, tree.rootNode));
    } finally {
      tree.delete();
    }
  } finally {
    parser.delete();
  }
}

let language: Promise<Language> | undefined;

async function loadLanguage(): Promise<Language> {
  await Parser.init();
  const file = createRequire(import.meta.url).resolve("tree-sitter-python/tree-sitter-python.wasm");
  return Language.load(await readFile(file));
}

/** The line of a node, counted from 1. */
export function lineOf(node: Node): number {
  return node.startPosition.row + 1;
}

/** The children that have a meaning, without comments. */
export function parts(node: Node): Node[] {
  return node.namedChildren.filter((child): child is Node => child !== null && child.type !== "comment");
}

/** The child that the grammar calls `field`. */
export function part(node: Node, field: string): Node | undefined {
  return node.childForFieldName(field) ?? undefined;
}

class Script implements PythonScript {
  readonly text: string;
  readonly root: Node;
  #nodes: Node[] | undefined;
  readonly #above = new Map<number, Node>();

  constructor(text: string, root: Node) {
    this.text = text;
    this.root = root;
  }

  get nodes(): readonly Node[] {
    this.#nodes ??= [...everyNode(this.root, (child, above) => this.#above.set(child.id, above))];
    return this.#nodes;
  }

  above(node: Node): Node | undefined {
    return this.nodes.length > 0 ? this.#above.get(node.id) : undefined;
  }
}

/** Every node of the tree below `root`, `root` first, in the order of the text. */
export function* everyNode(root: Node, met: (child: Node, above: Node) => void = () => {}): Generator<Node> {
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    yield node;
    // All children at once: fetching one by index takes time in proportion to the index.
    for (const child of node.children.toReversed()) {
      if (child === null) continue;
      met(child, node);
      open.push(child);
    }
  }
}
