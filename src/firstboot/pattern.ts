import { RE2JS } from "re2js";

// This file also runs in the browser, in the pages of the catalog.

/**
 * Patterns come with templates of other people, so they are matched by RE2's algorithm, whose time grows with
 * the length of the value: `(a+)+$` would keep JavaScript's RegExp busy forever. RE2 has no lookaround and no
 * backreferences.
 */
const compiled = new Map<string, RE2JS | undefined>();
const longest = 2000;

/** Whether a text is a regular expression that can be checked. */
export function isPattern(text: string): boolean {
  return expression(text) !== undefined;
}

/** Whether a pattern matches a whole value; `undefined` if it is not a pattern. */
export function matchesWhole(pattern: string, value: string): boolean | undefined {
  return expression(pattern)?.matches(value);
}

function expression(text: string): RE2JS | undefined {
  if (!compiled.has(text)) compiled.set(text, compile(text));
  return compiled.get(text);
}

function compile(text: string): RE2JS | undefined {
  if (text.length > longest) return undefined;
  try {
    return RE2JS.compile(text);
  } catch {
    return undefined;
  }
}
