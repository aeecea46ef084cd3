import { expect, it } from "vitest";
import { NameIndex } from "../../src/image/ext/name-index.ts";

it("finds the same as a map, whatever is added and removed", () => {
  const names = new Map<number, Buffer>();
  const index = new NameIndex((place) => names.get(place) ?? expect.fail(`nothing at ${place}`));
  const known = new Map<string, number>();
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * below);
  };
  for (let step = 0; step < 20_000; step++) {
    const name = Buffer.from(`n\xe9${random(3000)}`, "latin1");
    const key = name.toString("latin1");
    const place = known.get(key);
    expect(index.get(name)).toBe(place);
    if (place === undefined || random(3) === 0) {
      const next = (step + 1) * 12;
      names.set(next, name);
      index.set(name, next);
      if (place !== undefined) names.delete(place);
      known.set(key, next);
    } else if (random(2) === 0) {
      index.delete(name);
      names.delete(place);
      known.delete(key);
    }
  }
  expect(known.size).toBeGreaterThan(500);
  for (const [key, place] of known) expect(index.get(Buffer.from(key, "latin1"))).toBe(place);
});
