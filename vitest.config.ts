import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Four projects: `check` needs no root, no network and seconds; `contract` starts real tools; `e2e` boots machines; `xen`
// boots them on an emulated Xen host, which keeps a core busy for minutes.
export default defineConfig({
  test: {
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
          maxWorkers: availableParallelism(),
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
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
