import { TbuildError } from "../../errors.ts";

export type Literal =
  | string
  | number
  | boolean
  | undefined
  | readonly Literal[]
  | ReadonlyMap<string, Literal>;

/**
 * Reads a vm.cfg: assignments of Python literals to names, and comments. xm would run it as a program; here nothing
 * is ever evaluated, and whatever is no literal is refused with its line.
 */
export function readVmCfg(text: string): ReadonlyMap<string, Literal> {
  const found = new Map<string, Literal>();
  const reader = literalReader(text.replace(/^\ufeff/, "").replaceAll(/\r\n?/g, "\n"));
  for (reader.blankLines(); !reader.atEnd(); reader.blankLines()) {
    const name = reader.take(/[A-Za-z_]\w*/y);
    if (name === undefined) throw reader.wrong("no assignment to a name");
    reader.take(/[ \t]*/y);
    if (reader.take(/=(?!=)/y) === undefined) throw reader.wrong(`no "=" behind ${name}`);
    const value = reader.literal(0);
    reader.take(/[ \t]*(?:;[ \t]*)?/y);
    if (!reader.atEnd() && reader.take(/#.*|\n/y) === undefined)
      throw reader.wrong(`the value of ${name} is no plain literal`);
    found.set(name, value);
  }
  return found;
}

const deepest = 20;

function literalReader(text: string) {
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [word] = pattern.exec(text) ?? [];
    at += word?.length ?? 0;
    return word;
  };
  const wrong = (what: string) =>
    new TbuildError("integrity", `vm.cfg:${text.slice(0, at).split("\n").length}: ${what}`, {
      hint: "A vm.cfg holds assignments such as memory = 2048, and nothing that would have to be run.",
    });
  // Inside brackets a literal may go on on the next line; elsewhere a new line is a new assignment.
  const blanks = (depth: number) => take(depth > 0 ? /(?:\s|#.*)*/y : /[ \t]*(?:\\\n[ \t]*)*/y);

  function literal(depth: number): Literal {
    if (depth > deepest) throw wrong("its literals are nested too deeply");
    blanks(depth);
    const quoted = take(/[uUbBrR]{0,2}(?:'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*")/y);
    if (quoted !== undefined) return unquoted(quoted);
    const number = take(/-?(?:0[xX][\da-fA-F]+|\d+(?:\.\d+)?)[lL]?(?![\w.])/y);
    if (number !== undefined) return Number(number.replace(/[lL]$/, ""));
    const word = take(/(?:True|False|None)\b/y);
    if (word !== undefined) return { True: true, False: false }[word];
    if (take(/\[/y)) return items("]", depth);
    if (take(/\(/y)) return items(")", depth);
    if (take(/\{/y)) return pairs(depth);
    throw wrong("no literal");
  }

  function items(end: "]" | ")", depth: number): Literal[] {
    const found: Literal[] = [];
    const closes = end === "]" ? /\]/y : /\)/y;
    for (;;) {
      blanks(depth + 1);
      if (take(closes)) return found;
      found.push(literal(depth + 1));
      blanks(depth + 1);
      if (take(closes)) return found;
      if (!take(/,/y)) throw wrong(`no "," and no "${end}" in a list`);
    }
  }

  function pairs(depth: number): ReadonlyMap<string, Literal> {
    const found = new Map<string, Literal>();
    for (;;) {
      blanks(depth + 1);
      if (take(/\}/y)) return found;
      const key = literal(depth + 1);
      blanks(depth + 1);
      if (typeof key !== "string" || !take(/:/y)) throw wrong("no key with a value");
      found.set(key, literal(depth + 1));
      blanks(depth + 1);
      if (take(/\}/y)) return found;
      if (!take(/,/y)) throw wrong('no "," and no "}" between keys');
    }
  }

  return {
    take,
    wrong,
    literal,
    atEnd: () => at >= text.length,
    blankLines: () => take(/(?:[ \t]*(?:#.*)?(?:\n|$))*(?:[ \t]+$)?/y),
  };
}

function unquoted(word: string): string {
  const [, prefix = "", text = ""] = /^([a-z]*)["'](.*)["']$/is.exec(word) ?? [];
  if (/r/i.test(prefix)) return text;
  return text.replaceAll(/\\(?:x([\da-f]{2})|u([\da-f]{4})|(\n)|(.))/gi, (_all, x, u, line, one) => {
    if (x ?? u) return String.fromCharCode(Number.parseInt(x ?? u, 16));
    if (line) return "";
    return escapes[one] ?? (/["'\\]/.test(one) ? one : `\\${one}`);
  });
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", a: "\u0007", b: "\b" };
