import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isOwnOvmd } from "../../src/firstboot/additions.ts";

it("ovmd of tbuild's guest additions is known by its first lines, and another is not", async () => {
  const own = join(import.meta.dirname, "../../src/firstboot/additions/sbin/ovmd");
  expect(isOwnOvmd(await readFile(own, "utf8"))).toBe(true);
  expect(isOwnOvmd("#!/usr/bin/python\n# Oracle VM guest additions daemon\n")).toBe(false);
});
