import { describe, expect, it } from "vitest";
import { failureReport } from "../../../src/build/report/page.ts";

describe("the report of a build that failed", () => {
  it("says what happened and where, what was done, and escapes what a guest said", () => {
    const page = failureReport(
      "ol6-base-1a2b3c",
      {
        error: "provision-guest: script breaks: exit code 3",
        lines: ["no such <b>luck</b>"],
        step: "provision-guest",
        ran: { "install-guest": 61_000 },
      },
      ["install-configuring.png"],
      ["a line of the log"],
    );
    expect(page).toContain("What happened in provision-guest");
    expect(page).toContain("script breaks: exit code 3");
    expect(page).toContain("no such &#60;b&#62;luck");
    expect(page).not.toContain("<b>luck");
    expect(page).toContain("61.0 s");
    expect(page).toContain("install-configuring.png");
    expect(page).toContain("a line of the log");
  });
});
