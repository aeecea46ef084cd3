import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isKeyboard, keyboardsOf } from "../../src/recipe/keyboards.ts";
import { suggestion } from "../../src/recipe/suggestion.ts";
import { itWith } from "../fakes/missing.ts";

// Debian's xkb-data.
const rules = ["base", "evdev"].map((name) => `/usr/share/X11/xkb/rules/${name}.lst`).filter(existsSync);

/** The layouts of a rules file, alone and with each of their variants. */
function namesIn(text: string): string[] {
  const names: string[] = [];
  let section = "";
  for (const line of text.split("\n")) {
    const [first = "", second = ""] = line.trim().split(/\s+/);
    if (first === "!") section = second;
    else if (section === "layout" && first !== "" && first !== "custom") names.push(first);
    else if (section === "variant" && first !== "") names.push(`${second.replace(/:$/, "")}-${first}`);
  }
  return names;
}

describe("a keyboard", () => {
  itWith(["/usr/share/X11/xkb"], "of xkb-data is known from OL7 on", () => {
    const names = rules.flatMap((file) => namesIn(readFileSync(file, "utf8")));
    expect(names.length).toBeGreaterThan(500);
    for (const major of [7, 8, 9]) expect(names.filter((name) => !isKeyboard(name, major))).toEqual([]);
  });

  it.each([
    "us",
    "is-latin1",
    "mac-dvorak",
    "ru-cp1251",
    "ruwin_cplk-CP1251",
    "sg-latin1-lk450",
    "de-latin1-nodeadkeys",
    "lt.baltic",
    "atari-uk-falcon",
    "mac-us-std",
  ])("of the console, such as %s, is known to every release", (name) => {
    for (const major of [5, 6, 7, 8, 9]) expect(isKeyboard(name, major)).toBe(true);
  });

  it.each(["de-sundeadkeys", "fr-oss_sundeadkeys", "tr-crh", "us (dvorak-intl)", "ch (fr)"])(
    "of X, such as %s, is known from OL7 on",
    (name) => {
      expect([6, 7, 9].map((major) => isKeyboard(name, major))).toEqual([false, true, true]);
    },
  );

  it.each([
    ["us-foo", ""],
    ["de-nodeadkeysx", 'did you mean "de-nodeadkeys"'],
    ["de-latin1-nodeadkey", 'did you mean "de-latin1-nodeadkeys"'],
    ["us-", 'did you mean "us"'],
    ["us (dvorakx)", ""],
    ["is-", ""],
    ["latin1", ""],
  ])("%s is none", (name, words) => {
    for (const major of [7, 8, 9]) {
      expect(isKeyboard(name, major)).toBe(false);
      expect(suggestion(name, keyboardsOf(major))).toContain(words);
    }
  });
});
