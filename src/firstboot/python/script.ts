import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Language, type Node, Parser } from "web-tree-sitter";

/** A node of a syntax tree. Its `type` is a name of tree-sitter-python's grammar, which covers Python 2 and 3. */
export type { Node };

/** A Python program that was read and not run. */
export interface PythonScript {
  readonly text: string;
  readonly root: Node;
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
      return use({ text, root: tree.rootNode });
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

/** The part of a node that the grammar names `field`. */
export function part(node: Node, field: string): Node | undefined {
  return node.childForFieldName(field) ?? undefined;
}

/** Every node of the tree below `root`, `root` first, in the order of the text. */
export function* everyNode(root: Node): Generator<Node> {
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    yield node;
    for (let index = node.childCount - 1; index >= 0; index--) {
      const child = node.child(index);
      if (child !== null) open.push(child);
    }
  }
}
