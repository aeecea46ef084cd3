import { isKeyboard, keyboardsOf } from "../recipe/keyboards.ts";
import { faultOfLang } from "../recipe/locales.ts";
import { suggestion } from "../recipe/suggestion.ts";
import { isTimezone, timezones } from "../recipe/timezones.ts";
import type { Given } from "./check-words.ts";

/**
 * Faults of the names of languages, keyboards and time zones on a line. The installer's parser accepts any
 * name. With an unknown one, the installation continues with another language or keyboard, or stops and asks.
 */
export function faultsOfNames(command: string, given: Given, major: number): string[] {
  const all = namesOf[command]?.(given) ?? [];
  return all.map((name) => faultOf[command]?.(name, major)).filter((fault) => fault !== undefined);
}

const namesOf: Readonly<Record<string, (given: Given) => string[]>> = {
  lang: ({ words, options }) => [...words, ...listed(options.get("addsupport"))],
  keyboard: ({ words, options }) => [
    ...words,
    ...listed(options.get("vckeymap")),
    ...listed(options.get("xlayouts")),
  ],
  timezone: ({ words }) => [...words],
};

const faultOf: Readonly<Record<string, (name: string, major: number) => string | undefined>> = {
  lang: faultOfLang,
  keyboard: (name, major) =>
    isKeyboard(name, major)
      ? undefined
      : `OL${major} has no keyboard "${name}"${suggestion(name, keyboardsOf(major))}`,
  timezone: (name) =>
    isTimezone(name) ? undefined : `there is no time zone "${name}"${suggestion(name, timezones)}`,
};

function listed(option: string | undefined): string[] {
  return (option ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}
