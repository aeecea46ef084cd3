import { TbuildError } from "../../errors.ts";

/** A value that must not appear in a log, message or process list. */
export interface Secret {
  readonly secret: string;
}
export type Value = string | number | boolean | Secret;

/** An object, named by its id, because names are not unique. */
export interface Target {
  readonly type: string;
  readonly id: string;
}

/** One command of the CLI. */
export interface Command {
  /** As it is sent, without a line end. */
  readonly text: string;
  /** The same without its secrets, for logs and messages. */
  readonly shown: string;
  /** The values to hide, because the Manager may repeat them. */
  readonly secrets: readonly string[];
}

/**
 * A command from words, attributes and a last part such as `on Vm id=…`. Attributes without a value are left out. An
 * attribute may come
 * once only: the Manager takes the last one of several (CLI User's Guide 3.3, chapter 3).
 */
export function command(
  words: string,
  attributes: Readonly<Record<string, Value | undefined>> = {},
  end = "",
): Command {
  const written = (hide: boolean) =>
    [
      words,
      ...Object.entries(attributes).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${wordOf(name, value, hide)}`],
      ),
      ...(end === "" ? [] : [end]),
    ].join(" ");
  const secrets = Object.values(attributes).flatMap((value) =>
    typeof value === "object" ? [value.secret] : [],
  );
  return { text: written(false), shown: written(true), secrets };
}

/** `Vm id=0004fb…`. */
export function instance({ type, id }: Target): string {
  return `${type} id=${quoted("id", id)}`;
}

function wordOf(name: string, value: Value, hide: boolean): string {
  if (typeof value === "boolean") return value ? "Yes" : "No";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return quoted(name, value);
  return hide ? "***" : quoted(name, value.secret);
}

/**
 * Inside quotes, a slash escapes the character after it, including another slash:
 * `url="http:////example.com//t.tgz"` (Concepts Guide 3.3, preface; CLI User's Guide 3.3, "add Repository").
 * Whether a slash outside quotes must be doubled is not documented, so such values are quoted. How to write a
 * line end is not documented: it would end the command, and the rest would run as another command.
 */
function quoted(name: string, value: string): string {
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value))
    throw new TbuildError(
      "usage",
      "contains a line break or another control character, which the CLI of Oracle VM Manager cannot take",
      {
        subject: name,
        hint: "Send it over the REST API (via: rest), or encode it as the module expects it.",
      },
    );
  if (/^[\w.,+-]+$/.test(value)) return value;
  return `"${value.replace(/[/"]/g, "/$&")}"`;
}
