import { describe, expect, it } from "vitest";
import { folderOfMachine } from "../../src/build/guest-machine.ts";
import { withoutSsh } from "../../src/cli/commands/console.ts";

describe("console --ssh of a machine without ssh", () => {
  it.each([
    [
      "ol6-grid-rehearsal-92c453-install",
      /^It is still being installed\. .*\/ol6-grid-rehearsal-92c453\/root-password/,
    ],
    ["ol6-grid-rehearsal-92c453-provision", /^It is still booting/],
    [
      "ol6-grid-rehearsal-92c453-trial-2",
      /^Nobody can log in to this clone until its first boot .*`tbuild console ol6-grid-rehearsal-92c453-trial-2`/,
    ],
    ["vm001", /^It belongs to a deployment/],
    ["my-trial-1", /^It belongs to a deployment/],
  ])("says why, and what to do instead: %s", (machine, words) => {
    expect(withoutSsh(folderOfMachine("/builds", machine), machine)).toMatch(words);
  });
});
