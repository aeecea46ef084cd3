/** One first-boot parameter and what somebody has answered. */
export interface Answer {
  readonly key: string;
  readonly value: string;
  readonly password: boolean;
}

/*
 * These functions also run in the reader's browser, as their own source text (contract-form.ts): each stands alone and
 * uses nothing but its arguments and what every browser has.
 */

/** The messages as Oracle VM's CLI takes them, the root password last: when it arrives, the guest configures itself. */
export function managerMessages(answers: readonly Answer[], machine: string): string[] {
  const root = "com.oracle.linux.root-password";
  // In the CLI's quotes a slash escapes what follows it, itself too.
  const quoted = (value: string) => `"${value.replace(/[/"]/g, "/$&")}"`;
  const said = answers.filter(({ value }) => value !== "");
  const inOrder = [...said.filter(({ key }) => key !== root), ...said.filter(({ key }) => key === root)];
  return inOrder.map(
    ({ key, value, password }) =>
      // The Manager logs messages of up to 1024 bytes only.
      `sendVmMessage Vm name=${quoted(machine)} key=${key} message=${quoted(value)} log=${password || new TextEncoder().encode(value).length > 1024 ? "No" : "Yes"}`,
  );
}

/** The same as lines of JSON for `ovm-template-config --stdin configure` in the guest. */
export function stdinMessages(answers: readonly Answer[]): string[] {
  const root = "com.oracle.linux.root-password";
  const said = answers.filter(({ value }) => value !== "");
  const inOrder = [...said.filter(({ key }) => key !== root), ...said.filter(({ key }) => key === root)];
  return inOrder.map(({ key, value }) => JSON.stringify({ [key]: value }));
}
