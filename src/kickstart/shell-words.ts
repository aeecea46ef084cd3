/**
 * The words of a line as Python's `shlex.split` gives them, which every installer from OL5 to OL9 asks; that of OL5 knows
 * no comments. Throws where a quotation is not closed.
 */
export function shellWords(line: string, comments = true): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string;
    if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === "#" && comments)
      break; // even in mid-word
    else if (c === "'" || c === '"') {
      const [text, end] = quotation(line, i);
      word = (word ?? "") + text;
      i = end;
    } else if (c === "\\") {
      if (i + 1 >= line.length) throw new Error("No escaped character");
      word = (word ?? "") + line[++i];
    } else word = (word ?? "") + c;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** One word of a line that the same splitting gives back as it is. What would end the line is refused. */
export function quotedWord(text: string): string {
  oneLine(text);
  if (/^[\w.,+:@/=%^$-]+$/.test(text)) return text;
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** One word for a POSIX shell, on one line. */
export function shellWord(text: string): string {
  oneLine(text);
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function oneLine(text: string): void {
  if (/[\p{Cc}\u2028\u2029]/u.test(text)) throw new Error(`${JSON.stringify(text)} cannot stand on a line`);
}

// In double quotes a backslash escapes a quote and itself, and nothing else.
function quotation(line: string, start: number): [text: string, end: number] {
  const quote = line[start];
  let text = "";
  for (let i = start + 1; i < line.length; i++) {
    const c = line[i] as string;
    if (c === quote) return [text, i];
    if (quote === '"' && c === "\\" && i + 1 >= line.length) throw new Error("No escaped character");
    if (quote === '"' && c === "\\" && /["\\]/.test(line[i + 1] ?? "")) text += line[++i];
    else text += c;
  }
  throw new Error("No closing quotation");
}
