import { type TextEdit, withEdits } from "../config/text-edits.ts";

/**
 * dhclient.conf(5) without the statements that give a client its identity: `send dhcp-client-identifier`, `send
 * host-name`, `send fqdn.fqdn`, `send dhcp6.client-id`, `hardware`. What is computed at run time (`gethostname()`,
 * `= hardware`) differs in every clone and stays.
 */
export function freeDhclient(text: string): string {
  const edits: TextEdit[] = statements(text)
    .filter(({ words }) => isIdentity(words))
    .map(({ start, end }) => ({ start, end, text: "" }));
  return withEdits(text, edits);
}

function isIdentity(statement: string): boolean {
  const [, option, value = ""] =
    /^(?:(?:send|supersede|default|append|prepend)\s+)?(dhcp-client-identifier|host-name|fqdn\.(?:fqdn|hostname)|dhcp6\.(?:client-id|fqdn)|hardware|fixed-address|default-duid)\s+(.*)$/s.exec(
      statement,
    ) ?? [];
  if (option === undefined) return false;
  return !/^=?\s*(?:gethostname|hardware|concat|pick-first-value|substring|option|config-option)\b/.test(
    value,
  );
}

/** The statements of an ISC configuration, each with its leading blanks and line end. */
function statements(text: string): { words: string; start: number; end: number }[] {
  const found: { words: string; start: number; end: number }[] = [];
  let words = "";
  let start = 0;
  let isEmpty = true;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (character === "#") {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end - 1;
    } else if (character === '"') {
      if (isEmpty) [start, isEmpty] = [at, false];
      const from = at;
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
      words += text.slice(from, at + 1);
    } else if (/[;{}]/.test(character)) {
      if (character === ";" && !isEmpty)
        found.push({ words: words.trim(), ...wholeLine(text, start, at + 1) });
      [words, isEmpty] = ["", true];
    } else {
      if (isEmpty && !/\s/.test(character)) [start, isEmpty] = [at, false];
      if (!isEmpty) words += character;
    }
  }
  return found;
}

// With its line, if nothing else is on it.
function wholeLine(text: string, start: number, end: number): { start: number; end: number } {
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const rest = /^[ \t]*\r?\n/.exec(text.slice(end, end + 200))?.[0];
  if (text.slice(lineStart, start).trim() !== "" || rest === undefined) return { start, end };
  return { start: lineStart, end: end + rest.length };
}
