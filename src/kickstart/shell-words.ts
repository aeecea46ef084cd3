/**
 * Splits a line into words as Python's `shlex.split` does, which the installers of OL5 to OL9 use; OL5's
 * knows no comments. Only blanks, tabs and line ends separate words; a no-break space does not. Throws if a
 * quotation mark is not closed.
 */
export function shellWords(line: string, comments = true): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string;
    if (/[ \t\r\n]/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === "#" && comments)
      break; // even in mid-word
    else if (c === "'" || c === '"') {
      const [text, end] = quotation(line, i);
      word = (word ?? "") + text;
      i = end;
    } else if (c === "\\")
      // At the end of a line it escapes the line feed, which becomes part of the word.
      word = (word ?? "") + (line[++i] ?? "\n");
    else word = (word ?? "") + c;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/**
 * Quotes a text so that the same splitting returns it as one word. Throws if the text contains a line end.
 */
export function quotedWord(text: string): string {
  oneLine(text);
  if (/^[\w.,+:@/=%^$-]+$/.test(text)) return text;
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** Quotes a text as one word for a POSIX shell, on one line. */
export function shellWord(text: string): string {
  oneLine(text);
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function oneLine(text: string): void {
  if (/[\p{Cc}\u2028\u2029]/u.test(text))
    throw new Error(`${JSON.stringify(text)} cannot be written on one line`);
}

// In double quotes, a backslash escapes only a quote and itself.
function quotation(line: string, start: number): [text: string, end: number] {
  const quote = line[start];
  let text = "";
  for (let i = start + 1; i < line.length; i++) {
    const c = line[i] as string;
    if (c === quote) return [text, i];
    if (quote === '"' && c === "\\" && /["\\]/.test(line[i + 1] ?? "")) text += line[++i];
    else text += c;
  }
  throw new Error("No closing quotation");
}
