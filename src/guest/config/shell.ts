/** One `NAME=value` in a file that a shell reads. */
export interface Assignment {
  readonly name: string;
  /** The value without its quotes. `$name` and `$(command)` are not expanded. */
  readonly value: string;
  /** The range of the value as written, including quotes. */
  readonly valueStart: number;
  readonly valueEnd: number;
  /** The lines that it occupies alone, including the line end; `undefined` if something else is there too. */
  readonly lines?: { readonly start: number; readonly end: number };
}

/**
 * The assignments in a file that bash sources, such as an ifcfg file: with either kind of quotes, exported, several on a
 * line, continued by a backslash, followed by comments, and with CR-LF line ends.
 */
export function shellAssignments(text: string): Assignment[] {
  const lexer = new ShellLexer(text);
  return lexer.assignments();
}

/** A file that a shell reads with `.` or `source`. */
export interface SourcedFile {
  /** Its name, without quotes. */
  readonly file: string;
  /** Whether the name is as written, without variables, commands and patterns. */
  readonly isPlain: boolean;
}

/** The files that a file for a shell reads with `.` or `source`. */
export function shellSources(text: string): SourcedFile[] {
  const lexer = new ShellLexer(text);
  lexer.assignments();
  return lexer.sources;
}

/**
 * The commands in a text for a shell, each as its words without quotes: `a "b c" > d` is `a`, `b c`, `>`, `d`. Words such as
 * `then` are part of the command that follows them.
 */
export function shellCommands(text: string): string[][] {
  const lexer = new ShellLexer(text);
  lexer.assignments();
  return lexer.commands;
}

/** The words that a command tests: of `[ -f a ]`, `a`. */
export function testedBy(words: readonly string[]): string[] {
  return words.filter(
    (_, at) => /^-[a-z]$/.test(words[at - 1] ?? "") && /^(?:\[\[?|test)$/.test(words[at - 2] ?? ""),
  );
}

const declaring = new Set(["export", "declare", "typeset", "readonly", "local"]);
const compound = new Set(
  "if then elif else fi case esac for while until do done select function { } !".split(" "),
);

class ShellLexer {
  readonly #text: string;
  #at = 0;
  /** Filled by `assignments`. */
  readonly sources: SourcedFile[] = [];
  readonly commands: string[][] = [];

  constructor(text: string) {
    this.#text = text;
  }

  assignments(): Assignment[] {
    const found: (Assignment & { readonly start: number; readonly wordEnd: number })[] = [];
    // A line inside an `if` must stay, because the block must not become empty.
    let isPlain = true;
    let takesAssignments = true;
    let isSourcing = false;
    let command: string[] = [];
    const endCommand = () => {
      if (command.length > 0) this.commands.push(command);
      command = [];
    };
    // The start of the current line's words, and the number of each kind.
    let lineStart = 0;
    let wordsHere = 0;
    let assignedHere: number[] = [];
    const endLine = (end: number) => {
      const [only] = assignedHere;
      const one = only === undefined ? undefined : found[only];
      if (one && assignedHere.length === 1 && wordsHere === 1)
        found[only ?? 0] = { ...one, lines: { start: lineStart, end } };
      [lineStart, wordsHere, assignedHere] = [end, 0, []];
    };
    while (this.#at < this.#text.length) {
      const character = this.#text[this.#at] ?? "";
      if (character === "\n") {
        endLine(++this.#at);
        endCommand();
        takesAssignments = true;
        isSourcing = false;
      } else if (/\s/.test(character)) this.#at++;
      else if (character === "\\" && /^\\\r?\n/.test(this.#text.slice(this.#at, this.#at + 3)))
        this.#at += this.#text[this.#at + 1] === "\r" ? 3 : 2;
      else if (character === "#") this.#skipComment();
      else if (/[;&|()<>]/.test(character)) {
        if (/[<>]/.test(character)) command.push(character);
        else endCommand();
        if (/[()]/.test(character)) isPlain = false;
        // `a && b`: without a, b would run always.
        if (/[&|<>]/.test(character)) wordsHere++;
        this.#at++;
        takesAssignments = true;
        isSourcing = false;
      } else {
        const start = this.#at;
        const value = this.#word();
        const written = this.#text.slice(start, this.#at);
        command.push(value);
        if (isSourcing) this.sources.push({ file: value, isPlain: !/^~|[$`*?[]/.test(written) });
        isSourcing = takesAssignments && (written === "." || written === "source");
        const equals = /^([A-Za-z_]\w*)\+?=/.exec(written);
        if (takesAssignments && equals) {
          const valueStart = start + equals[0].length;
          found.push({
            name: equals[1] ?? "",
            value: value.slice(equals[0].length),
            valueStart,
            valueEnd: this.#at,
            start,
            wordEnd: this.#at,
          });
          assignedHere.push(found.length - 1);
          wordsHere++;
        } else if (takesAssignments && compound.has(written)) isPlain = false;
        else if (!takesAssignments || !declaring.has(written)) {
          wordsHere++;
          takesAssignments = takesAssignments && written.startsWith("-");
        }
      }
    }
    endLine(this.#text.length);
    endCommand();
    return found.map(({ name, value, valueStart, valueEnd, lines }) => ({
      name,
      value,
      valueStart,
      valueEnd,
      ...(isPlain && lines && { lines }),
    }));
  }

  #skipComment(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  /** Reads a word and returns it without its quotes. */
  #word(): string {
    let value = "";
    while (this.#at < this.#text.length) {
      const rest = this.#text.slice(this.#at, this.#at + 2);
      const character = rest[0] ?? "";
      if (/[\s;&|()<>]/.test(character)) break;
      if (character === "\\") {
        if (/^\\\r?\n/.test(this.#text.slice(this.#at, this.#at + 3))) {
          this.#at += rest[1] === "\r" ? 3 : 2;
          continue;
        }
        value += rest[1] ?? "";
        this.#at += rest.length;
      } else if (character === "'") value += this.#until("'", false);
      else if (character === '"') value += this.#until('"', true);
      else if (character === "`") value += `\`${this.#until("`", true)}\``;
      else if (rest === "$(" || rest === "${") value += this.#expansion(rest === "$(" ? ")" : "}");
      else if (rest === "$'" || rest === '$"') this.#at++;
      else {
        value += character;
        this.#at++;
      }
    }
    return value;
  }

  // Up to the closing quote. An unclosed quotation ends with its line, so that the rest of the file is still read.
  #until(quote: string, escapes: boolean): string {
    const start = this.#at + 1;
    let value = "";
    for (let at = start; at < this.#text.length; at++) {
      const character = this.#text[at] ?? "";
      if (character === quote) {
        this.#at = at + 1;
        return value;
      }
      if (escapes && character === "\\" && at + 1 < this.#text.length) {
        const next = this.#text[++at] ?? "";
        if (next === "\n") continue;
        value += /["\\$`]/.test(next) ? next : `\\${next}`;
      } else value += character;
    }
    const line = /^[^\r\n]*/.exec(this.#text.slice(start))?.[0] ?? "";
    this.#at = start + line.length;
    return line;
  }

  #expansion(close: string): string {
    const start = this.#at;
    const open = this.#text[start + 1];
    let depth = 0;
    for (let at = start + 1; at < this.#text.length && this.#text[at] !== "\n"; at++) {
      if (this.#text[at] === open) depth++;
      else if (this.#text[at] === close && --depth === 0) {
        this.#at = at + 1;
        return this.#text.slice(start, at + 1);
      }
    }
    this.#at = start + 2;
    return this.#text.slice(start, start + 2);
  }
}
