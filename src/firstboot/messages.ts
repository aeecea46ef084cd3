import { inSendingOrder } from "../model/root-password.ts";
import { bytesOf, mostBytes } from "./message-limits.ts";

/** A first-boot parameter and its value. */
export interface Answer {
  readonly key: string;
  readonly value: string;
  readonly password: boolean;
}

// This file also runs in the browser, in the pages of the catalog.

/**
 * The messages for Oracle VM's CLI, with the root password last: when it arrives, the guest configures
 * itself.
 */
export function managerMessages(answers: readonly Answer[], machine: string): string[] {
  // In the CLI's quotes, a slash escapes the next character, including a slash.
  const quoted = (value: string) => `"${value.replace(/[/"]/g, "/$&")}"`;
  // The Manager logs messages of up to 1024 bytes only.
  const log = ({ value, password }: Answer) => (password || bytesOf(value) > mostBytes.logged ? "No" : "Yes");
  return toSend(answers).map(
    (one) =>
      `sendVmMessage Vm name=${quoted(machine)} key=${one.key} message=${quoted(one.value)} log=${log(one)}`,
  );
}

/** The same as lines of JSON for `ovm-template-config --stdin configure` in the guest. */
export function stdinMessages(answers: readonly Answer[]): string[] {
  return toSend(answers).map(({ key, value }) => JSON.stringify({ [key]: value }));
}

function toSend(answers: readonly Answer[]): Answer[] {
  return inSendingOrder(answers).filter(({ value }) => value !== "");
}
