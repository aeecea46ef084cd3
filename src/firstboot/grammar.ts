import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Language, type Node, Parser } from "web-tree-sitter";

/** A node of a syntax tree. Its `type` is a name of the grammar of tree-sitter. */
export type { Node };

/** Reads a text and gives its tree to `use`, as long as which it lives. Bad syntax gives `ERROR` and missing nodes. */
export type Parse = <T>(text: string, use: (root: Node) => T) => T;

/** The parser of a language. It parses and never runs anything. */
export async function parserOf(name: "python" | "bash"): Promise<Parse> {
  languages[name] ??= loadLanguage(name);
  const language = await languages[name];
  return (text, use) => {
    const parser = new Parser();
    try {
      parser.setLanguage(language);
      const tree = parser.parse(text);
      if (tree === null) throw new Error(`the ${name} parser gave no tree`);
      try {
        return use(tree.rootNode);
      } finally {
        tree.delete();
      }
    } finally {
      parser.delete();
    }
  };
}

const languages: { [name in "python" | "bash"]?: Promise<Language> } = {};

async function loadLanguage(name: string): Promise<Language> {
  await Parser.init();
  const file = createRequire(import.meta.url).resolve(`tree-sitter-${name}/tree-sitter-${name}.wasm`);
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
