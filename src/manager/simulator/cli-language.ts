/** One command as the CLI reads it. */
export interface ParsedCommand {
  /** As it was given. */
  readonly text: string;
  /** Words without an equals sign, such as `create`, `Vm`, `on`, `ServerPool`. */
  readonly words: readonly string[];
  /** All attributes in order, with the number of words before each: `id=` after `Vm` belongs to it. Names in lower case. */
  readonly attributes: readonly { readonly name: string; readonly value: string; readonly after: number }[];
}

/** The error if it cannot be read as a command. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/**
 * Splits the input at `;` and line ends outside quotes, and each command into words and attributes. In
 * quotes, a slash escapes the next character (Concepts Guide 3.3, preface: `description="HR/'s VMs"`).
 */
export function parseCommands(text: string, unquotedSlash: "plain" | "escape"): ParsedCommand[] {
  const commands: ParsedCommand[] = [];
  let at = 0;
  while (at < text.length) {
    const start = at;
    const tokens: { text: string; isQuoted: boolean }[] = [];
    let token: { text: string; isQuoted: boolean } | undefined;
    let quote: string | undefined;
    for (; at < text.length; at++) {
      const c = text[at] ?? "";
      if (c === "/" && (quote !== undefined || unquotedSlash === "escape")) {
        token ??= { text: "", isQuoted: false };
        token.text += text[++at] ?? "";
        continue;
      }
      if (quote === undefined && /[;\r\n]/.test(c)) break;
      if (quote === undefined && /\s/.test(c)) {
        if (token) tokens.push(token);
        token = undefined;
      } else if (c === quote) quote = undefined;
      else if (quote === undefined && (c === '"' || c === "'")) {
        quote = c;
        token ??= { text: "", isQuoted: true };
      } else {
        token ??= { text: "", isQuoted: false };
        token.text += c;
      }
    }
    if (quote !== undefined) throw new Unreadable("a quote is not closed");
    if (token) tokens.push(token);
    const whole = text.slice(start, at).trim();
    at++;
    if (tokens.length > 0) commands.push(commandOf(whole, tokens));
  }
  return commands;
}

function commandOf(text: string, tokens: readonly { text: string; isQuoted: boolean }[]): ParsedCommand {
  const words: string[] = [];
  const attributes: { name: string; value: string; after: number }[] = [];
  for (const token of tokens) {
    const equals = token.text.indexOf("=");
    const name = token.text.slice(0, equals);
    if (token.isQuoted || equals <= 0 || !/^\w+$/.test(name)) words.push(token.text);
    else
      attributes.push({
        name: name.toLowerCase(),
        value: token.text.slice(equals + 1),
        after: words.length,
      });
  }
  return { text, words, attributes };
}

/** The value of an attribute; of several the last one, as the CLI does (CLI User's Guide 3.3). */
export function attribute({ attributes }: ParsedCommand, name: string, after?: number): string | undefined {
  return attributes
    .filter((one) => one.name === name.toLowerCase() && (after === undefined || one.after === after))
    .at(-1)?.value;
}
