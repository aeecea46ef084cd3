import { it } from "vitest";

/** `make torture` sets it: more cases of what `make test` tries, and tests that take minutes. */
export const isSlow = process.env.TBUILD_SLOW === "1";

/** A test of `make torture`. Elsewhere it is skipped, and its title says why. */
export function itSlow(name: string, test: () => unknown): void {
  it.runIf(isSlow)(isSlow ? name : `${name} (TBUILD_SLOW=1 runs it)`, test);
}
