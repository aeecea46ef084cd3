import { exitCodes } from "../errors.ts";
import type { LeftOut } from "../guest/files/take-out.ts";
import { shown } from "../io/escape.ts";

/** Reports each omitted path on standard error. `conclude` makes the command exit with 1 if there was one. */
export function leftOutNotes(): { readonly leftOut: LeftOut; readonly conclude: () => void } {
  let count = 0;
  return {
    leftOut(path, why) {
      count++;
      process.stderr.write(`left out: ${shown(path)}: ${why}\n`);
    },
    conclude() {
      if (count > 0) process.exitCode ||= exitCodes.found;
    },
  };
}
