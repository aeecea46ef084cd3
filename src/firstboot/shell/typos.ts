import { everyNode, lineOf, type Node, part, parts } from "../grammar.ts";

/** A line that bash reads without a complaint, and that does something else than it seems to. */
export interface ShellTypo {
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
  readonly remedy: string;
}

export function typosOf(root: Node): ShellTypo[] {
  return [...everyNode(root)].flatMap((node): ShellTypo[] => {
    const line = lineOf(node);
    if (node.type === "test_command") {
      const { text } = node;
      const isGlued = /^\[[^\s[]/.test(text) || /^\[\[\S/.test(text) || /^\[\s.*[^\s\]]\]$/s.test(text);
      if (!isGlued) return [];
      return [
        {
          line,
          text: `${shortened(text)} lacks a blank beside its bracket`,
          remedy: "Write [ … ] with blanks",
        },
      ];
    }
    if (node.type === "heredoc_redirect") return unended(node);
    if (node.type !== "command") return [];
    const name = part(node, "name")?.text ?? "";
    const [, second, third] = parts(node);
    if (second?.text !== "=" || !/^[A-Za-z_]\w*$/.test(name) || name === "test") return [];
    return [
      {
        line,
        text: `${name} = … starts a program ${name}: an assignment has no blanks`,
        remedy: `Write ${name}=${third?.text ?? ""}`,
      },
    ];
  });
}

// The word that ends a text of the script stands alone in its line; behind <<-, tabs may be in front of it.
function unended(node: Node): ShellTypo[] {
  const end = parts(node).find(({ type }) => type === "heredoc_end");
  if (!end || end.startPosition.column === 0) return [];
  const [, blanks = ""] = /\n([ \t]*)\S+\s*$/.exec(node.text) ?? [];
  if (node.text.startsWith("<<-") && !blanks.includes(" ")) return [];
  return [
    {
      line: lineOf(end),
      text: `${end.text} is indented, so that it does not end the text that began in line ${lineOf(node)}`,
      remedy: `Write ${end.text} at the beginning of the line, or <<- and tabs`,
    },
  ];
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
