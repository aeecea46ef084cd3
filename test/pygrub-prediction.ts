import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { pvCheck } from "../src/guest/fitness/pv.ts";
import { localHost } from "../src/host/local.ts";
import type { realPygrub } from "./pygrub.ts";

type Pygrub = Awaited<ReturnType<typeof realPygrub>>;

/** That the check says of an image what the real pygrub boots of it: which kernel, with which initramfs and arguments; or nothing. */
export async function comparePygrub(pygrub: Pygrub, image: string, folder: string): Promise<void> {
  const real = await pygrub(image, folder);
  const { boots, verdict, findings } = await pvCheck(localHost(), image);
  expect(boots !== undefined, `${real.said}\n${JSON.stringify(findings)}`).toBe(real.boots);
  if (!boots) {
    // What pygrub refuses is unfit, and it is said why.
    expect([verdict, findings.length > 0]).toEqual(["unfit", true]);
    return;
  }
  const [, kernel = ""] = /^kernel (.*)$/m.exec(real.said) ?? [];
  const names: Readonly<Record<string, string>> = { "kernel 1": "-1", "kernel 2": "-2", k: "-1" };
  expect(boots.kernel).toMatch(new RegExp(`${names[await readFile(kernel, "utf8")] ?? "?"}$`));
  expect(/^ramdisk /m.test(real.said)).toBe(boots.initrd !== undefined);
  expect((/^args (.*)$/m.exec(real.said)?.[1] ?? "").trim()).toBe(boots.args.trim());
  // These kernels are texts: whether they have PV nobody can know.
  expect(verdict).not.toBe("fit");
}
