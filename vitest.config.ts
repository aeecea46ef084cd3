import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** `e2e` first where it runs with `contract`: its one long file leaves a core idle, which the other files use. */
class MachinesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isFirst = ({ project }: TestSpecification) => Number(project.name === "e2e");
    return (await super.sort(files)).sort((one, other) => isFirst(other) - isFirst(one));
  }
}

// Tests of these kinds also wait: for a machine's timeouts, for a disk, for a server.
const mostlyWaiting = availableParallelism() + 1;

// Four projects: `check` needs no root, no network and seconds; `contract` starts real tools; `e2e` boots machines; `xen`
// boots them on an emulated Xen host, which keeps a core busy for minutes.
export default defineConfig({
  test: {
    sequence: { sequencer: MachinesFirst },
    projects: [
      {
        test: {
          name: "check",
          include: ["test/**/*.test.ts"],
          exclude: ["test/contract/**", "test/e2e/**", "test/xen/**"],
          // Vitest would leave one core to itself.
          maxWorkers: availableParallelism(),
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          // It imports JSON as Node does not.
          server: { deps: { inline: [/@actions\//] } },
          maxWorkers: mostlyWaiting,
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          maxWorkers: mostlyWaiting,
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          name: "xen",
          include: ["test/xen/**/*.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
