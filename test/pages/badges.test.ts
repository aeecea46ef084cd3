import { expect, it } from "vitest";
import { badges } from "../../src/pages/badges.ts";
import type { CatalogEntry } from "../../src/store/records/catalog.ts";

const entry = (kind: "master" | "template", trial: string[]) =>
  ({ manifest: { kind, trial, rehearsal: false }, channels: [], tags: [] }) as unknown as CatalogEntry;

it("a template that was never booted has a badge, unlike one with a trial, and unlike a master", () => {
  expect(badges(entry("template", []))).toBe('<span class="badge untried">untried</span>');
  expect(badges(entry("template", ["trial1: rebooted, and nothing ran again"]))).toBe("");
  expect(badges(entry("master", []))).toBe("");
});
