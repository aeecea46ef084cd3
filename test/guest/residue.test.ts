import { expect, it } from "vitest";
import { classReports, identityClasses } from "../../src/guest/residue.ts";

const applied = identityClasses.flatMap(({ operations }) => operations);
const reportOf = (name: string, residue: Parameters<typeof classReports>[2]) =>
  classReports([], applied, residue).find((one) => one.name === name);

it("calls a class without findings unknown, as long as free blocks contain data", () => {
  const found = { shown: new Map<string, number>(), withData: 3 };
  expect(reportOf("traces", { found })).toEqual({
    name: "traces",
    state: "unknown",
    why: ["3 free blocks with data of unknown origin"],
  });
  expect(reportOf("logs", { found })?.state).toBe("reset");
});

it("calls it reset if all free blocks are empty", () => {
  const found = { shown: new Map<string, number>(), withData: 0 };
  expect(reportOf("traces", { found })?.state).toBe("reset");
});

it("calls it unknown when free blocks were not counted, or cannot be seen", () => {
  expect(reportOf("traces", { found: { shown: new Map() } })?.state).toBe("unknown");
  expect(reportOf("logs", { found: undefined })?.state).toBe("unknown");
});
