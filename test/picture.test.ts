import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const { svgOf }: { svgOf: (lines: readonly string[], columns: number) => string } = await import(
  join(import.meta.dirname, "picture/svg.mjs")
);

it("a picture of a terminal has the text in its cells, with its colours, and nothing that ends an element", () => {
  const svg = svgOf(["\x1b[1;32m✓\x1b[0m a < b", "", "  \x1b[2mdim", "so\x1b[22m on"], 20);
  const texts = [
    ...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+"([^>]*)>([^<]*)<\/text>/g),
  ];
  expect(texts.map(([, , , style, text]) => [style?.trim(), text])).toEqual([
    ['fill="#23d18b" font-weight="bold"', "✓"],
    ["", "a &lt; b"],
    ['opacity="0.6"', "dim"],
    ['opacity="0.6"', "so"],
    ["", "on"],
  ]);
  const [, ...columns] = texts.map(([, x]) => Math.round((Number(x) - 12) / 8.43));
  expect(columns).toEqual([2, 2, 0, 3]);
  expect(new Set(texts.map(([, , y]) => y)).size).toBe(3);
});

it("README's picture is one of a build at work: a step that is done, and the one that runs with the guest's console", () => {
  const svg = readFileSync(join(import.meta.dirname, "../docs/picture.svg"), "utf8");
  expect(svg).toContain("tbuild recipe ol6-grid --rehearse");
  for (const shown of [/✓/, /fetch-medium/, /install-guest/, /Packages completed/])
    expect(svg).toMatch(shown);
});
