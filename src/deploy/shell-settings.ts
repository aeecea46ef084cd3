/** One `NAME=value` of a file that a shell would source. */
export interface Setting {
  readonly name: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** A line that is not a plain setting: its effect is known only by running it. */
export interface NotRead {
  readonly line: number;
  readonly text: string;
  readonly why: string;
}

/**
 * Reads the settings of a file that a shell would source. Nothing is run. Expansions and commands are
 * reported. Comments, quotes, backslashes, `export` and several settings on a line are understood.
 */
export function readSettings(text: string): { settings: Setting[]; notRead: NotRead[] } {
  const settings: Setting[] = [];
  const notRead: NotRead[] = [];
  const lines = text.replaceAll(/\r\n?/g, "\n").split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1;
    let whole = lines[at] ?? "";
    // A backslash at the end of a line joins it with the next.
    while (/(?:^|[^\\])(?:\\\\)*\\$/.test(whole) && at + 1 < lines.length)
      whole = whole.slice(0, -1) + (lines[++at] ?? "");
    const words = wordsOf(whole);
    if (words === undefined) {
      notRead.push({ line, text: whole.trim(), why: "a quotation mark is not closed" });
      continue;
    }
    const own = words[0]?.text === "export" ? words.slice(1) : words;
    for (const word of own) {
      const [, name, value = ""] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(word.text) ?? [];
      if (name === undefined || own.some((one) => !/^[A-Za-z_]\w*=/.test(one.text))) {
        notRead.push({ line, text: whole.trim(), why: "is a command, not a setting" });
        break;
      }
      if (word.expands)
        notRead.push({ line, text: whole.trim(), why: `${name}: a shell would compute its value` });
      else settings.push({ name, value, line });
    }
  }
  return { settings, notRead };
}

interface Word {
  readonly text: string;
  /** A shell would expand this. */
  readonly expands: boolean;
}

// The words of a line as a POSIX shell splits them; `undefined` where a quotation mark is not closed.
function wordsOf(line: string): Word[] | undefined {
  const words: Word[] = [];
  let text: string | undefined;
  let expands = false;
  const end = () => {
    if (text !== undefined) words.push({ text, expands });
    text = undefined;
    expands = false;
  };
  for (let i = 0; i < line.length; i++) {
    const c = line[i] ?? "";
    if (/[ \t]/.test(c) || c === ";") end();
    else if (c === "#" && text === undefined) break;
    else if (c === "'") {
      const close = line.indexOf("'", i + 1);
      if (close < 0) return undefined;
      text = (text ?? "") + line.slice(i + 1, close);
      i = close;
    } else if (c === '"') {
      text ??= "";
      for (i++; line[i] !== '"'; i++) {
        if (i >= line.length) return undefined;
        if (line[i] === "\\" && /[$`"\\]/.test(line[i + 1] ?? "")) text += line[++i];
        else {
          if (/[$`]/.test(line[i] ?? "")) expands = true;
          text += line[i];
        }
      }
    } else if (c === "\\") text = (text ?? "") + (line[++i] ?? "");
    else {
      if (/[$`*?[~(){}<>|&]/.test(c)) expands = true;
      text = (text ?? "") + c;
    }
  }
  end();
  return words;
}
