import { everyNode, type Node, part, parts } from "../grammar.ts";

type Above = ReadonlyMap<number, Node>;

/** Whether the shell goes on while a command, or what it is in, runs. */
export function inBackground(node: Node, above: Above): boolean {
  for (const [one] of around(node, above)) if (one.nextSibling?.type === "&") return true;
  return false;
}

/** Whether something decides if a command runs. */
export function conditional(node: Node, above: Above): boolean {
  for (const [, parent] of around(node, above))
    if (
      /^(?:if|case|while|for|c_style_for)_(?:statement|item)$|^(?:list|negated_command|test_command)$/.test(
        parent?.type ?? "",
      )
    )
      return true;
  return false;
}

/** Whether a command, or what it is in, is behind a pipe or reads a file or a text. */
export function fed(node: Node, above: Above): boolean {
  for (const [one, parent] of around(node, above, true)) {
    if (parent?.type === "pipeline" && parts(parent)[0]?.id !== one.id) return true;
    if (parent && redirects(parent).some(isInput)) return true;
  }
  return redirects(node).some(isInput);
}

/** Whether another program reads what a command prints, and ends it by ending. */
export function piped(node: Node, above: Above): boolean {
  for (const [one, parent] of around(node, above))
    if (parent?.type === "pipeline" && parts(parent).at(-1)?.id !== one.id) return true;
  return false;
}

/**
 * Whether what a command prints stays what the script prints, or goes to the console or a log. Filters that show all that they
 * read count as if they were not there.
 */
export function shown(node: Node, above: Above): boolean {
  let found = destination(redirects(node));
  for (const [one, parent] of around(node, above)) {
    if (found !== undefined || parent === undefined) return found ?? true;
    if (/^(?:command|process)_substitution$/.test(parent.type)) return false;
    if (parent.type === "pipeline") {
      const all = parts(parent);
      const behind = all.slice(all.findIndex(({ id }) => id === one.id) + 1);
      if (behind.some((next) => wordsOf(next)[0] === "logger")) return true;
      if (!behind.every(passesOn)) return false;
      found = behind.map((next) => destination(redirects(next))).find((where) => where !== undefined);
    } else found = destination(redirects(parent));
  }
  return found ?? true;
}

/** Which of its own streams a script replaces, by `exec` without a program. */
export function replacedStreams(root: Node): { readonly input: boolean; readonly output: boolean } {
  const all = [...everyNode(root)].filter(
    (one) => one.type === "redirected_statement" && part(one, "body")?.text === "exec",
  );
  return {
    input: all.some((one) => redirects(one).some(({ text }) => /^0?<(?![<(&])/.test(text))),
    output: all.some((one) => destination(redirects(one)) === false),
  };
}

// A node and what it is in, each with its parent: up to its function, or up to the whole script.
function* around(
  node: Node,
  above: Above,
  passesFunctions = false,
): Generator<readonly [Node, Node | undefined]> {
  for (let one: Node | undefined = node; one; one = above.get(one.id)) {
    if (one.type === "function_definition" && !passesFunctions) return;
    yield [one, above.get(one.id)];
  }
}

function redirects(node: Node): Node[] {
  const own = /^(?:command|redirected_statement|function_definition)$/.test(node.type) ? parts(node) : [];
  const body = node.type === "redirected_statement" ? part(node, "body") : undefined;
  return [...own, ...(body?.type === "command" ? parts(body) : [])].filter(({ type }) =>
    /_redirect$/.test(type),
  );
}

function isInput({ type, text }: Node): boolean {
  return /^here/.test(type) || (type === "file_redirect" && /^\d*</.test(text));
}

// Where standard output goes: shown, elsewhere (false), or as before.
function destination(all: readonly Node[]): boolean | undefined {
  for (const { type, text } of all) {
    const [, from = "", to = ""] =
      (type === "file_redirect" && /^(\d*|&)>{1,2}[|]?\s*(&?\s*\S.*)$/s.exec(text)) || [];
    if (to === "" || !/^[1&]?$/.test(from)) continue;
    if (/^&\s*[12]$/.test(to)) return from === "" || from === "1" ? true : undefined;
    const path = to.replace(/^&\s*/, "").replaceAll(/["']/g, "");
    return (
      /^>?\(\s*(?:\S*\/)?(?:tee|logger)\b/.test(path) ||
      /^\/dev\/(?:console|stdout|stderr|kmsg|tty\w*)$|^\/var\/log\/|\.log$/.test(path)
    );
  }
  return undefined;
}

function passesOn(node: Node): boolean {
  return /^(?:cat|fold|nl|sort|tee)$/.test(wordsOf(node)[0] ?? "");
}

// The words of a command with redirections around it, as they are written.
function wordsOf(node: Node): string[] {
  const command = node.type === "redirected_statement" ? (part(node, "body") ?? node) : node;
  if (command.type !== "command") return [];
  return parts(command)
    .filter(({ type }) => !type.endsWith("_redirect"))
    .map(({ text }) => text.replace(/^.*\//, ""));
}
