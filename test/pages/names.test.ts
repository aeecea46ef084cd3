import { expect, it } from "vitest";
import { definitions, list, page, table } from "../../src/html.ts";
import { stringOf } from "../../src/image/names.ts";

it("a page shows names of a guest by their bytes, and nothing in them acts on the page or hides", () => {
  const latin1 = stringOf(Buffer.from("caf\xe9", "latin1"));
  const names = [latin1, "a\u202egnp.exe", "\x1b[31mred", "<script>alert(1)</script>", "caf\u00e9"];
  const body = [list(names, "none"), table(["name"], [names]), definitions([["name", names.join(" ")]])];
  const html = Buffer.from(page(latin1, body.join("")), "utf8").toString("utf8");
  for (const hidden of ["\ufffd", "\u202e", "\x1b", "<script>alert"]) expect(html).not.toContain(hidden);
  for (const part of body)
    for (const shown of ["caf\\xe9", "a\\u202egnp.exe", "\\x1b[31mred", "&#60;script&#62;", "caf\u00e9"])
      expect(part).toContain(shown);
  expect(html).toContain("<title>caf\\xe9</title>");
});
