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

// The tests use Debian's programs, which `make` installs, even where other versions come first: a start of python3
// through pyenv takes eight times as long.
const env = {
  PATH: `/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH ?? ""}`,
};

// Tests of these kinds also wait: for a machine's timeouts, for a disk, for a server.
const mostlyWaiting = availableParallelism() + 1;

// The time limits below end a test that hangs. They say nothing of how fast a test should be: a machine that others use,
// too, takes four times as long.

// Four projects: `check` needs no root, no network and seconds; `contract` starts real tools; `e2e` boots machines; `xen`
// boots them on an emulated Xen host, which keeps a core busy for minutes.
export default defineConfig({
  test: {
    sequence: { sequencer: MachinesFirst },
    projects: [
      {
        test: {
          name: "check",
          env,
          include: ["test/**/*.test.ts"],
          exclude: ["test/contract/**", "test/e2e/**", "test/xen/**"],
          // Vitest would leave one core to itself.
          maxWorkers: availableParallelism(),
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "contract",
          env,
          include: ["test/contract/**/*.test.ts"],
          // It imports JSON as Node does not.
          server: { deps: { inline: [/@actions\//] } },
          maxWorkers: mostlyWaiting,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          name: "e2e",
          env,
          include: ["test/e2e/**/*.test.ts"],
          maxWorkers: mostlyWaiting,
          testTimeout: 1_800_000,
          hookTimeout: 1_800_000,
        },
      },
      {
        test: {
          name: "xen",
          env,
          include: ["test/xen/**/*.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
