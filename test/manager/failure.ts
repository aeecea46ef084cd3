import { expect } from "vitest";
import { TbuildError } from "../../src/errors.ts";

/** The fault that some work ends with. */
export async function failure(work: Promise<unknown>): Promise<TbuildError> {
  const error = await work.then(
    () => expect.fail("it did not fail"),
    (thrown: unknown) => thrown,
  );
  if (error instanceof TbuildError) return error;
  throw error;
}
