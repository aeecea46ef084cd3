import { afterEach, beforeEach, vi } from "vitest";

/** tbuild's output during a test of this file, which does not appear in the test's own output. */
export function captured(): { out: string; err: string; all: string } {
  const streams = { out: process.stdout, err: process.stderr };
  const said = { out: "", err: "", all: "" };
  beforeEach(() => {
    Object.assign(said, { out: "", err: "", all: "" });
    for (const name of ["out", "err"] as const)
      vi.spyOn(streams[name], "write").mockImplementation((text) => {
        said[name] += text;
        said.all += text;
        return true;
      });
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });
  return said;
}
