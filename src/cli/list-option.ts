import { InvalidArgumentError, Option } from "commander";

interface ListSettings {
  readonly choices?: readonly string[];
  /** What separates two values. */
  readonly separator?: RegExp;
}

const comma = /,/;
/** Separates paths at commas. A comma inside a path does not count. */
export const betweenPaths = /,(?=\/)/;

/**
 * An option with several values. Each use takes one word, so that operands may follow it: `--skip a,b image`, or
 * `--skip a --skip b image`.
 */
export function listOption(
  flags: string,
  description: string,
  { choices, separator = comma }: ListSettings = {},
): Option {
  const option = new Option(flags, `${description}; repeat it, or separate values with commas`);
  if (choices) option.argChoices = [...choices];
  return option.argParser((text, before: readonly string[] = []) => {
    const values = text.split(separator);
    const odd = choices && values.find((value) => !choices.includes(value));
    if (odd !== undefined)
      throw new InvalidArgumentError(`${odd} is not allowed. Allowed choices are ${choices?.join(", ")}.`);
    return [...before, ...values];
  });
}

/** For a repeatable option whose value may contain commas. */
export function collected(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
