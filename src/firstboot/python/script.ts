import { everyNode, lineOf, type Node, parserOf, part, parts } from "../grammar.ts";

export { everyNode, lineOf, type Node, part, parts };

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
  const parse = await parserOf("python");
  return parse(text, (root) => use(new Script(text, root)));
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
