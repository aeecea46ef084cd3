import { TbuildError } from "../errors.ts";
import type { Message } from "./api.ts";

/** A property of what was seen; absent if the Manager does not report it. */
export function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined || value === "" ? {} : { [key]: value }) as { [P in K]?: V };
}

/** The Manager refused an order; nothing was changed. */
export function isRefusal(error: unknown): boolean {
  return error instanceof TbuildError && error.code === "failed";
}

/**
 * A longer message cannot be logged. If logging is requested, it is refused (Concepts Guide 3.3,
 * vmcon-vm-message).
 */
const mostLoggedBytes = 1024;

export function isLogged({ value, isSecret }: Message): boolean {
  return !isSecret && Buffer.byteLength(value) <= mostLoggedBytes;
}
