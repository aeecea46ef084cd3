import { describe, expect, it } from "vitest";
import { failureReport } from "../../../src/build/report/page.ts";
import type { StepRecord } from "../../../src/build/report/record.ts";

const step = (name: string, more: Partial<StepRecord>): StepRecord => ({
  name,
  text: "",
  begin: 0,
  end: 0,
  state: "done",
  phases: [],
  pictures: [],
  console: [],
  ...more,
});
const picture = (file: string, text: string, at: number) => ({
  file: `/builds/b/pictures/${file}`,
  text,
  at,
});

describe("the report of a build that failed", () => {
  const page = failureReport(
    "ol6-base-1a2b3c",
    {
      error: "provision-guest: script breaks: exit code 3",
      lines: ["no such <b>luck</b>"],
      step: "provision-guest",
    },
    {
      record: {
        end: 80_000,
        steps: [
          step("fetch-medium", { state: "kept" }),
          step("install-guest", {
            end: 61_000,
            pictures: [picture("b.png", "configuring", 50_000), picture("a.png", "powering off", 60_000)],
          }),
          step("provision-guest", {
            begin: 61_000,
            end: 80_000,
            state: "failed",
            phases: [{ lane: "clone1", text: "booting", begin: 61_000, end: 80_000 }],
            console: ["login: <script>"],
          }),
        ],
      },
      log: ["a line of the log"],
    },
  );

  it("says what happened and where, and escapes the guest's output", () => {
    expect(page).toContain("What happened in provision-guest");
    expect(page).toContain("script breaks: exit code 3");
    expect(page).toContain("no such &#60;b&#62;luck");
    expect(page).toContain("login: &#60;script&#62;");
    expect(page).not.toMatch(/<b>luck|<script>/);
    expect(page).toContain("a line of the log");
    expect(page).toContain('href="log.txt"');
  });

  it("shows when each step ran, with its phases", () => {
    expect(page).toContain('<span class="ms">1:01</span>');
    expect(page).toContain('margin-left:76.3%;width:23.8%"></i></span><span class="ms">0:19, failed</span>');
    expect(page).toContain("clone1: booting");
    expect(page).toContain('<span class="ms">kept</span>');
  });

  it("shows the last picture first, and then all in order of time", () => {
    const files = [...page.matchAll(/<img [^>]*src="([^"]*)"/g)].map(([, file]) => file);
    expect(files).toEqual(["pictures/a.png", "pictures/b.png", "pictures/a.png"]);
  });
});
