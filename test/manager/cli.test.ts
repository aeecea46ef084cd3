import { describe } from "vitest";
import type { Release } from "../../src/manager/cli/dialect.ts";
import { managerContract } from "./contract.ts";
import { openSimulator } from "./open.ts";

const versions: Readonly<Record<Release, string>> = {
  "3.2": "3.2.11.775",
  "3.3": "3.3.4.1094",
  "3.4": "3.4.5.1919",
};

describe.each(Object.entries(versions))("the CLI of %s", (release, version) => {
  managerContract(release, () => openSimulator({ settings: { version } }));
});

describe("output mode Xml", () => {
  managerContract("3.4", () => openSimulator({ settings: { version: versions["3.4"] } }, { output: "xml" }));
});
