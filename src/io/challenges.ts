/** An authentication challenge (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** In lower case: `bearer`, `basic`, `negotiate` … */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The token68 that replaces parameters, usually base64. */
  readonly token68?: string;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const token68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
const blanks = /[ \t]*/y;

/** All challenges in WWW-Authenticate headers. Each header is parsed separately, so a damaged one does not hide others. */
export function challengesIn(headers: readonly string[]): Challenge[] {
  return headers.flatMap(challengesOf);
}

function challengesOf(text: string): Challenge[] {
  const found: { scheme: string; parameters: Record<string, string>; token68?: string }[] = [];
  let at = 0;
  const read = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) return undefined;
    at = pattern.lastIndex;
    return match[1] ?? match[0];
  };
  while (at < text.length) {
    read(blanks);
    if (text[at] === ",") {
      at++;
      continue;
    }
    const word = read(token);
    if (word === undefined) {
      // This is not valid. Continue after the next comma, where another challenge may start.
      const comma = text.indexOf(",", at);
      if (comma < 0) break;
      at = comma + 1;
      continue;
    }
    const end = at;
    read(blanks);
    const current = found.at(-1);
    if (text[at] === "=" && current && current.token68 === undefined) {
      at++;
      read(blanks);
      const value = text[at] === '"' ? read(quoted)?.replace(/\\(.)/g, "$1") : read(/[^\s,"]+/y);
      if (value === undefined) break;
      const name = word.toLowerCase();
      // The first of two parameters with the same name counts; the second is the server's error.
      if (!(name in current.parameters)) current.parameters[name] = value;
      continue;
    }
    const challenge: (typeof found)[number] = { scheme: word.toLowerCase(), parameters: {} };
    found.push(challenge);
    if (at === end) continue;
    // `Negotiate YWJj==`: a token68 has no name, and only a comma may follow it.
    const data = read(token68);
    if (data !== undefined) challenge.token68 = data;
  }
  return found;
}
