import { access, copyFile } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";

/** UEFI for qemu from Debian's package ovmf: the code, and the initial variables of a new machine. */
export const uefi = {
  code: "/usr/share/OVMF/OVMF_CODE_4M.fd",
  variables: "/usr/share/OVMF/OVMF_VARS_4M.fd",
} as const;

export async function proveUefi(): Promise<void> {
  for (const file of [uefi.code, uefi.variables])
    await access(file).catch((cause) => {
      throw new TbuildError("environment", `UEFI for qemu is missing: ${file}`, {
        cause,
        hint: "Install it: apt-get install ovmf",
      });
    });
}

/** Gives a machine its own variables: initial ones, or a copy from the machine that it is cloned from. */
export function giveVariables(to: string, from: string = uefi.variables): Promise<void> {
  return copyFile(from, to);
}
