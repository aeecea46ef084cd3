import { describe } from "vitest";
import { managerContract } from "./contract.ts";
import { openSimulator } from "./open.ts";

describe.each([
  ["3.3", "3.3.4.1094", "query"],
  ["3.4", "3.4.5.1919", "body"],
] as const)("the REST API of %s", (release, version, restImports) => {
  managerContract(
    release,
    () => openSimulator({ settings: { version, restImports } }, { via: "rest" }),
    restImports === "query" ? { importsOneFile: true } : {},
  );
});
