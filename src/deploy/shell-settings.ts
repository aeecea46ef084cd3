import { everyNode, lineOf, type Node, parserOf, part, parts } from "../firstboot/grammar.ts";

/** One `NAME=value` of a file that a shell would source. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** Something that is not a plain setting: its effect is known only by running it. */
export interface NotRead {
  readonly line: number;
  readonly why: string;
}

export interface Settings {
  readonly settings: readonly Setting[];
  readonly notRead: readonly NotRead[];
}

/**
 * Reads the settings of a file that a shell would source. Nothing is run. A setting counts only if it surely takes effect: not in a
 * condition, a function, or a text of several lines.
 */
export async function readSettings(text: string): Promise<Settings> {
  const parse = await parserOf("bash");
  return parse(joined(text.replaceAll(/\r\n?/g, "\n")), settingsIn);
}

// The grammar ends a word at a backslash at the end of a line; a shell does not. Lines keep their numbers.
function joined(text: string): string {
  const continued = /^([ \t]*(?:export[ \t]+)?\w+=[^'"#`\\\n]*)((?:\\\n[^'"#`\\\n]*)+)(.*)$/gm;
  return text.replaceAll(continued, (_, head: string, more: string, rest: string) => {
    const lines = more.split("\\\n");
    return head + lines.join("") + rest + "\n".repeat(lines.length - 1);
  });
}

function settingsIn(root: Node): Settings {
  const settings: Setting[] = [];
  const notRead: NotRead[] = [];
  for (const statement of parts(root)) {
    // A shell would run what is above, and nothing below.
    if (statement.hasError || statement.isError || statement.isMissing) {
      notRead.push({
        line: lineOf(statement),
        why: "here or below, the syntax is wrong, such as a quotation mark that is not closed; nothing from here on was read",
      });
      break;
    }
    const assignments = statement.nextSibling?.type === "&" ? undefined : assignmentsOf(statement);
    if (assignments === undefined) notRead.push({ line: lineOf(statement), why: commandWords(statement) });
    for (const one of assignments ?? []) {
      const [name, value] = [part(one, "name"), part(one, "value")];
      if (name === undefined) continue;
      const plain =
        name.type === "variable_name" && !one.children.some((child) => child?.type === "+=")
          ? plainValue(value)
          : undefined;
      if (plain === undefined)
        notRead.push({ line: lineOf(one), why: `${name.text}: a shell would compute its value` });
      else settings.push({ name: name.text, value: plain, line: lineOf(one) });
    }
  }
  return { settings, notRead };
}

/** The assignments that a statement consists of; `undefined` if it is something else. */
function assignmentsOf(statement: Node): Node[] | undefined {
  if (statement.type === "variable_assignment") return [statement];
  if (statement.type === "variable_assignments") return parts(statement);
  if (statement.type !== "declaration_command") return undefined;
  const [assignments, others] = [
    parts(statement).filter(({ type }) => type === "variable_assignment"),
    parts(statement).filter(({ type }) => type !== "variable_assignment" && type !== "variable_name"),
  ];
  return others.every(({ text }) => /^-[rx]+$/.test(text)) ? assignments : undefined;
}

function commandWords(statement: Node): string {
  const names = [...everyNode(statement)].flatMap((node) =>
    node.type === "variable_assignment" ? (part(node, "name")?.text ?? []) : [],
  );
  const words = "is a command, not a setting";
  return names.length === 0 ? words : `${words}; it may set ${[...new Set(names)].join(", ")}`;
}

/** The value that a shell gives the variable; `undefined` if it would expand something. */
function plainValue(value: Node | undefined): string | undefined {
  if (value === undefined) return "";
  const { type, text } = value;
  if (type === "raw_string") return text.slice(1, -1);
  if (type === "number" || type === "word")
    return /[$`*?[~(){}<>|&]/.test(text) ? undefined : unescaped(text, /\\(.)/gs);
  if (type === "string")
    return parts(value).every((one) => one.type === "string_content")
      ? unescaped(text.slice(1, -1), /\\([$`"\\]|\n)/g)
      : undefined;
  if (type !== "concatenation") return undefined;
  const all = parts(value).map(plainValue);
  return all.includes(undefined) ? undefined : all.join("");
}

function unescaped(text: string, escapes: RegExp): string {
  return text.replaceAll(escapes, (_, one: string) => (one === "\n" ? "" : one));
}
