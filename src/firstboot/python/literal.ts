/** The value of a string literal, without its prefix and quotes; `undefined` for a form that Python rejects. */
export function readString(literal: string): string | undefined {
  const [, prefix = "", quotes = "", body = ""] =
    /^([a-zA-Z]{0,2})('''|"""|'|")([\s\S]*)\2$/.exec(literal) ?? [];
  if (quotes === "") return undefined;
  return /r/i.test(prefix) ? body : unescaped(body);
}

const named: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  a: "\x07",
  b: "\b",
  f: "\f",
  v: "\v",
  "\n": "",
};

function unescaped(text: string): string {
  return text.replaceAll(
    /\\(?:U([\da-fA-F]{8})|u([\da-fA-F]{4})|x([\da-fA-F]{2})|([0-7]{1,3})|([\s\S]))/g,
    (_all, wide, long, short, octal, one) => {
      const hex = wide ?? long ?? short;
      if (hex !== undefined) return codePoint(Number.parseInt(hex, 16));
      if (octal !== undefined) return codePoint(Number.parseInt(octal, 8));
      return named[one] ?? (/['"\\]/.test(one) ? one : `\\${one}`);
    },
  );
}

function codePoint(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
}

/** The value of a number in Python 2 or 3; `undefined` for complex numbers. */
export function readNumber(literal: string): number | undefined {
  const text = literal.replaceAll("_", "").replace(/[lL]$/, "");
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}
