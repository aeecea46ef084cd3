/** A request of man(7), or text. Both are whole lines. */
export type Line = string;

/** Text as roff prints it, character for character. */
export function text(words: string): string {
  const escaped = [...words].map((char) => {
    const known = special[char];
    if (known !== undefined) return known;
    const code = char.codePointAt(0) ?? 0;
    return code < 0x7f ? char : `\\[u${code.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
  // A line that begins with a dot or an apostrophe would be a request.
  return escaped.join("").replace(/^\./gm, "\\&.");
}

// Characters that roff would read as an escape, or print as a typographic quote, hyphen or accent. They are
// escaped, because people search for words and copy them.
const special: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  '"': "\\(dq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

export function bold(words: string): Line {
  return `\\fB${text(words)}\\fR`;
}

export function section(title: string): Line {
  return `.SH ${text(title)}`;
}

export function paragraph(words: string): Line[] {
  return [".PP", text(words)];
}

/** A term, with its meaning indented below. */
export function term(words: string, meaning: string): Line[] {
  return [".TP", bold(words), text(meaning)];
}

/** Lines that are printed as they are. */
export function literal(lines: readonly string[]): Line[] {
  return [".RS 4", ".nf", ...lines.map(text), ".fi", ".RE"];
}
